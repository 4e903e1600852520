"""The neurons that a neuron is related to, for its page: connected by weight, or similar."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from n2g.files.tables import read_table
from n2g.ids import NeuronId

SHOWN = 5  # of each kind
PAIRS = 10  # of all, of each kind
SIMILAR = {
    "similar": "Similar patterns",
    "subset": "Patterns include this neuron’s",
    "superset": "Patterns included in this neuron’s",
    "duplicate": "Identical patterns",
    "behaviour": "Correlated activations",
}
CONNECTED = {
    ("upstream", "positive"): "Upstream, excitatory",
    ("upstream", "negative"): "Upstream, inhibitory",
    ("downstream", "positive"): "Downstream, excited",
    ("downstream", "negative"): "Downstream, inhibited",
}
Lists = dict[str, list[tuple[str, float]]]  # title -> (neuron, similarity or connection strength)


def connected(block: Path) -> dict[str, Lists]:
    """Each neuron's strongest connections; `block` is {layer}/{block}."""
    layer = int(block.parent.name)
    found: dict[str, Lists] = {}
    for row in _best(block / "connections.parquet", "connections"):
        other = NeuronId(row["other_layer"], row["other_neuron"], False)
        title = CONNECTED[row["direction"], row["sign"]]
        lists = found.setdefault(_name(row | {"layer": layer}), {})
        lists.setdefault(title, []).append((str(other), row["weight"]))
    return found


def similar(path: Path, letter: str = "N") -> dict[str, Lists]:
    """The neurons similar to each neuron, from `similar.parquet`; letter: in their names."""
    found: dict[str, Lists] = {}
    for row in _best(path, "similar"):
        other = _other(row, letter)
        found.setdefault(_name(row, letter), {}).setdefault(SIMILAR[row["kind"]], []).append(
            (str(other), row["score"])
        )
    return found


def pairs(path: Path, letter: str = "N") -> dict[str, dict[str, dict[str, float]]]:
    """Neuron -> other neuron -> title -> score: all pairs in `similar.parquet`; letter: in their names."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for row in read_table(path, "similar").to_pylist():
        other = _other(row, letter)
        found.setdefault(_name(row, letter), {}).setdefault(str(other), {})[SIMILAR[row["kind"]]] = row[
            "score"
        ]
    return found


def most_alike(path: Path, letter: str = "N") -> dict[str, list[tuple[str, str, float]]]:
    """Title -> (neuron, other neuron, score) of the pairs in `similar.parquet` that are most alike by patterns and by
    activations, each pair once; letter: in their names."""
    found: dict[str, list[tuple[str, str, float]]] = {}
    table = read_table(path, "similar")
    for kind in ("similar", "behaviour"):
        # A pair is there once or twice.
        best = table.filter(pc.field("kind") == kind).sort_by([("score", "descending")])[: 2 * PAIRS]
        scores: dict[tuple[NeuronId, NeuronId], float] = {}
        for row in best.to_pylist():
            one = _one(row, letter)
            other = _other(row, letter)
            scores[min(one, other), max(one, other)] = row["score"]
        ordered = sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:PAIRS]
        if ordered:
            found[SIMILAR[kind]] = [(str(one), str(other), score) for (one, other), score in ordered]
    return found


def _best(path: Path, name: str) -> list[dict[str, Any]]:
    return read_table(path, name).filter(pc.field("rank") < SHOWN).to_pylist()


def _name(row: Mapping[str, Any], letter: str = "N") -> str:
    return str(_one(row, letter))


def _one(row: Mapping[str, Any], letter: str) -> NeuronId:
    return NeuronId.of(row["layer"], row["neuron"], row["pole"], letter)


def _other(row: Mapping[str, Any], letter: str) -> NeuronId:
    return NeuronId.of(row["other_layer"], row["other_neuron"], row["other_pole"], letter)
