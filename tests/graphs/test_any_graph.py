"""Any graph file is read or refused in one sentence."""

from __future__ import annotations

import json
from typing import Any

import pytest
from drawn_patterns import many
from fuzzing import fuzz, refused_in_one_sentence, values
from hypothesis import example, given
from hypothesis import strategies as st

from n2g.graphs.graph_file import read_graphs
from n2g.graphs.pattern_language import accepted
from n2g.graphs.sentence import explain
from n2g.graphs.trie import NeuronGraph


@st.composite
def damaged(draw: st.DrawFn) -> Any:
    """A line of a graph file in which something may be missing or of another kind."""
    line: dict[str, Any] = {
        "neuron": 0,
        "pole": "positive",
        "method": "atlas",
        "status": "ok",
        "reason": None,
    }
    line["graph"] = NeuronGraph(draw(many), decision_threshold=0.5, scale=2.0, bos=0).to_dict()
    line["rule"] = {
        "line": "Black … Sea",
        "activation": 1.5,
        "halves": draw(st.sampled_from([None, ["Sea", ""]])),
    }
    places: list[tuple[Any, Any]] = []

    def walk(value: Any) -> None:
        for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
            places.append((value, key))
            walk(value[key])

    walk(line)
    for container, key in draw(st.lists(st.sampled_from(places), max_size=2)):
        if key in container if isinstance(container, dict) else key < len(container):
            if draw(st.booleans()):
                container[key] = draw(values)
            else:
                del container[key]
    return line


content = st.one_of(
    st.binary(),
    st.lists(values.map(json.dumps)).map(lambda lines: "\n".join(lines).encode()),
    st.lists(damaged(), min_size=1).map(lambda lines: "\n".join(map(json.dumps, lines)).encode()),
)


@fuzz
@given(content)
@example(b'{"neuron":0,"pole":"","method":"","graph":[]}')
def test_any_graph_file(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "graph.jsonl"
    path.write_bytes(content)
    with refused_in_one_sentence():
        for lines in read_graphs(path).values():
            for graph in (line["graph"] for line in lines.values() if line["graph"]):
                NeuronGraph.from_dict(graph).predict([0, 1, 2, 1])
                explain(graph, {1: "a", 2: "b"})
                accepted(graph)
