"""What each node of a graph is worth on validation texts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from n2g.graphs.drawing import ordered
from n2g.graphs.elements import End, Pattern, gap, one_of
from n2g.graphs.matching import TokenIndex
from n2g.graphs.trie import NeuronGraph
from n2g.method.evidence import Evidence
from n2g.metrics import FEW, firing_scores
from n2g.scores.member_counts import member_counts
from n2g.scores.node_costs import node_costs, node_shares

TEXTS = [[1, 2, 3], [1, 5, 3], [4, 3], [2, 2], [3, 2, 1]]
FIRING = [2, 5, 9]  # 3 after 1, and 2 after 2


def held() -> Evidence:
    index = TokenIndex.of(TEXTS, None)
    activations = np.zeros(len(index.tokens), dtype=np.float32)
    activations[FIRING] = 2.0
    return Evidence(index, np.arange(len(activations)), activations, 1.0)


def patterns() -> list[Pattern]:
    return [
        Pattern((one_of([3]), gap(1), one_of([1])), End(2.0)),
        Pattern((one_of([3]), one_of([4])), End(1.5)),
        Pattern((one_of([2]), one_of([2])), End(2.0)),
        Pattern((one_of([2]),), End(0.5)),
    ]


def score(chosen: list[Pattern]) -> float:
    evidence = held()
    predicted, _ = NeuronGraph(chosen, decision_threshold=1.0, scale=2.0).predict_index(evidence.texts)
    return firing_scores(evidence.activations >= 1.0, (predicted >= 1.0) & (predicted > 0))["f1"]


def test_costs_are_differences_of_f1():
    graph = NeuronGraph(patterns(), decision_threshold=1.0, scale=2.0)
    costs = node_costs(graph, held())
    assert set(costs) == set(range(1, graph.trie.number_of_nodes()))
    for node, cost in costs.items():
        below = {node} | {child for child in graph.trie if _under(graph, child, node)}
        kept = [pattern for pattern in patterns() if not any(_end(graph, pattern) == one for one in below)]
        assert cost == pytest.approx(score(patterns()) - score(kept)), node
    assert max(costs.values()) > 0 > min(costs.values())


def _under(graph: NeuronGraph, node: int, ancestor: int) -> bool:
    while node and node != ancestor:
        node = next(graph.trie.predecessors(node))
    return node == ancestor


def _end(graph: NeuronGraph, pattern: Pattern) -> int:
    node = 0
    for element in pattern.elements:
        node = next(n for n in graph.trie.successors(node) if graph.trie.nodes[n]["element"] == element)
    return node


def test_nothing_to_lose_where_nothing_fires():
    evidence = held()
    quiet = replace(evidence, activations=evidence.activations * 0)
    graph = NeuronGraph(patterns(), decision_threshold=1.0, scale=2.0)
    assert node_costs(graph, quiet) == node_shares(graph, quiet) == {}


def test_shares_are_of_the_activation_on_firing_tokens():
    """The second pattern fires where the neuron does not, and the last never; a faint activation counts nowhere."""
    twice = TokenIndex.of(TEXTS * 2, None)
    once = held()
    once.activations[[5, 8]] = 6.0, 0.5
    activations = np.tile(once.activations, 2)
    known = Evidence(twice, np.arange(len(activations)), activations, 1.0)
    graph = NeuronGraph(patterns(), decision_threshold=1.0, scale=2.0)
    expected = dict(zip((_end(graph, pattern) for pattern in patterns()), (0.8, 0.0, 0.2, 0.0), strict=True))
    assert node_shares(graph, known) == pytest.approx(expected)
    assert node_shares(NeuronGraph([], decision_threshold=1.0), known) == {}
    assert len(once.firing) < FEW and node_shares(graph, once) == {}, "of three tokens a share says nothing"


def test_the_members_of_a_class_are_counted_where_the_neuron_fires():
    """3 fires after 7 or 8, anywhere in the four tokens before, but not after 9; 4 or 5 fire after 6."""
    texts = [[7, 1, 3], [8, 3], [8, 1, 1, 3], [9, 3], [7, 1], [6, 4], [6, 5], [1, 4], [6, 5, 7]]
    index = TokenIndex.of(texts, None)
    activations = np.zeros(len(index.tokens), dtype=np.float32)
    activations[[2, 4, 8, 14, 16, 20]] = 2.0
    evidence = Evidence(index, np.arange(len(activations)), activations, 1.0)
    graph = NeuronGraph(
        [
            Pattern((one_of([3]), gap(3), one_of([7, 8, 9], [1.0, 0.9, 1.0])), End(2.0)),
            Pattern((one_of([4, 5], [1.0, 0.8]), one_of([6])), End(2.0)),
            Pattern((one_of([0, 2]),), End(0.1)),
        ],
        decision_threshold=1.0,
    )
    found = member_counts(graph, evidence)
    elements = {node: graph.trie.nodes[node]["element"] for node in graph.trie if node}
    assert {elements[node].tokens: counts for node, counts in found.items()} == {
        (7, 8, 9): [(8, 2), (7, 1)],
        (4, 5): [(5, 2), (4, 1)],
    }
    node = next(item for item in graph.to_dict()["nodes"] if item.get("tokens") == [7, 8, 9])
    assert ordered(node) == [7, 9, 8]  # by weight, as long as nothing is counted
    assert ordered({**node, "counts": found[node["id"]]}) == [8, 7, 9]
