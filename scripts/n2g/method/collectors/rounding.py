"""Sums over many tokens, rounded to the digits that do not depend on the order of addition."""

from __future__ import annotations

import numpy as np


def rounded(values: np.ndarray, significant: int = 9) -> np.ndarray:
    """So many significant digits: sums over many tokens differ in the last bits with the shape of a block."""
    values = np.asarray(values, dtype=np.float64)
    with np.errstate(divide="ignore"):
        digits = (
            significant - 1 - np.floor(np.log10(np.abs(values), where=values != 0, out=np.zeros_like(values)))
        )
    scale = 10.0**digits
    return np.round(values * scale) / scale
