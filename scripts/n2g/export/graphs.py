"""A neuron's graph for graph tools: as a networkx graph, in its node-link JSON and in GraphML."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import networkx as nx

from n2g.graphs.drawing import describe
from n2g.graphs.token_display import visible


def to_networkx(record: Mapping[str, Any], words: Sequence[str]) -> nx.DiGraph:
    """The graph of a record: its nodes with all that they hold, edges from the activating tokens to what stands before.

    Args:
        record: a neuron record with a graph.
        words: text of each token id.

    Returns:
        A tree; node 0 is the root. Nodes have the keys of the record's, a pattern's end as `activation`, `support` and
        `precision`, `texts` of their tokens, and a `description` that is safe to show. What is null is left out.
    """
    graph = record["graph"]
    known = {token: words[token] for node in graph["nodes"] for token in node.get("tokens", ())}
    about = {name: record[name] for name in ("id", "layer", "neuron", "pole", "explanation", "rule")}
    about |= {name: graph[name] for name in ("version", "method", "decision_threshold", "scale", "bos")}
    made = nx.DiGraph(**_known(about))
    for node in graph["nodes"]:
        content = {name: value for name, value in node.items() if name not in ("id", "parent", "end")}
        content |= node.get("end", {})
        if "tokens" in node:
            content["texts"] = [known[token] for token in node["tokens"]]
        if node["parent"] is None:
            content["kind"] = "root"
        else:
            content["description"] = describe(node, known)
        made.add_node(node["id"], **_known(content))
        if node["parent"] is not None:
            made.add_edge(node["parent"], node["id"])
    return made


def node_link(graph: nx.DiGraph) -> dict[str, Any]:
    """For `networkx.node_link_graph(…, edges="edges")`."""
    return nx.node_link_data(graph, edges="edges")


def graphml(graph: nx.DiGraph) -> str:
    """For `networkx.read_graphml`, Gephi and others. Lists are JSON; what XML cannot hold is made visible."""
    plain = nx.DiGraph(**{name: _plain(value) for name, value in graph.graph.items()})
    for node, content in graph.nodes(data=True):
        plain.add_node(node, **{name: _plain(value) for name, value in content.items()})
    plain.add_edges_from(graph.edges)
    return "\n".join(nx.generate_graphml(plain)) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, Sequence) and not isinstance(value, str):
        shown = [visible(one) if isinstance(one, str) else one for one in value]
        return json.dumps(shown, ensure_ascii=False)
    return value


def _known(content: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in content.items() if value is not None}
