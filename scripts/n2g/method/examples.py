"""Which firing tokens of the corpus serve as examples."""

from __future__ import annotations

import numpy as np

from n2g.method.evidence import Evidence, text_until

# Tokens that two examples must share, up to and including the pivot, to count as the same.
SAME = 3


def choose_atlas(
    evidence: Evidence, count: int, top: int, known: frozenset[tuple[int, ...]] = frozenset()
) -> list[int]:
    """Positions of at most `count` firing tokens: the `top` strongest, the rest spread evenly over the others.

    Examples that end in the same tokens are taken once; those in `known` not at all. Strongest first, equal
    activations in the order of the text.
    """
    firing = evidence.firing
    order = firing[np.argsort(-evidence.at(firing), kind="stable")]
    seen, distinct = set(known), []
    for position in order.tolist():
        window = text_until(evidence.texts, position, SAME)
        if window not in seen:
            seen.add(window)
            distinct.append(position)
    if len(distinct) <= count:
        return distinct
    head, rest = distinct[:top], distinct[top:]
    spread = np.linspace(0, len(rest) - 1, count - len(head)).round().astype(int)
    return head + [rest[i] for i in spread]


def windows(evidence: Evidence, positions: list[int]) -> frozenset[tuple[int, ...]]:
    """The token sequences by which `choose_atlas` tells examples apart."""
    return frozenset(text_until(evidence.texts, position, SAME) for position in positions)
