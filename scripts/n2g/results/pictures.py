"""The drawings beside the records of a block: DOT and SVG, and a short SVG where a graph has many patterns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from n2g.graphs.drawing import layout, to_dot, to_svg
from n2g.graphs.pattern_paths import only, strongest_paths

SHOWN = 8  # patterns in a short drawing


def pictures(
    records: Mapping[str, Mapping[str, Any]], texts: Mapping[int, str], program: str = "graphviz-pure"
) -> Iterator[tuple[str, str]]:
    """(name, content) of each file: `{id}.dot`, `{id}.svg`, and `{id}.brief.svg` with the strongest patterns only.

    Args:
        records: id -> record; without a pattern there is nothing to draw.
        texts: text of each token id.
        program: the Graphviz program.
    """
    graphs = {name: one["graph"] for name, one in records.items()}
    drawn = {name: graph for name, graph in graphs.items() if graph and len(graph["nodes"]) > 1}
    dots = {name: to_dot(graph, texts, name) for name, graph in drawn.items()}
    paths = {name: strongest_paths(graph) for name, graph in drawn.items()}
    brief = {name: only(drawn[name], found[:SHOWN]) for name, found in paths.items() if len(found) > SHOWN}
    brief_dots = {name: to_dot(graph, texts, name) for name, graph in brief.items()}
    yield from ((f"{name}.dot", dot) for name, dot in dots.items())
    for kind, some, written in (("svg", drawn, dots), ("brief.svg", brief, brief_dots)):
        places = layout(written, program)
        for name, graph in some.items():
            svg = to_svg(graph, texts, places[name], name, records[name]["explanation"])
            yield f"{name}.{kind}", svg
