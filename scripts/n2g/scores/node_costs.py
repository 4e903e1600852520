"""What each node of a graph is worth on validation documents: what F1 loses without it, and the share of the activation
that each pattern accounts for."""

from __future__ import annotations

from collections import Counter

import numpy as np

from n2g.graphs.matching import gathered
from n2g.graphs.trie import NeuronGraph
from n2g.method.evidence import Evidence
from n2g.metrics import FEW, f1_score


def node_costs(graph: NeuronGraph, held: Evidence) -> dict[int, float]:
    """Node -> F1 of the graph minus F1 of the graph without the node and all patterns that run through it.

    Args:
        graph: the graph.
        held: the neuron on validation documents.

    Returns:
        A value for every node but the root, negative where F1 gains; nothing where the neuron never fires there.
    """
    firing = held.firing
    if not len(firing):
        return {}
    ends = {node: {node} if end else set() for node, end in graph.trie.nodes(data="end") if node}
    for node in sorted(ends, reverse=True):  # children come after their parents
        for child in graph.trie.successors(node):
            ends[node] |= ends[child]
    fewer = {node: frozenset(lost) for node, lost in ends.items()}
    hits, said = Counter[frozenset](), Counter[frozenset]()
    for texts in held.texts.parts():
        matches, places = gathered(graph.matches(texts))
        fires = held.at(places) >= held.threshold
        matched = {match.node for match in matches}
        known: dict[frozenset[int], tuple[int, int]] = {}
        for without in {frozenset(), *fewer.values()}:
            here = without & matched
            if here not in known:
                left = [match for match in matches if match.node not in here]
                predicted = graph.decide(left, len(places))[0]
                firing_here = (predicted >= graph.decision_threshold) & (predicted > 0)
                known[here] = int(np.count_nonzero(firing_here & fires)), int(np.count_nonzero(firing_here))
            hits[without] += known[here][0]
            said[without] += known[here][1]

    def score(without: frozenset[int]) -> float:
        return f1_score(hits[without], said[without], len(firing))

    return {node: score(frozenset()) - score(without) for node, without in sorted(fewer.items())}


def node_shares(graph: NeuronGraph, held: Evidence) -> dict[int, float]:
    """Node to which a whole pattern leads -> the share of the activation that it accounts for: of the activation on
    all tokens on which the neuron fires, what is on those where this pattern decides that the graph fires.

    Args:
        graph: the graph.
        held: the neuron on validation documents.

    Returns:
        Shares from 0 to 1, together at most 1; nothing where the neuron fires on fewer than `FEW` tokens there, of
        which a share would say nothing.
    """
    firing = held.firing
    if len(firing) < FEW:
        return {}
    sums = np.zeros(graph.trie.number_of_nodes())
    for texts in held.texts.parts():
        matches, places = gathered(graph.matches(texts))
        predicted, decided = graph.decide(matches, len(places))
        found = (
            (predicted >= graph.decision_threshold) & (predicted > 0) & (held.at(places) >= held.threshold)
        )
        np.add.at(sums, decided[found], held.at(places[found]))
    total = held.at(firing).astype(np.float64).sum()
    return {node: float(sums[node] / total) for node, end in graph.trie.nodes(data="end") if node and end}
