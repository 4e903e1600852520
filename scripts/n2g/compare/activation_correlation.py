"""Which neurons' activations correlate.

A sketch names the most promising partners of each neuron, and only their correlations are computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from n2g.compare.similar_table import TOP, Pair

CORRELATED = 0.1  # least correlation that is worth a row

SKETCH = 2**26  # numbers in all sketches together; with few units, whole rows fit in
CANDIDATES = 24
CHUNK = 512  # rows of the products of sketches that are in memory at a time


def behavioural(
    activations: Sequence[np.ndarray], kept: np.ndarray, top: int = TOP, threads: int = 1
) -> Iterator[Pair]:
    """The units whose activations correlate most with those of each unit.

    activations: for each block, float16 [unit of the block, token]; they may be memory maps. kept: bool [token],
    which tokens count. A unit that is constant or not finite is similar to none. threads: how many work on it.
    """
    rows = _Rows(activations, kept)
    sketch = _sketches(rows)
    count = min(CANDIDATES, len(rows) - 1)
    partners: list[set[int]] = [set() for _ in range(len(rows))]
    for first in range(0, len(rows), CHUNK) if count > 0 else ():
        guess = -sketch[first : first + CHUNK] @ sketch.T
        guess[np.arange(len(guess)), first + np.arange(len(guess))] = np.inf
        for unit, others in enumerate(np.argpartition(guess, count - 1)[:, :count].tolist(), start=first):
            for other in others:
                partners[min(unit, other)].add(max(unit, other))
    found: list[list[tuple[float, int]]] = [[] for _ in range(len(rows))]
    chosen = [sorted(others) for others in partners]
    with ThreadPoolExecutor(
        threads
    ) as pool:  # threads share the memory maps, and numpy lets them work side by side
        for unit, scores in enumerate(pool.map(rows.correlations, range(len(rows)), chosen)):
            for other, score in zip(chosen[unit], scores, strict=True):
                if score >= CORRELATED:
                    found[unit].append((-score, other))
                    found[other].append((-score, unit))
    for unit, pairs in enumerate(found):
        for rank, (score, other) in enumerate(sorted(pairs)[:top]):
            yield Pair(unit, other, "behaviour", -score, rank)


class _Rows:
    """The rows of several arrays, one array after the other, on the tokens that count."""

    def __init__(self, blocks: Sequence[np.ndarray], kept: np.ndarray) -> None:
        self._places = [(block, row) for block in blocks for row in range(len(block))]
        self._kept = np.flatnonzero(kept)
        self._norms = [self._centred(unit)[1] for unit in range(len(self))]

    def __len__(self) -> int:
        return len(self._places)

    def standardised(self, unit: int) -> np.ndarray:
        """float64 [token that counts]: of mean 0 and length 1, or zeros for a unit that correlates with none."""
        values, norm = self._centred(unit)
        return values / norm if norm else np.zeros_like(values)

    def correlations(self, unit: int, others: Sequence[int]) -> list[float]:
        """Pearson's r with other units, to four decimals."""
        own = self.standardised(unit)
        norms = [self._norms[other] for other in others]
        return [
            round(float((own * self._values(other)).sum()) / norm, 4) if norm else 0.0
            for other, norm in zip(others, norms, strict=True)
        ]

    def _values(self, unit: int) -> np.ndarray:
        block, row = self._places[unit]
        return block[row].take(self._kept).astype(np.float64)

    def _centred(self, unit: int) -> tuple[np.ndarray, float]:
        """Values less their mean, and their length; 0 where they are all equal or not finite."""
        values = self._values(unit)
        if not len(values) or not np.isfinite(values).all():
            return values, 0.0
        values -= values.mean()
        norm = float(np.sqrt(np.square(values).sum()))  # no BLAS: its sums depend on the threads
        return values, norm if norm > 1e-6 * np.sqrt(len(values)) else 0.0


def _sketches(rows: _Rows) -> np.ndarray:
    """float32 [unit, ...]: standardised rows, shortened so that products stay close (a count sketch)."""
    size = SKETCH // max(1, len(rows))
    sketches: list[np.ndarray] = []
    for unit in range(len(rows)):
        whole = rows.standardised(unit).astype(np.float32)
        if not sketches:
            random = np.random.default_rng(0)
            order = random.permutation(len(whole))
            signs = random.choice(np.array([-1.0, 1.0], np.float32), len(whole))
            bounds = np.linspace(0, len(whole), size + 1).astype(int)[:-1]
        sketches.append(np.add.reduceat((whole * signs)[order], bounds) if len(whole) > size else whole)
    return np.array(sketches)
