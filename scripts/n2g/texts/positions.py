"""The positions of each token in the corpus: found once, and read from disk when needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

PART = 2**17  # tokens that are worked on at a time: bounds memory


@dataclass(frozen=True)
class Places:
    """The positions of all tokens but BOS, int64, ordered by split, token id and position; and how many there are of
    each, int64 [split, token id]."""

    positions: np.ndarray
    counts: np.ndarray

    @cached_property
    def _ends(self) -> np.ndarray:
        return np.cumsum(self.counts).reshape(self.counts.shape)

    def of(self, split: int, token: int) -> np.ndarray:
        """Positions of a token in the documents of a split, ascending; empty if no document has it."""
        if not 0 <= token < self.counts.shape[1]:
            return self.positions[:0]
        end = self._ends[split, token]
        return self.positions[end - self.counts[split, token] : end]


def spans(begins: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The numbers (int64) from each of `begins` on, as many as its length, one after the other."""
    return np.repeat(begins - (np.cumsum(lengths) - lengths), lengths) + np.arange(lengths.sum())


def parts(lengths: np.ndarray, size: int = PART) -> Iterator[slice]:
    """Consecutive documents with about `size` tokens together; lengths: int64 [document]."""
    number = (np.cumsum(lengths) - lengths) // size
    begins = np.flatnonzero(np.diff(number, prepend=-1))
    yield from (slice(int(begin), int(end)) for begin, end in pairwise([*begins, len(lengths)]))


def find_places(
    tokens: np.ndarray,
    offsets: np.ndarray,
    lengths: np.ndarray,
    split: np.ndarray,
    room: Callable[[int], np.ndarray] = lambda size: np.empty(size, dtype=np.int64),
) -> Places:
    """Sort the positions of tokens by counting, part by part.

    Args:
        tokens, offsets, lengths, split: as in :class:`n2g.texts.documents.Documents`.
        room: gives an int64 array of so many numbers to write the positions to.
    """
    ids = int(tokens.max(initial=0)) + 1
    counts = np.zeros((3, ids), dtype=np.int64)
    texts = np.maximum(lengths - 1, 0)  # without BOS

    def keys() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for part in parts(texts):
            positions = spans(offsets[part] + 1, texts[part])
            yield np.repeat(split[part].astype(np.int64) * ids, texts[part]) + tokens[positions], positions

    for key, _ in keys():
        counts += np.bincount(key, minlength=counts.size).reshape(counts.shape)
    sorted_positions = room(int(counts.sum()))
    free = np.cumsum(counts) - counts.ravel()  # where the next position of each key goes
    for key, positions in keys():
        order = np.argsort(key, kind="stable")
        found, first, number = np.unique(key[order], return_index=True, return_counts=True)
        sorted_positions[np.repeat(free[found] - first, number) + np.arange(len(order))] = positions[order]
        free[found] += number
    return Places(sorted_positions, counts)
