"""The patterns of a graph as paths of its nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
