"""The tokenised corpus in memory: its documents, their splits, and the guard that keeps test documents away
from all fitting code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from n2g.texts.positions import Places, find_places, spans

SPLITS = ("train", "validation", "test")
TEST = SPLITS.index("test")


def locate(places: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which of `wanted` positions are among `places` (bool [wanted]), and where those stand there (int64).

    places, wanted: int64, positions in the whole corpus; `places` are distinct, in any order.
    """
    order = np.argsort(places, kind="stable")
    rank = np.searchsorted(places, wanted, sorter=order)
    inside = rank < len(order)
    inside[inside] = places[order[rank[inside]]] == wanted[inside]
    return inside, order[rank[inside]]


class WithheldError(LookupError):
    """Fitting code asked for a test document."""


@dataclass(frozen=True)
class Documents:
    """The tokenised corpus.

    tokens: int32 [token], all documents concatenated, each beginning with BOS. offsets: int64 [document].
    lengths: int64 [document], BOS included. split: int8 [document], an index into `SPLITS`. withheld: whether
    test documents are closed, see `without_test`. read_places: reads the positions of each token, if they are on disk.
    """

    tokens: np.ndarray
    offsets: np.ndarray
    lengths: np.ndarray
    split: np.ndarray
    withheld: bool = False
    read_places: Callable[[], Places] | None = None

    def __len__(self) -> int:
        return len(self.offsets)

    def ids(self, document: int) -> np.ndarray:
        """Token ids of one document."""
        if self.withheld and self.split[document] == TEST:
            raise WithheldError(f"document {document} is a test document: fitting code may not read it")
        begin = self.offsets[document]
        return self.tokens[begin : begin + self.lengths[document]]

    def positions(self, numbers: np.ndarray) -> np.ndarray:
        """Positions (int64) in `tokens` of whole documents, one document after the other."""
        return spans(self.offsets[numbers], self.lengths[numbers])

    def of(self, split: str) -> np.ndarray:
        """Document numbers of a split, ascending."""
        self._open(split)
        return np.flatnonzero(self.split == SPLITS.index(split))

    @cached_property
    def _places(self) -> Places:
        given = self.read_places
        return given() if given else find_places(self.tokens, self.offsets, self.lengths, self.split)

    def places(self, split: str, token: int) -> np.ndarray:
        """Positions (int64, ascending) of a token in the documents of a split."""
        self._open(split)
        return self._places.of(SPLITS.index(split), token)

    def counts(self, split: str) -> np.ndarray:
        """How often each token id occurs in the documents of a split, BOS left out: int64 [token id]."""
        self._open(split)
        return self._places.counts[SPLITS.index(split)]

    def _open(self, split: str) -> None:
        if self.withheld and split == "test":
            raise WithheldError("fitting code may not ask for the test documents")

    def pool(self, split: str, size: int) -> np.ndarray:
        """The first `size` documents of a split: documents are numbered in random order."""
        return self.of(split)[:size]

    def batches(self, budget: int, numbers: np.ndarray | None = None) -> Iterator[np.ndarray]:
        """Documents of similar length together, at most `budget` tokens (padding included) at a time.

        numbers: int64, of some documents; without them, all.
        """
        chosen = np.arange(len(self)) if numbers is None else np.sort(numbers)
        order = chosen[np.argsort(self.lengths[chosen], kind="stable")]
        begin = 0
        while begin < len(order):
            end = begin + 1
            while end < len(order) and self.lengths[order[end]] * (end + 1 - begin) <= budget:
                end += 1
            yield order[begin:end]
            begin = end

    def document_at(self, positions: np.ndarray) -> np.ndarray:
        """Number (int64) of the document that holds each position of `tokens`.

        Raises WithheldError where a position lies in a document that is closed.
        """
        order = np.argsort(self.offsets, kind="stable")
        found = order[np.searchsorted(self.offsets[order], positions, side="right") - 1]
        if self.withheld and (positions >= self.offsets[found] + self.lengths[found]).any():
            raise WithheldError("a position lies in a test document: fitting code may not read it")
        return found

    def without_test(self) -> Documents:
        """The corpus as all fitting code must see it.

        Document numbers stay as they are, but a test document has no tokens and lies behind the last one; to
        ask for it by number, by split or by the position of a token raises WithheldError.
        """
        test = self.split == TEST
        return replace(
            self,
            offsets=np.where(test, len(self.tokens), self.offsets),
            lengths=np.where(test, 0, self.lengths),
            withheld=True,
        )
