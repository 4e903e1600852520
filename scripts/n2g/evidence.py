"""What the corpus says of one neuron: where it fires, and what any pattern matches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from n2g.documents import Documents
from n2g.graph import Element, TokenIndex, match_pattern


@dataclass(frozen=True)
class Texts:
    """The documents of one or more splits as one index.

    index: their tokens. origin: int64 [token], each token's position in the whole corpus. document: int32
    [token], its document's number.
    """

    index: TokenIndex
    origin: np.ndarray
    document: np.ndarray

    @classmethod
    def of(cls, documents: Documents, *splits: str) -> Texts:
        """The documents of the given splits, in the order of the corpus."""
        numbers = np.sort(np.concatenate([documents.of(split) for split in splits]))
        lengths, offsets = documents.lengths[numbers], documents.offsets[numbers]
        starts = np.cumsum(lengths) - lengths
        origin = np.repeat(offsets - starts, lengths) + np.arange(lengths.sum())
        return cls(
            TokenIndex(documents.tokens[origin], np.repeat(starts + 1, lengths)),
            origin,
            np.repeat(numbers, lengths).astype(np.int32),
        )

    def spread(self, positions: np.ndarray, values: np.ndarray) -> np.ndarray:
        """float32 [token]: `values` at corpus `positions` that lie in these texts, 0 elsewhere."""
        dense = np.zeros(len(self.origin), dtype=np.float32)
        at = np.searchsorted(self.origin, positions)
        at = np.minimum(at, len(self.origin) - 1)
        inside = self.origin[at] == positions if len(self.origin) else np.zeros(len(positions), dtype=bool)
        dense[at[inside]] = values[inside]
        return dense

    def at(self, position: int) -> int:
        """Index of the token at a position of the corpus. Raises KeyError where it is not in these texts."""
        found = int(np.searchsorted(self.origin, position))
        if found == len(self.origin) or self.origin[found] != position:
            raise KeyError(position)
        return found

    def before(self, position: int, count: int) -> tuple[int, ...]:
        """Up to `count` token ids that end with the one at `position`, BOS left out."""
        begin = max(int(self.index.begins[position]), position + 1 - count)
        return tuple(self.index.tokens[begin : position + 1].tolist())


@dataclass(frozen=True)
class Evidence:
    """One neuron on one split: activations (float32 [token]; what is below the floor counts as 0) and the
    activation from which it fires."""

    texts: Texts
    activations: np.ndarray
    threshold: float

    @property
    def firing(self) -> np.ndarray:
        """Positions that fire, ascending."""
        return np.flatnonzero(self.activations >= self.threshold)

    def count(self, elements: Sequence[Element]) -> tuple[int, int, float]:
        """Matches of a pattern, how many of them fire, and the sum of their activations."""
        pivots, _ = match_pattern(self.texts.index, elements)
        found = self.activations[pivots]
        return len(pivots), int((found >= self.threshold).sum()), float(found.sum())
