"""Where patterns match in texts: an index of tokens, and the search from the activating token backwards."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

import numpy as np

from n2g.graphs.elements import Element


@dataclass
class Match:
    """Where one pattern matched: pivot positions (int64, sorted) and predicted activations (float64)."""

    node: int
    specificity: tuple[int, int]
    positions: np.ndarray
    activations: np.ndarray


@dataclass
class Frontier:
    """Partial matches: for each number of tokens consumed, the pivots and the product of weights so far."""

    at: dict[int, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    def add(self, consumed: int, pivots: np.ndarray, weights: np.ndarray) -> None:
        if len(pivots) == 0:
            return
        if consumed in self.at:
            pivots = np.concatenate([self.at[consumed][0], pivots])
            weights = np.concatenate([self.at[consumed][1], weights])
            order = np.lexsort((-weights, pivots))
            pivots, weights = pivots[order], weights[order]
            first = np.concatenate([[True], pivots[1:] != pivots[:-1]])
            pivots, weights = pivots[first], weights[first]
        self.at[consumed] = (pivots, weights)


class Index(Protocol):
    """What patterns are matched with: see :class:`TokenIndex`."""

    @property
    def tokens(self) -> np.ndarray: ...
    def positions(self, token: int) -> np.ndarray: ...
    def each(self, tokens: Sequence[int]) -> tuple[np.ndarray, np.ndarray]: ...
    def begins_of(self, positions: np.ndarray) -> np.ndarray: ...
    def every(self) -> np.ndarray: ...
    def parts(self) -> Iterable[Index]: ...


class TokenIndex:
    """Token ids of many concatenated sequences, with the positions of each token.

    tokens: int array [n]; begins: int array [n], for each position the first position of its sequence that
    counts as text (after BOS). Positions before their own `begins` (BOS itself) never match.
    """

    def __init__(self, tokens: np.ndarray, begins: np.ndarray):
        self.tokens = np.asarray(tokens, dtype=np.int64)
        self.begins = np.asarray(begins, dtype=np.int64)

    @cached_property
    def _order(self) -> tuple[np.ndarray, np.ndarray]:
        order = np.argsort(self.tokens, kind="stable")
        return order, self.tokens[order]

    def positions(self, token: int) -> np.ndarray:
        """Sorted positions of `token`, BOS positions left out."""
        order, tokens = self._order
        low, high = np.searchsorted(tokens, [token, token + 1])
        found = order[low:high]
        return found[found >= self.begins[found]]

    def each(self, tokens: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """The positions of several tokens, one token after the other, and which of `tokens` stands there."""
        order, known = self._order
        wanted = np.asarray(tokens, dtype=np.int64)
        low = np.searchsorted(known, wanted)
        counts = np.searchsorted(known, wanted, side="right") - low
        which = np.repeat(np.arange(len(wanted)), counts)
        found = order[np.arange(len(which)) + (low - (np.cumsum(counts) - counts))[which]]
        inside = found >= self.begins[found]
        return found[inside], which[inside]

    def parts(self) -> Sequence[TokenIndex]:
        """These sequences, some at a time."""
        return [self]

    def begins_of(self, positions: np.ndarray) -> np.ndarray:
        """For each position the first one of its sequence that counts as text."""
        return self.begins[positions]

    def every(self) -> np.ndarray:
        """All positions but those of BOS, ascending."""
        return np.flatnonzero(np.arange(len(self.tokens)) >= self.begins)

    @classmethod
    def of(cls, sequences: Sequence[Sequence[int]], bos: int | None) -> TokenIndex:
        """Index of `sequences`; a leading `bos` does not count as text."""
        lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
        starts = np.concatenate([[0], np.cumsum(lengths)])[:-1].astype(np.int64)
        tokens = np.array([token for sequence in sequences for token in sequence], dtype=np.int64)
        has_bos = np.array(
            [bos is not None and len(s) > 0 and s[0] == bos for s in sequences], dtype=np.int64
        )
        return cls(tokens, np.repeat(starts + has_bos, lengths))


def step(index: Index, frontier: Frontier, element: Element) -> Frontier:
    """The partial matches of `frontier` that `element` lets through."""
    after = Frontier()
    for consumed, (pivots, weights) in frontier.at.items():
        left = pivots - consumed  # the position that the element looks at, at least one left of the text
        if element.kind in ("token", "class"):
            # Few tokens are the right ones, so they are compared before it is asked where their sequence begins.
            here, factors = _accepted(index.tokens[left], element)
            inside = left[here] >= index.begins_of(pivots[here])
            here = here[inside]
            after.add(consumed + 1, pivots[here], weights[here] * factors[inside])
            continue
        begins = index.begins_of(pivots)
        if element.kind == "start":
            here = left == begins - 1
            after.add(consumed, pivots[here], weights[here])
        elif element.kind == "gap":
            for skipped in range(element.max + 1):
                here = left - skipped >= begins - 1
                after.add(consumed + skipped, pivots[here], weights[here])
        else:  # a wildcard
            here = left >= begins
            after.add(consumed + 1, pivots[here], weights[here])
    return after


def _accepted(tokens: np.ndarray, element: Element) -> tuple[np.ndarray, np.ndarray]:
    """Where tokens are among those of an element, and their weights in it."""
    if len(element.tokens) == 1:
        here = np.flatnonzero(tokens == element.tokens[0])
        return here, np.full(len(here), element.weights[0])
    accepted = np.asarray(element.tokens, dtype=np.int64)
    slot = np.minimum(np.searchsorted(accepted, tokens), len(accepted) - 1)
    here = np.flatnonzero(accepted[slot] == tokens)
    return here, np.asarray(element.weights, dtype=np.float64)[slot[here]]


def first(index: Index, element: Element) -> Frontier:
    """Matches of the first element of a pattern."""
    frontier = Frontier()
    if element.kind in ("token", "class"):
        if len(element.tokens) == 1:
            pivots = index.positions(element.tokens[0])
            frontier.add(1, pivots, np.full(len(pivots), element.weights[0]))
            return frontier
        pivots, which = index.each(element.tokens)
        order = np.argsort(pivots, kind="stable")
        frontier.add(1, pivots[order], np.asarray(element.weights, dtype=np.float64)[which[order]])
        return frontier
    every = index.every()
    return step(index, Frontier({0: (every, np.ones(len(every)))}), element)


def match_pattern(index: Index, elements: Sequence[Element]) -> tuple[np.ndarray, np.ndarray]:
    """Pivots (sorted int64) at which `elements` match, and the product of the matched weights there."""
    frontier = first(index, elements[0])
    for element in elements[1:]:
        frontier = step(index, frontier, element)
    return collect(frontier)


def gathered(matches: Iterable[Match]) -> tuple[list[Match], np.ndarray]:
    """The positions (int64, ascending) where anything matches, and the matches with positions counted among them."""
    matches = list(matches)
    every = np.concatenate([np.zeros(0, np.int64), *(match.positions for match in matches)])
    lowest, highest = (every.min(), every.max()) if len(every) else (0, 0)
    if len(every) < (highest - lowest) // 64:
        places = np.unique(every)
    else:  # quicker than to sort so many
        anything = np.zeros(highest - lowest + 1, dtype=bool)
        anything[every - lowest] = True
        places = np.flatnonzero(anything) + lowest
    return [replace(match, positions=np.searchsorted(places, match.positions)) for match in matches], places


def collect(frontier: Frontier) -> tuple[np.ndarray, np.ndarray]:
    merged = Frontier()
    for pivots, weights in frontier.at.values():
        merged.add(0, pivots, weights)
    return merged.at.get(0, (np.zeros(0, dtype=np.int64), np.zeros(0)))
