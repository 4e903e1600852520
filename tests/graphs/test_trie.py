"""The graph as a data structure and as a predictor, on arbitrary patterns and texts."""

from __future__ import annotations

import json

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2g.graphs.elements import START, WILDCARD, Element, End, Pattern, gap, one_of
from n2g.graphs.trie import NeuronGraph
from n2g.method.token_classes import merge_classes

BOS = 0
tokens = st.integers(1, 5)
activating = st.lists(tokens, min_size=1, max_size=3, unique=True).map(one_of)
context = st.one_of(activating, activating, st.just(WILDCARD), st.integers(1, 3).map(gap))
ends = st.builds(End, st.sampled_from([0.5, 1.0, 2.0]), st.integers(1, 5), st.sampled_from([None, 0.25, 1.0]))
patterns = st.builds(
    lambda first, rest, anchored, end: Pattern((first, *rest, *([START] if anchored else [])), end),
    activating,
    st.lists(context, max_size=3),
    st.booleans(),
    ends,
)
many = st.lists(patterns, max_size=6)
texts = st.lists(tokens, min_size=1, max_size=10)


def accepts(elements: tuple[Element, ...], text: list[int]) -> bool:
    """Whether a pattern matches at the end of `text`, by plain recursion."""
    if not elements:
        return True
    first, rest = elements[0], elements[1:]
    if first.kind == "start":
        return not text and accepts(rest, text)
    if first.kind == "gap":
        return any(accepts(rest, text[: len(text) - skip]) for skip in range(min(first.max, len(text)) + 1))
    if not text:
        return False
    return (first.kind == "wildcard" or text[-1] in first.tokens) and accepts(rest, text[:-1])


@settings(max_examples=300, deadline=None)
@given(many, texts)
def test_a_prediction_is_that_of_the_most_specific_match(chosen: list[Pattern], text: list[int]) -> None:
    graph = NeuronGraph(chosen, bos=BOS)
    predicted = graph.predict([BOS, *text])
    assert predicted[0] == 0
    for end in range(len(text)):
        matching = [p for p in graph.patterns() if accepts(p.elements, text[: end + 1])]
        best = max(((p.specificity, p.end.activation) for p in matching), default=((0, 0), 0.0))
        assert predicted[end + 1] == pytest.approx(best[1])


@settings(max_examples=200, deadline=None)
@given(many, texts)
def test_json_keeps_the_graph(chosen: list[Pattern], text: list[int]) -> None:
    graph = NeuronGraph(chosen, decision_threshold=0.5, scale=2.0, bos=BOS)
    again = NeuronGraph.from_dict(json.loads(json.dumps(graph.to_dict())))
    assert again.to_dict() == graph.to_dict()
    assert again.predict([BOS, *text]) == graph.predict([BOS, *text])


@settings(max_examples=200, deadline=None)
@given(many, st.randoms(use_true_random=False))
def test_the_order_of_patterns_does_not_matter(chosen: list[Pattern], random: object) -> None:
    shuffled = list(chosen)
    random.shuffle(shuffled)
    assert NeuronGraph(shuffled).to_dict() == NeuronGraph(chosen).to_dict()


@settings(max_examples=200, deadline=None)
@given(many)
def test_it_is_a_tree_whose_leaves_end_patterns(chosen: list[Pattern]) -> None:
    trie = NeuronGraph(chosen).trie
    assert nx.is_arborescence(trie)
    assert all(node == 0 or trie.nodes[node]["end"] for node in trie if trie.out_degree(node) == 0)


@given(texts)
def test_no_pattern_predicts_zero(text: list[int]) -> None:
    assert NeuronGraph(bos=BOS).predict([BOS, *text]) == [0.0] * (len(text) + 1)


@settings(max_examples=200, deadline=None)
@given(many, texts)
def test_classes_accept_what_their_members_accepted(chosen: list[Pattern], text: list[int]) -> None:
    before = any(accepts(pattern.elements, text) for pattern in chosen)
    after = any(
        accepts(pattern.elements, text) for pattern in merge_classes(list(NeuronGraph(chosen).patterns()))
    )
    assert before == after


@given(st.lists(texts, min_size=1, max_size=4), many)
def test_texts_side_by_side_do_not_touch(batch: list[list[int]], chosen: list[Pattern]) -> None:
    from n2g.graphs.matching import TokenIndex

    graph = NeuronGraph(chosen, bos=BOS)
    together, _ = graph.predict_index(TokenIndex.of([[BOS, *text] for text in batch], BOS))
    assert together.tolist() == [value for text in batch for value in graph.predict([BOS, *text])]


def test_backtracking_finds_what_a_greedy_walk_misses() -> None:
    graph = NeuronGraph(
        [
            Pattern((one_of([3]), WILDCARD, one_of([1])), End(1.0)),
            Pattern((one_of([3]), one_of([2]), one_of([5])), End(1.0)),
        ],
        bos=BOS,
    )
    assert graph.predict([BOS, 1, 2, 3])[-1] == 1.0


def test_method_paper_prefers_the_longest_match() -> None:
    chosen = [
        Pattern((one_of([3]), one_of([2])), End(1.0)),
        Pattern((one_of([3]), WILDCARD, WILDCARD), End(2.0)),
    ]
    assert NeuronGraph(chosen, bos=BOS, method="paper").predict([BOS, 1, 2, 3])[-1] == 2.0
    assert NeuronGraph(chosen, bos=BOS, method="atlas").predict([BOS, 1, 2, 3])[-1] == 1.0


def test_other_versions_and_broken_nodes_are_refused() -> None:
    good = NeuronGraph([Pattern((one_of([3]),), End(1.0))]).to_dict()
    with pytest.raises(ValueError, match="version"):
        NeuronGraph.from_dict({**good, "version": 99})
    with pytest.raises(ValueError, match="broken"):
        NeuronGraph.from_dict({**good, "nodes": [good["nodes"][0], {**good["nodes"][1], "parent": 7}]})
