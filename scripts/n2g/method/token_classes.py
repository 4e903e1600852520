"""Patterns that differ in one token, merged into one with a class of tokens in its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

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
    patterns = sorted(patterns, key=pattern_order)
    while True:
        groups: dict[tuple, list[int]] = {}
        for i, pattern in enumerate(patterns):
            for slot, element in enumerate(pattern.elements):
                if element.kind in ("token", "class"):
                    rest = tuple(e.key for j, e in enumerate(pattern.elements) if j != slot)
                    groups.setdefault((slot, rest), []).append(i)
        slot, members = max(
            ((key[0], ids) for key, ids in groups.items() if len(ids) > 1),
            key=lambda group: (len(group[1]), -group[0], [-i for i in group[1]]),
            default=(0, []),
        )
        if not members:
            return patterns
        joined = _joined([patterns[i] for i in members], slot)
        patterns = sorted(
            [p for i, p in enumerate(patterns) if i not in set(members)] + [joined], key=pattern_order
        )


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
