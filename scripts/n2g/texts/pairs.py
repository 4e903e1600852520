"""Which pairs of tokens natural text contains, the most common first: the sweep tests them on the model."""

from __future__ import annotations

import numpy as np

# Pairs that are kept apart before they are added up: bounds memory.
PENDING = 2**20
# The longest list: a larger budget than this has nothing more to ask.
LONGEST = 2**23


class PairCounts:
    """How often each token follows each other token, counted document by document."""

    def __init__(self, pending: int = PENDING):
        self._keys, self._counts = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        self._waiting: list[np.ndarray] = []
        self._size, self._pending = 0, pending

    def add(self, ids: np.ndarray) -> None:
        """Count the pairs of one document. ids: its tokens without BOS, int [token]."""
        ids = np.asarray(ids, dtype=np.int64)
        self._waiting.append(ids[:-1] << 32 | ids[1:])
        self._size += max(len(ids) - 1, 0)
        if self._size >= self._pending:
            self._add_up()

    def _add_up(self) -> None:
        keys, counts = np.unique(
            np.concatenate([np.zeros(0, dtype=np.int64), *self._waiting]), return_counts=True
        )
        both, at = np.unique(np.concatenate([self._keys, keys]), return_inverse=True)
        sums = np.zeros(len(both), dtype=np.int64)
        np.add.at(sums, at, np.concatenate([self._counts, counts]))
        self._keys, self._counts = both, sums
        self._waiting, self._size = [], 0

    def columns(self) -> dict[str, np.ndarray]:
        """Columns of the `pairs` table: the most common pair first, equally common ones by their token ids."""
        self._add_up()
        order = np.lexsort((self._keys, -self._counts))[:LONGEST]
        keys = self._keys[order]
        return {"before": keys >> 32, "token": keys & 0xFFFFFFFF, "count": self._counts[order]}


def within(count: int, budget: int, prefixes: int) -> int:
    """How many of `count` pairs a budget of model tokens allows, each asked after every prefix.

    The preceding tokens are extra; they are fewer, as they are shared.
    """
    return min(count, budget // prefixes)
