"""What each node of a graph is worth on validation texts: what F1 loses without it, and the share of the activation
that each pattern accounts for."""

from __future__ import annotations

import numpy as np

from n2g.evidence import Evidence
from n2g.fit import f1_score
from n2g.graph import NeuronGraph


def node_costs(graph: NeuronGraph, held: Evidence) -> dict[int, float]:
    """Node -> F1 of the graph minus F1 of the graph without the node and all patterns that run through it.

    Args:
        graph: the graph.
        held: the neuron on validation documents.

    Returns:
        A value for every node but the root, negative where F1 gains; nothing where the neuron never fires there.
    """
    firing = held.activations >= held.threshold
    if not firing.any():
        return {}
    matches = list(graph.matches(held.texts.index))
    ends: dict[int, set[int]] = {}
    for match in matches:
        node = match.node
        while node:
            ends.setdefault(node, set()).add(match.node)
            node = next(graph.trie.predecessors(node))

    def score(without: set[int]) -> float:
        predicted = graph.decide([one for one in matches if one.node not in without], len(firing))[0]
        return f1_score(firing, (predicted >= graph.cut) & (predicted > 0))

    whole = score(set())
    known: dict[frozenset[int], float] = {}
    costs = {}
    for node in range(1, graph.trie.number_of_nodes()):
        without = frozenset(ends.get(node, ()))
        if without not in known:
            known[without] = whole - score(set(without))
        costs[node] = known[without]
    return costs


def node_shares(graph: NeuronGraph, held: Evidence) -> dict[int, float]:
    """Node at which a pattern ends -> the share of the activation that the pattern accounts for: of the activation on
    all tokens on which the neuron fires, what is on those where this pattern decides that the graph fires.

    Args:
        graph: the graph.
        held: the neuron on validation documents.

    Returns:
        Shares from 0 to 1, together at most 1; nothing where the neuron never fires there.
    """
    firing = held.activations >= held.threshold
    if not firing.any():
        return {}
    activations = np.where(firing, held.activations, 0).astype(np.float64)
    predicted, decided = graph.predict_index(held.texts.index)
    found = (predicted >= graph.cut) & (predicted > 0)
    sums = np.bincount(decided[found], activations[found], graph.trie.number_of_nodes())
    return {
        node: float(sums[node] / activations.sum())
        for node, end in graph.trie.nodes(data="end")
        if node and end
    }
