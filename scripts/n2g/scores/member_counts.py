"""Which members of a class the neuron fires on: what lists them by evidence needs, as their weights do not tell it."""

from __future__ import annotations

import numpy as np

from n2g.graphs.matching import TokenIndex
from n2g.graphs.trie import NeuronGraph
from n2g.method.evidence import Evidence
from n2g.texts.positions import spans

MOST = 2000  # firing tokens that are looked at


def member_counts(graph: NeuronGraph, seen: Evidence) -> dict[int, list[tuple[int, int]]]:
    """How often the members of each class were matched where the neuron fires and the graph says so.

    Args:
        graph: the graph.
        seen: the neuron on train and validation documents. Of more than `MOST` firing tokens that many are taken, at
            even distances. After a gap the nearest member counts.

    Returns:
        Node -> (token id, firing tokens), the most frequent member first; members never matched, and nodes without
        any, are left out.
    """
    found: dict[int, list[tuple[int, int]]] = {}
    nodes = graph.trie.nodes
    classes = {node for node in nodes if node and nodes[node]["element"].kind == "class"}
    firing = seen.firing
    if not classes or not len(firing):
        return found
    firing = firing[np.unique(np.linspace(0, len(firing) - 1, MOST).astype(np.int64))]
    begins = np.maximum(seen.texts.begins_of(firing), firing - _reach(graph))
    lengths = firing + 1 - begins
    ends = np.cumsum(lengths)
    starts = ends - lengths
    index = TokenIndex(seen.texts.tokens[spans(begins, lengths)], np.repeat(starts, lengths))
    predicted, decided = graph.predict_index(index)
    pivots = ends - 1
    fires = (predicted[pivots] >= graph.decision_threshold) & (predicted[pivots] > 0)
    pivots, starts = pivots[fires], starts[fires]
    counts = {node: np.zeros(len(nodes[node]["element"].tokens), dtype=np.int64) for node in classes}
    for end in np.unique(decided[pivots]).tolist():
        rows = decided[pivots] == end
        _count(graph, end, index.tokens, pivots[rows], starts[rows], counts)
    for node in sorted(classes):
        members = zip(counts[node].tolist(), nodes[node]["element"].tokens, strict=True)
        known = sorted((-count, token) for count, token in members if count)
        if known:
            found[node] = [(token, -count) for count, token in known]
    return found


def _count(
    graph: NeuronGraph,
    end: int,
    tokens: np.ndarray,
    pivots: np.ndarray,
    starts: np.ndarray,
    counts: dict[int, np.ndarray],
) -> None:
    """Add to `counts` the members that stand on the path to `end` before each of `pivots`."""
    nearest = furthest = 0
    for node in _path(graph, end):
        element = graph.trie.nodes[node]["element"]
        if element.kind == "gap":
            furthest += element.max
            continue
        if node in counts:
            members = np.asarray(element.tokens)
            left = np.ones(len(pivots), dtype=bool)
            for distance in range(nearest, furthest + 1):
                at = pivots - distance
                rows = np.flatnonzero(left & (at >= starts))
                slot = np.minimum(np.searchsorted(members, tokens[at[rows]]), len(members) - 1)
                matched = members[slot] == tokens[at[rows]]
                np.add.at(counts[node], slot[matched], 1)
                left[rows[matched]] = False
        nearest, furthest = nearest + 1, furthest + 1


def _path(graph: NeuronGraph, end: int) -> list[int]:
    path = [end]
    while path[-1]:
        path.append(next(graph.trie.predecessors(path[-1])))
    return path[-2::-1]


def _reach(graph: NeuronGraph) -> int:
    """How many tokens before the pivot token a pattern can look at, at most."""
    reach = {0: 0}
    for parent, node in graph.trie.edges:  # parents come before their children
        element = graph.trie.nodes[node]["element"]
        reach[node] = reach[parent] + (element.max if element.kind == "gap" else 1)
    return max(reach.values())
