"""Arbitrary patterns of tokens 1 and 2, as hypothesis draws them."""

from __future__ import annotations

from hypothesis import strategies as st

from n2g.graphs.elements import START as THE_START
from n2g.graphs.elements import WILDCARD, End, Pattern, gap, one_of

tokens = st.integers(1, 2)
activating = st.dictionaries(tokens, st.sampled_from([1.0, 0.7, 0.4]), min_size=1, max_size=2).map(
    lambda weights: one_of(weights, weights.values())
)
context = st.one_of(activating, activating, st.just(WILDCARD), st.integers(1, 2).map(gap))
drawn = st.builds(
    lambda first, rest, anchored, value: Pattern(
        (first, *rest, *([THE_START] if anchored else [])), End(value)
    ),
    activating,
    st.lists(context, max_size=3),
    st.booleans(),
    st.sampled_from([0.5, 1.0, 2.0]),
)
many = st.lists(drawn, max_size=5)
