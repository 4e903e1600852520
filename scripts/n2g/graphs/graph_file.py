"""Reading the `graph.jsonl` files that the graph stage writes."""

from __future__ import annotations

import json
from math import isfinite
from pathlib import Path
from typing import Any

from n2g.errors import InputError
from n2g.files.tables import remedy
from n2g.graphs.trie import NeuronGraph


def read_graphs(path: Path) -> dict[tuple[int, str], dict[str, dict[str, Any]]]:
    """The lines of a graph file: (neuron, pole) -> method -> line. Raises InputError where it is damaged."""
    found: dict[tuple[int, str], dict[str, dict[str, Any]]] = {}
    try:
        for text in path.read_text(encoding="utf-8").split("\n"):
            if text:
                line = json.loads(text)
                found.setdefault((line["neuron"], line["pole"]), {})[line["method"]] = line
                if line["graph"] is not None:
                    check_graph(line["graph"])
                if "rule" in line:
                    _check_rule(line["rule"])
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist: run the workflow to make it.") from error
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path} is damaged: {remedy(path)}") from error
    return found


def _check_rule(rule: dict[str, Any]) -> None:
    """The same for a rule; the line itself is read where it is used."""
    halves = rule["halves"]
    lines = [rule["line"], *(halves or ())]
    if not all(isinstance(line, str) for line in lines) or (halves is not None and len(halves) != 2):
        raise ValueError("no program has written this rule")
    if not isinstance(rule["activation"], float) or not isfinite(rule["activation"]):
        raise ValueError("no program has written this rule")


def check_graph(graph: dict[str, Any]) -> None:
    """Raise ValueError, KeyError or TypeError where a graph is not as it is written: something is missing, or of
    another kind."""
    written = NeuronGraph.from_dict(graph).to_dict()
    parts = list(
        zip([graph, *graph["nodes"]], [{**written, "nodes": graph["nodes"]}, *written["nodes"]], strict=True)
    )
    if any(found[name] != value for found, expected in parts for name, value in expected.items()):
        raise ValueError("no program has written this graph")
