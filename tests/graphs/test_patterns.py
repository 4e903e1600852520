"""Patterns written out, and the canonical digest of what they accept, on arbitrary graphs."""

from __future__ import annotations

from itertools import combinations, product

from drawn_patterns import many, tokens
from hypothesis import given, settings
from hypothesis import strategies as st

from n2g.graphs.elements import Pattern
from n2g.graphs.pattern_cover import Cover
from n2g.graphs.pattern_language import accepted, language
from n2g.graphs.patterns import ANY, GAP, START, matches, patterns, specificity, verified
from n2g.graphs.trie import NeuronGraph
from n2g.method.token_classes import background_class

BOS, OTHER = 0, 9
# Tokens 1 and 2 occur in patterns; the other stands for the rest of the vocabulary.
TEXTS = [text for length in range(1, 6) for text in product([1, 2, OTHER], repeat=length)]
code = st.one_of(tokens, st.just(ANY), st.sampled_from([GAP - 1, GAP - 2]))
written = st.builds(
    lambda first, rest, anchored: (first, *rest, *([START] if anchored else [])),
    tokens,
    st.lists(code, max_size=3),
    st.booleans(),
)
sets = st.sets(written.filter(lambda pattern: reach(pattern) <= 4), min_size=1, max_size=4)


def reach(pattern: tuple) -> int:
    """The most tokens that a pattern may take; TEXTS are longer by one, so that a start makes a difference."""
    return sum(GAP - code if code <= GAP else code != START for code in pattern)


def graph(chosen: list[Pattern], decision_threshold: float = 0.6) -> dict:
    return NeuronGraph(chosen, decision_threshold=decision_threshold, scale=2.0, bos=BOS).to_dict()


def fires(given_graph: dict) -> list[bool]:
    """On the last token of which of TEXTS a graph fires."""
    predict = NeuronGraph.from_dict(given_graph).predict
    return [predict([BOS, *text])[-1] >= given_graph["decision_threshold"] for text in TEXTS]


def matched(found: set) -> list[bool]:
    """Which of TEXTS any of the patterns matches."""
    return [any(matches(pattern, text) for pattern in found) for text in TEXTS]


@settings(max_examples=60, deadline=None)
@given(many, st.lists(st.integers(1, 4), min_size=1, max_size=8))
def test_written_out_patterns_predict_what_the_graph_predicts(chosen: list[Pattern], text: list[int]) -> None:
    """Exactly so where the graph fires; where it does not, they may leave out a single token."""
    given_graph = graph(chosen)
    predicted = NeuronGraph.from_dict(given_graph).predict([BOS, *text])[1:]
    for end, value in enumerate(predicted, start=1):
        known = patterns(given_graph).items()
        found = [(specificity(p), v) for p, (v, _) in known if matches(p, text[:end])]
        best = max(found, default=(None, 0.0))[1]
        assert best == value or max(best, value) < given_graph["decision_threshold"]


@settings(max_examples=60, deadline=None)
@given(many, st.dictionaries(st.integers(1, 30), st.floats(0.01, 5.0), max_size=20))
def test_the_background_of_a_graph_is_no_pattern(chosen: list[Pattern], means: dict[int, float]) -> None:
    known = list(NeuronGraph(chosen).patterns())
    with_background = known + background_class(known, means, 0.95 * 0.6)
    assert verified(graph(with_background)) == verified(graph(known))


@settings(max_examples=60, deadline=None)
@given(sets, sets)
def test_the_digest_is_equal_just_where_the_languages_are(one: set, other: set) -> None:
    assert (language(one) == language(other)) == (matched(one) == matched(other))


@settings(max_examples=60, deadline=None)
@given(sets)
def test_the_digest_does_not_depend_on_how_a_language_is_written(found: set) -> None:
    """Gaps as their distances, a pattern cut in two, and patterns that add nothing."""
    other: set = set()
    for pattern in found:
        variants = [()]
        for one in pattern:
            more = range(GAP - one + 1) if one <= GAP else [None]
            variants = [(*v, *((one,) if n is None else (ANY,) * n)) for v in variants for n in more]
        other.update(variants)
    first = min(found)
    if first[-1] != START:
        other |= {(*first, START), (*first, ANY), (*first, 2, GAP - 1)}
        other -= {first}
    assert language(found) == language(other)


def test_far_distances_are_compared_as_written() -> None:
    far = (1, GAP - 100, 2, GAP - 100, 3)
    assert language({far}) == language({(1, GAP - 60, GAP - 40, 2, GAP - 100, 3)})
    assert language({far}) != language({(1, GAP - 100, 2, GAP - 99, 3)})
    assert language({far, (1,)}) != language({far})


@settings(max_examples=20, deadline=None)
@given(many, many)
def test_graphs_of_equal_digest_fire_on_the_same_texts(one: list[Pattern], other: list[Pattern]) -> None:
    graphs = [graph(one), graph(other), graph(one[:1] + other), graph(one[::-1])]
    digests = [accepted(each) for each in graphs]
    assert digests[0] == digests[3]
    fired = [fires(each) for each in graphs]
    for first, second in combinations(range(4), 2):
        if digests[first] == digests[second]:
            assert fired[first] == fired[second]


@settings(max_examples=60, deadline=None)
@given(sets, written)
def test_what_covers_a_pattern_matches_wherever_it_does(found: set, pattern: tuple) -> None:
    known = sorted(found)
    covering = set(Cover(known).covering(pattern))
    texts = [text for text in TEXTS if matches(pattern, text)]
    for number, one in enumerate(known):
        includes = all(matches(one, text) for text in texts)
        assert includes or number not in covering
        free = any(c <= GAP for c in (*one, *pattern)) or not texts
        if not free and len(pattern) < 5 and len(one) < 5:
            assert includes == (number in covering)
