"""How well simulated activations agree with real ones, as Bills et al. 2023 measure it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from n2g import metrics
from n2g.explain.excerpts import Excerpt

# An excerpt -> float64 [token] and for how many of the tokens there was a prediction.
Simulator = Callable[[Excerpt], tuple[np.ndarray, int]]


@dataclass(frozen=True)
class Scores:
    """Agreement on the tokens of all sequences laid end to end, and the correlation on those of either kind.

    rated: share of the tokens for which the simulator gave a value.
    """

    ev_correlation: float = 0.0
    rsquared: float = 0.0
    absolute_dev_explained: float = 0.0
    ev_correlation_top: float = 0.0
    ev_correlation_random: float = 0.0
    tokens: int = 0
    rated: float = 0.0


def score(excerpts: Sequence[Excerpt], simulator: Simulator) -> Scores:
    """Simulate every excerpt and compare."""
    if not excerpts:
        return Scores()
    found = [simulator(excerpt) for excerpt in excerpts]
    real = np.concatenate([excerpt.activations for excerpt in excerpts])
    predicted = np.concatenate([values for values, _ in found])
    kinds = np.repeat([excerpt.kind for excerpt in excerpts], [len(one.tokens) for one in excerpts])
    return Scores(
        ev_correlation=metrics.correlation(real, predicted),
        rsquared=metrics.rsquared(real, predicted),
        absolute_dev_explained=metrics.absolute_dev_explained(real, predicted),
        ev_correlation_top=metrics.correlation(real[kinds == "top"], predicted[kinds == "top"]),
        ev_correlation_random=metrics.correlation(real[kinds == "random"], predicted[kinds == "random"]),
        tokens=len(real),
        rated=sum(count for _, count in found) / max(1, len(real)),
    )
