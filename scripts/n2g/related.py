"""The neurons that a neuron is related to, for its page: connected with it by weight, or alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from n2g.ids import NeuronId
from n2g.tables import read_table

SHOWN = 5  # of each kind


def connected(block: Path) -> dict[str, list[list]]:
    """Neuron -> [direction, sign, other neuron, weight] of its strongest connections; `block` is {layer}/{block}."""
    layer = int(block.parent.name)
    found: dict[str, list[list]] = {}
    for row in _best(block / "connections.parquet", "connections"):
        other = NeuronId(row["other_layer"], row["other_neuron"], False)
        line = [row["direction"], row["sign"], str(other), float(f"{row['weight']:.3g}")]
        found.setdefault(_name(row | {"layer": layer}), []).append(line)
    return found


def alike(path: Path) -> dict[str, list[list]]:
    """Neuron -> [kind, other neuron, score] of those that it is like, from `similar.parquet`."""
    found: dict[str, list[list]] = {}
    for row in _best(path, "similar"):
        other = NeuronId.of(row["other_layer"], row["other_neuron"], row["other_pole"])
        found.setdefault(_name(row), []).append([row["kind"], str(other), float(f"{row['score']:.3g}")])
    return found


def _best(path: Path, name: str) -> list[dict[str, Any]]:
    return [row for row in read_table(path, name).to_pylist() if row["rank"] < SHOWN]


def _name(row: dict[str, Any]) -> str:
    return str(NeuronId.of(row["layer"], row["neuron"], row["pole"]))
