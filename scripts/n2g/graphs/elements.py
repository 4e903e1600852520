"""What a neuron graph is made of: elements, their ends, and patterns.

The first element of a pattern is the activating token (or class); each further element lies one step to the left in
the text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

KINDS = ("token", "class", "wildcard", "gap", "start")


@dataclass(frozen=True)
class Element:
    """One step of a pattern.

    kind: "token" or "class" (any one of `tokens`), "wildcard" (any one token), "gap" (0 to `max` tokens,
    any), "start" (nothing stands before). `tokens` is sorted; `weights` has one factor in (0, 1] per token.
    """

    kind: str
    tokens: tuple[int, ...] = ()
    weights: tuple[float, ...] = ()
    max: int = 0

    @property
    def key(self) -> tuple:
        """What the element accepts: elements of one parent with equal keys are one node."""
        return (KINDS.index(self.kind), self.max, self.tokens, self.weights)

    @property
    def is_constraint(self) -> bool:
        """Whether the element rules any text out."""
        return self.kind not in ("wildcard", "gap")


def one_of(tokens: Iterable[int], weights: Iterable[float] | None = None) -> Element:
    """The element that accepts any of `tokens`; a token given twice keeps its largest weight."""
    tokens = list(tokens)
    best: dict[int, float] = {}
    for token, weight in zip(tokens, weights if weights is not None else [1.0] * len(tokens), strict=True):
        best[int(token)] = max(best.get(int(token), 0.0), float(weight))
    kept = tuple(sorted(best))
    if not kept:
        raise ValueError("an element needs at least one token")
    return Element("token" if len(kept) == 1 else "class", kept, tuple(best[token] for token in kept))


@lru_cache(maxsize=1 << 16)
def exactly(token: int) -> Element:
    """The element that accepts one token only."""
    return one_of([token])


WILDCARD = Element("wildcard")


START = Element("start")


def gap(longest: int) -> Element:
    """The element that skips 0 to `longest` tokens."""
    return Element("gap", max=int(longest))


@dataclass(frozen=True)
class End:
    """The end of a pattern: its activation (in the neuron's units), the training examples that support
    it, and the share of its training matches that fire (None where it was not counted)."""

    activation: float
    support: int = 1
    precision: float | None = None


@dataclass(frozen=True)
class Pattern:
    """Elements from the activating token backwards, the end, and per element its importance in [0, 1]."""

    elements: tuple[Element, ...]
    end: End
    importances: tuple[float, ...] = ()

    @property
    def specificity(self) -> tuple[int, int]:
        """(constraining elements, elements): the order in which a prediction prefers patterns."""
        return (sum(element.is_constraint for element in self.elements), len(self.elements))
