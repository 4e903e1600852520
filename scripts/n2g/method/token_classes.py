"""Patterns that differ in one token, merged into one with a class of tokens in its place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import heappop, heappush

import numpy as np

from n2g.graphs.elements import End, Pattern, one_of
from n2g.method.candidates import Candidate

# Least weight of a class member: the prediction of a match is never 0.
FAINT = 1e-3


def to_patterns(candidates: Iterable[Candidate], trust: float) -> list[Pattern]:
    """Patterns with aggregated activations, merged into classes where the accepted language stays the same."""
    patterns = [
        Pattern(
            c.elements,
            End(c.activation(trust), c.fired, c.fired / c.matches if c.matches else None),
            c.importances,
        )
        for c in candidates
    ]
    return merge_classes(patterns)


def merge_classes(patterns: Sequence[Pattern]) -> list[Pattern]:
    """Join patterns that differ in a single token or class into one with a class there, the largest group
    first, until none is left. A member's weight is its share of the group's largest activation."""
    groups = _Groups()
    for pattern in sorted(patterns, key=pattern_order):
        groups.add(pattern)
    while found := groups.largest():
        slot, members = found
        for pattern in members:
            groups.remove(pattern)
        groups.add(_joined(members, slot))
    return sorted(groups.patterns, key=pattern_order)


class _Groups:
    """Patterns by what they share: all of their elements but one.

    What a join changes is looked at again, and nothing else. Of equally large groups the one that differs nearest to
    the activating token comes first, then the one whose patterns come first.
    """

    def __init__(self) -> None:
        self.patterns: dict[Pattern, tuple] = {}  # and the order of each
        self._members: dict[tuple, dict[Pattern, None]] = {}
        self._changed: set[tuple] = set()
        self._queue: list[tuple] = []
        self._newest: dict[tuple, int] = {}
        self._count = 0

    def add(self, pattern: Pattern) -> None:
        self.patterns[pattern] = pattern_order(pattern)
        for key in _keys(pattern):
            self._members.setdefault(key, {})[pattern] = None
            self._changed.add(key)

    def remove(self, pattern: Pattern) -> None:
        del self.patterns[pattern]
        for key in _keys(pattern):
            del self._members[key][pattern]
            self._changed.add(key)

    def largest(self) -> tuple[int, list[Pattern]] | None:
        """Slot and members, in order, of the largest group; None where no two patterns can be joined."""
        for key in self._changed:
            members = sorted(self.patterns[pattern] for pattern in self._members[key])
            self._count += 1
            self._newest[key] = self._count
            if len(members) > 1:
                heappush(self._queue, (-len(members), key[0], members, self._count, key))
        self._changed.clear()
        while self._queue:
            *_, number, key = heappop(self._queue)
            if self._newest[key] == number:
                return key[0], sorted(self._members[key], key=self.patterns.__getitem__)
        return None


def _keys(pattern: Pattern) -> Iterator[tuple]:
    """(slot, the other elements) of every token or class."""
    named = [element.key for element in pattern.elements]
    for slot, element in enumerate(pattern.elements):
        if element.kind in ("token", "class"):
            yield slot, (*named[:slot], *named[slot + 1 :])


def pattern_order(pattern: Pattern) -> tuple:
    return ([element.key for element in pattern.elements], pattern.end.activation, pattern.end.support)


def _joined(patterns: Sequence[Pattern], slot: int) -> Pattern:
    largest = max(pattern.end.activation for pattern in patterns)
    tokens, weights = [], []
    for pattern in patterns:
        element = pattern.elements[slot]
        share = max(FAINT, pattern.end.activation / largest)
        tokens += element.tokens
        weights += [round(weight * share, 4) for weight in element.weights]
    support = sum(pattern.end.support for pattern in patterns)
    known = [(p.end.precision, p.end.support) for p in patterns if p.end.precision is not None]
    precision = float(np.average([k[0] for k in known], weights=[k[1] + 1 for k in known])) if known else None
    elements = patterns[0].elements
    importances = tuple(float(v) for v in np.mean([p.importances for p in patterns], axis=0))
    return Pattern(
        (*elements[:slot], one_of(tokens, weights), *elements[slot + 1 :]),
        End(largest, support, precision),
        importances,
    )


def background_class(
    known: Iterable[Pattern], background: Mapping[int, float], below: float
) -> list[Pattern]:
    """One class of the tokens that no pattern names alone, each with its mean activation, all below the decision
    threshold.

    It never fires; it tells the level of the activation where nothing else is known.
    """
    named = {token for p in known if len(p.elements) == 1 for token in p.elements[0].tokens}
    means = {token: min(mean, below) for token, mean in sorted(background.items()) if token not in named}
    if not means or below <= 0:
        return []
    largest = max(means.values())
    weights = [max(FAINT, round(mean / largest, 2)) for mean in means.values()]
    return [Pattern((one_of(means, weights),), End(largest, 0, 0.0))]
