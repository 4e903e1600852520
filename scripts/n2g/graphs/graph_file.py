"""Reading the `graph.jsonl` files that the graph stage writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from n2g.errors import InputError
from n2g.files.tables import remedy


def read_graphs(path: Path) -> dict[tuple[int, str], dict[str, dict[str, Any]]]:
    """The lines of a graph file: (neuron, pole) -> method -> line. Raises InputError where it is damaged."""
    found: dict[tuple[int, str], dict[str, dict[str, Any]]] = {}
    try:
        for text in path.read_text(encoding="utf-8").splitlines():
            line = json.loads(text)
            found.setdefault((line["neuron"], line["pole"]), {})[line["method"]] = line
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist: run the workflow to make it.") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged: {remedy(path)}") from error
    return found
