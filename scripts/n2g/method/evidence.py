"""The corpus evidence about one neuron: where it fires, and where a pattern matches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

import numpy as np

from n2g.graphs.elements import Element
from n2g.graphs.matching import Index, match_pattern
from n2g.texts.documents import Documents
from n2g.texts.positions import parts, spans


@dataclass(frozen=True)
class Texts:
    """The documents of one or more splits, to look for patterns in; positions are those of the whole corpus.

    splits: their names. numbers: int64 [document], ascending. begins, ends: int64 [document], where the text of each
    begins, after BOS, and ends. tokens: int32, of the whole corpus.
    """

    documents: Documents
    splits: tuple[str, ...]
    numbers: np.ndarray
    begins: np.ndarray = field(init=False)
    ends: np.ndarray = field(init=False)
    tokens: np.ndarray = field(init=False)
    whole: bool = True  # whether these are all documents of the splits

    def __post_init__(self) -> None:
        offsets = self.documents.offsets[self.numbers]
        object.__setattr__(self, "begins", offsets + 1)
        object.__setattr__(self, "ends", offsets + self.documents.lengths[self.numbers])
        object.__setattr__(self, "tokens", np.asarray(self.documents.tokens))

    @classmethod
    def of(cls, documents: Documents, *splits: str) -> Texts:
        """The documents of the given splits, in the order of the corpus."""
        return cls(documents, splits, np.sort(np.concatenate([documents.of(split) for split in splits])))

    def parts(self) -> Iterator[Texts]:
        """These texts, some documents at a time."""
        for part in parts(self.ends - self.begins):
            numbers = self.numbers[part]
            yield replace(self, numbers=numbers, whole=len(numbers) == len(self.numbers))

    def rows(self, positions: np.ndarray) -> np.ndarray:
        """Which of the documents holds each of `positions`; -1 where none does."""
        row = np.searchsorted(self.begins, positions + 1, side="right") - 1
        return np.where((row >= 0) & (positions < self.ends[row]), row, -1) if len(self.ends) else row

    def positions(self, token: int) -> np.ndarray:
        """Sorted positions of `token`, BOS positions left out."""
        found = [self.documents.places(split, token) for split in self.splits]
        if not self.whole:
            found = [some[slice(*np.searchsorted(some, [self.begins[0], self.ends[-1]]))] for some in found]
        return found[0] if len(found) == 1 else np.sort(np.concatenate(found), kind="stable")

    def each(self, tokens: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """The positions of several tokens, one token after the other, and which of `tokens` stands there."""
        found = [self.positions(token) for token in tokens]
        return np.concatenate(found), np.repeat(np.arange(len(found)), [len(one) for one in found])

    def begins_of(self, positions: np.ndarray) -> np.ndarray:
        """For each position in these texts the first one of its document that counts as text."""
        return self.begins[np.searchsorted(self.begins, positions + 1, side="right") - 1]

    def every(self) -> np.ndarray:
        """All positions but those of BOS, ascending."""
        return spans(self.begins, self.ends - self.begins)

    def drawn(self, draw: np.random.Generator, count: int, after: int = 0) -> np.ndarray:
        """Random positions that have at least `after` tokens of text before them."""
        room = np.maximum(self.ends - self.begins - after, 0)
        ends = np.cumsum(room)
        picked = draw.choice(int(room.sum()), count)
        row = np.searchsorted(ends, picked, side="right")
        return self.begins[row] + after + picked - (ends - room)[row]


def text_until(index: Index, position: int, count: int) -> tuple[int, ...]:
    """Up to `count` token ids that end with the one at `position`, BOS left out."""
    begin = max(int(index.begins_of(np.array([position]))[0]), position + 1 - count)
    return tuple(index.tokens[begin : position + 1].tolist())


Searched = TypeVar("Searched", bound=Index)


@dataclass(frozen=True)
class Evidence(Generic[Searched]):
    """One neuron on some texts: the positions (int64, ascending) at which it reaches its floor, its activations
    there (float32; elsewhere they count as 0), and the activation from which it fires."""

    texts: Searched
    positions: np.ndarray
    activations: np.ndarray
    threshold: float

    @property
    def firing(self) -> np.ndarray:
        """Positions that fire, ascending."""
        return self.positions[self.activations >= self.threshold]

    def rows(self, positions: np.ndarray) -> np.ndarray:
        """Where each of `positions` is among the evidence's own; -1 where it is not."""
        row = np.searchsorted(self.positions, positions)
        row[row == len(self.positions)] = -1
        return np.where(self.positions[row] == positions, row, -1) if len(self.positions) else row

    def at(self, positions: np.ndarray) -> np.ndarray:
        """Activations, float32."""
        rows = self.rows(positions)
        return np.append(self.activations, np.float32(0))[rows]

    def matched(self, elements: Sequence[Element]) -> tuple[int, np.ndarray]:
        """How often a pattern matches, and which of the evidence's own positions it matches (int64, ascending)."""
        pivots, _ = match_pattern(self.texts, elements)
        rows = self.rows(pivots)
        return len(pivots), rows[rows >= 0]

    def count(self, elements: Sequence[Element]) -> tuple[int, int, float]:
        """Matches of a pattern, how many of them fire, and the sum of their activations."""
        matches, rows = self.matched(elements)
        found = self.activations[rows]
        return matches, int((found >= self.threshold).sum()), float(found.sum())
