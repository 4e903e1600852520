"""The notebook in the documentation: whole, clean, and running on a run of this checkout."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from typing import Any

import nbformat
import networkx as nx
import notebooks
import pytest
from tiny_run import ROOT

PATH = ROOT / "docs" / "induction.ipynb"
TINY = {'"results/smollm2", 4': '"results/tiny", 1'}


@pytest.fixture(scope="module")
def notebook() -> dict[str, Any]:
    return json.loads(PATH.read_text(encoding="utf-8"))


def kinds(notebook: dict[str, Any]) -> list[list[tuple]]:
    """The kinds of output of each cell of code."""
    return [
        [(one["output_type"], *sorted(one.get("data", ()))) for one in cell["outputs"]]
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
    ]


def test_the_notebook_is_whole_and_names_no_machine(notebook: dict[str, Any]) -> None:
    nbformat.validate(notebook)
    text = PATH.read_text(encoding="utf-8")
    assert not any(word in text for word in ("/tmp", "/home", "/root", "Traceback", str(ROOT)))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            last = ast.parse("".join(cell["source"])).body[-1]
            assert cell["execution_count"] is None
            assert bool(cell["outputs"]) == (
                isinstance(last, ast.Expr | ast.For) or "print(" in cell["source"][-1]
            )


def test_the_notebook_runs(notebook: dict[str, Any], copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(copied)
    monkeypatch.setattr(sys, "path", list(sys.path))
    done = notebooks.run(notebook, TINY)
    assert kinds(done) == kinds(notebook)
    written = sorted(path.name for path in (copied / "results" / "induction").iterdir())
    assert repr(written) in "".join(done["cells"][-1]["outputs"][0]["data"]["text/plain"])
    graphs = [
        nx.read_graphml(copied / "results" / "induction" / name) for name in written if "graphml" in name
    ]
    assert len(graphs) == 2 and all(graph.graph["layer"] == 1 for graph in graphs)
