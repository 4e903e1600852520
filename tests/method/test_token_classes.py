"""Joining patterns into classes: quickly, and as the plain rule says."""

from __future__ import annotations

from collections.abc import Sequence

from drawn_patterns import drawn
from hypothesis import given, settings
from hypothesis import strategies as st

from n2g.graphs.elements import End, Pattern, one_of
from n2g.method.token_classes import _joined, merge_classes, pattern_order


def plainly(patterns: Sequence[Pattern]) -> list[Pattern]:
    """The rule as it is stated: look at all groups, join the largest, and look at all again."""
    patterns = sorted(patterns, key=pattern_order)
    while True:
        groups: dict[tuple, list[int]] = {}
        for number, pattern in enumerate(patterns):
            for slot, element in enumerate(pattern.elements):
                if element.kind in ("token", "class"):
                    others = tuple(e.key for at, e in enumerate(pattern.elements) if at != slot)
                    groups.setdefault((slot, others), []).append(number)
        sizes = [(-len(members), key[0], members) for key, members in groups.items() if len(members) > 1]
        if not sizes:
            return patterns
        _, slot, members = min(sizes)
        joined = _joined([patterns[number] for number in members], slot)
        rest = [pattern for number, pattern in enumerate(patterns) if number not in members]
        patterns = sorted([*rest, joined], key=pattern_order)


literal = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)
chosen = st.one_of(
    st.lists(drawn, max_size=8, unique_by=lambda pattern: pattern.elements),
    st.dictionaries(literal, st.sampled_from([0.5, 1.0, 2.0]), max_size=30).map(
        lambda found: [
            Pattern(tuple(one_of([token]) for token in tokens), End(value), (1.0,) * len(tokens))
            for tokens, value in found.items()
        ]
    ),
)


@settings(max_examples=300, deadline=None)
@given(chosen)
def test_what_is_joined_is_what_the_plain_rule_joins(patterns: list[Pattern]) -> None:
    assert merge_classes(patterns) == plainly(patterns)
