"""Moments, range and histogram of each unit's activations."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float

from n2g.method.collectors.bins import Bins
from n2g.method.collectors.rounding import rounded
from n2g.method.histogram_bins import EDGES


class Moments:
    """Sums of powers of the activations, the smallest and the largest, and how many fall into each bin."""

    def __init__(self, units: int, device: str):
        self._sums = torch.zeros(units, 5, dtype=torch.float64, device=device)  # count, sums of x .. x^4
        self._lowest = torch.full((units,), torch.inf, device=device)
        self._highest = torch.full((units,), -torch.inf, device=device)
        self._histogram = torch.zeros(units, len(EDGES) + 1, dtype=torch.int64, device=device)
        self._bins = Bins(EDGES, device)
        # On a CPU as many as its caches hold; a GPU works best on all at once.
        self._chunk = 16 if device == "cpu" else max(1, units)

    def add(self, flat: Float[torch.Tensor, "token unit"]) -> None:
        """Add the activations of some tokens."""
        # Summed along rows, so that the order of addition does not depend on the number of units.
        columns = flat.T.contiguous()
        for begin in range(0, len(columns), self._chunk):
            self._add(slice(begin, begin + self._chunk), columns[begin : begin + self._chunk])

    def _add(self, units: slice, columns: Float[torch.Tensor, "unit token"]) -> None:
        lowest, highest = columns.aminmax(dim=1)
        self._lowest[units] = torch.minimum(self._lowest[units], lowest)
        self._highest[units] = torch.maximum(self._highest[units], highest)
        wide = columns.double()
        square = wide * wide
        sums = [torch.full_like(wide[:, 0], columns.shape[1]), wide.sum(1), square.sum(1)]
        # in place, as new memory takes longer than the arithmetic
        self._sums[units] += torch.stack([*sums, wide.mul_(square).sum(1), square.mul_(square).sum(1)], 1)
        bins = self._bins.of(columns)
        self._histogram[units].scatter_add_(1, bins, bins.new_ones(()).expand_as(bins))

    def forget(self, units: Bool[torch.Tensor, " unit"]) -> None:
        """Discard everything seen of these units."""
        self._sums[units] = self._lowest[units] = self._highest[units] = 0
        self._histogram[units] = 0

    def columns(self) -> dict[str, np.ndarray | list]:
        """Columns of the table `statistics`: those computed from sums and bins."""
        count, *sums = self._sums.cpu().numpy().T
        m1, m2, m3, m4 = (total / np.maximum(count, 1) for total in sums)
        variance = np.maximum(m2 - m1**2, 0)
        std = np.sqrt(variance)
        third = m3 - 3 * m1 * m2 + 2 * m1**3
        fourth = m4 - 4 * m1 * m3 + 6 * m1**2 * m2 - 3 * m1**4
        safe = np.where(std > 0, std, 1)
        lower = np.concatenate([[-np.inf], EDGES])  # of each bin
        positive = self._histogram[:, torch.as_tensor(lower > 0)].sum(1).cpu().numpy()
        return {
            "tokens": count.astype(np.int64),
            "lowest": self._lowest.double().cpu().numpy() + 0.0,  # -0.0 is 0.0
            "highest": self._highest.double().cpu().numpy() + 0.0,
            "mean": rounded(m1),
            "std": rounded(std),
            "skewness": rounded(np.where(std > 0, third / safe**3, 0)),
            "kurtosis": rounded(np.where(std > 0, fourth / safe**4, 0)),
            "density": rounded(positive / np.maximum(count, 1)),
            "histogram": list(self._histogram.cpu().numpy()),
        }
