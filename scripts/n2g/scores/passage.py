"""Some documents of the corpus, one after the other, to predict and to measure on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from n2g.graphs.matching import TokenIndex
from n2g.texts.documents import Documents
from n2g.texts.positions import spans


@dataclass(frozen=True)
class Passage:
    """Some documents, one after the other.

    numbers: int64 [document]. bounds: int64 [document + 1], where each begins and ends in `index`. origin: int64
    [token], positions in the whole corpus.
    """

    numbers: np.ndarray
    bounds: np.ndarray
    index: TokenIndex
    origin: np.ndarray

    @classmethod
    def of(cls, documents: Documents, numbers: np.ndarray) -> Passage:
        """The documents with these numbers, in this order."""
        lengths = documents.lengths[numbers]
        bounds = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        origin = documents.positions(numbers)
        index = TokenIndex(documents.tokens[origin], np.repeat(bounds[:-1] + 1, lengths))
        return Passage(numbers, bounds, index, origin)

    @cached_property
    def _order(self) -> np.ndarray:
        return np.argsort(self.numbers, kind="stable")

    def rows(self, numbers: Sequence[int] | np.ndarray) -> np.ndarray:
        """Which of the documents have these numbers (int64). Raises LookupError where none has."""
        rows = self._order[np.searchsorted(self.numbers, numbers, sorter=self._order)]
        if not np.array_equal(self.numbers[rows], numbers):
            raise LookupError("a document is not in the passage")
        return rows

    def spans(self, numbers: Sequence[int] | np.ndarray) -> list[slice]:
        """Where documents (by their numbers in the corpus) lie in `index`."""
        rows = self.rows(numbers)
        ends = zip(self.bounds[rows].tolist(), self.bounds[rows + 1].tolist(), strict=True)
        return [slice(begin, end) for begin, end in ends]

    def span(self, number: int) -> slice:
        """Where one document lies."""
        return self.spans([number])[0]

    def tokens_of(self, numbers: Sequence[int] | np.ndarray) -> np.ndarray:
        """Positions in `index` (int64) of every token but BOS of some documents."""
        rows = self.rows(numbers)
        begins = self.bounds[rows] + 1
        return spans(begins, self.bounds[rows + 1] - begins)
