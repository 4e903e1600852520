"""The patterns of a graph as paths of its nodes, and which of them come first wherever they are listed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Nodes = list[Mapping[str, Any]]


def paths(graph: Mapping[str, Any]) -> Iterator[Nodes]:
    """The nodes of each pattern, from the activating token backwards; the last one has the pattern's `end`.

    graph: in the form of `NeuronGraph.to_dict()`.
    """
    nodes = {node["id"]: node for node in graph["nodes"]}
    for node in graph["nodes"]:
        if "end" in node:
            path = [node]
            while nodes[path[-1]["parent"]]["parent"] is not None:
                path.append(nodes[path[-1]["parent"]])
            yield path[::-1]


def firing_paths(graph: Mapping[str, Any]) -> Iterator[Nodes]:
    """Those that reach the decision threshold."""
    return (
        path for path in paths(graph) if path[-1]["end"]["activation"] >= graph.get("decision_threshold", 0.0)
    )


def strongest_paths(graph: Mapping[str, Any]) -> list[Nodes]:
    """The patterns that fire: those with the largest share of the activation first (see
    `n2g.scores.node_costs.node_shares`), then those with most training examples, then the strongest."""
    return sorted(
        firing_paths(graph),
        key=lambda path: (
            -(path[-1].get("share") or 0.0),
            -path[-1]["end"].get("support", 0),
            -path[-1]["end"]["activation"],
            path[-1]["id"],
        ),
    )


def only(graph: Mapping[str, Any], kept: Iterable[Nodes]) -> dict[str, Any]:
    """The graph with some of its patterns."""
    kept = list(kept)
    nodes = {node["id"] for path in kept for node in path}
    ends = {path[-1]["id"] for path in kept}
    return {
        **graph,
        "nodes": [
            {name: value for name, value in node.items() if name != "end" or node["id"] in ends}
            for node in graph["nodes"]
            if node["parent"] is None or node["id"] in nodes
        ],
    }
