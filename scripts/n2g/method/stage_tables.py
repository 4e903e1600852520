"""How the fitting stages hand each other the examples of a block: from table rows to the library's forms."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from n2g.files.tables import read_table
from n2g.method.candidates import Fired
from n2g.method.fitting_data import FittingBlock, Unit
from n2g.method.paper import PaperExample
from n2g.method.prune import Pruned
from n2g.method.saliency import Salient


def load_pruned(folder: Path, block: FittingBlock) -> Iterator[tuple[Unit, int, Pruned]]:
    """(unit, number of the example, pruned example) of the block's method, failures left out."""
    for unit, row in _rows(folder, "prune", block):
        if not row["failed"]:
            yield unit, row["example"], Pruned(tuple(row["tokens"]), row["kept"], row["start"])


def load_salient(folder: Path, block: FittingBlock) -> Iterator[tuple[Unit, int, Salient]]:
    """(unit, number of the example, salient example) of the block's method."""
    for unit, row in _rows(folder, "saliency", block):
        columns = ("tokens", "importances", "needed", "gaps")
        parts = [tuple(row[column]) for column in columns]
        yield unit, row["example"], Salient(*parts, row["activation"], row["start"])


def load_fired(folder: Path, block: FittingBlock) -> dict[tuple[int, str], list[Fired]]:
    """(neuron, pole) -> examples as method "atlas" fits them."""
    salient = {(unit.key, number): one for unit, number, one in load_salient(folder, block)}
    substitutes: dict[tuple, list] = {}
    for unit, row in _rows(folder, "augment", block):
        if row["kept"]:
            found = substitutes.setdefault((unit.key, row["example"]), [])
            found.append((row["place"], row["token"], row["activation"]))
    fired: dict[tuple[int, str], list] = {unit.key: [] for unit in block.units}
    for unit, row in _rows(folder, "prune", block):
        key = (unit.key, row["example"])
        tried = tuple(substitutes.get(key, ()))
        fired[unit.key].append(Fired(row["position"], row["activation"], salient.get(key), tried))
    return fired


def load_tokens(folder: Path, name: str, column: str) -> dict[tuple[int, str], dict[int, float]]:
    """(neuron, pole) -> token -> value, of a table that says something of single tokens."""
    found: dict[tuple[int, str], dict[int, float]] = {}
    for row in read_table(folder / f"{name}.parquet", name).to_pylist():
        found.setdefault((row["neuron"], row["pole"]), {})[row["token"]] = row[column]
    return found


def load_pairs(folder: Path) -> dict[tuple[int, str], dict[tuple[int, int], float]]:
    """(neuron, pole) -> (token before, token) -> activation, of the pairs that the sweep found."""
    found: dict[tuple[int, str], dict[tuple[int, int], float]] = {}
    for row in read_table(folder / "pair_sweep.parquet", "pair_sweep").to_pylist():
        pairs = found.setdefault((row["neuron"], row["pole"]), {})
        pairs[row["before"], row["token"]] = row["activation"]
    return found


class Known(NamedTuple):
    """What a neuron's graph of method "atlas" is fitted from beside the texts, in the order of `fit_unit`.

    fired: its examples. alone: token -> activation in the sweep. background: token -> mean activation on training
    documents. pairs: (token before, token) -> activation in the sweep.
    """

    fired: list[Fired]
    alone: dict[int, float]
    background: dict[int, float]
    pairs: dict[tuple[int, int], float]


def load_known(folder: Path, block: FittingBlock) -> dict[tuple[int, str], Known]:
    """(neuron, pole) -> all that the stages before found of it."""
    fired, pairs = load_fired(folder, block), load_pairs(folder)
    alone, means = load_tokens(folder, "sweep", "activation"), load_tokens(folder, "background", "mean")
    return {
        unit.key: Known(
            fired[unit.key], alone.get(unit.key, {}), means.get(unit.key, {}), pairs.get(unit.key, {})
        )
        for unit in block.units
    }


def load_paper(folder: Path, block: FittingBlock) -> dict[tuple[int, str], list[PaperExample]]:
    """(neuron, pole) -> examples as method "paper" fits them."""
    activation = {
        (unit.key, row["example"]): row["activation"] for unit, row in _rows(folder, "prune", block)
    }
    substitutes: dict[tuple, list] = {}
    for unit, row in _rows(folder, "augment", block):
        found = substitutes.setdefault((unit.key, row["example"]), [])
        found.append((row["place"], row["token"], row["activation"]))
    fired: dict[tuple[int, str], list] = {unit.key: [] for unit in block.units}
    for unit, number, salient in load_salient(folder, block):
        key, least = (unit.key, number), max(salient.activation, 1e-9)
        tried = tuple((place, token, value / least) for place, token, value in substitutes.get(key, ()))
        fired[unit.key].append(PaperExample(activation[key], salient, tried))
    return fired


def _rows(folder: Path, name: str, block: FittingBlock) -> Iterator[tuple[Unit, dict]]:
    units = {unit.key: unit for unit in block.units}
    for row in read_table(folder / f"{name}.parquet", name).to_pylist():
        if row["method"] == block.settings.method:
            yield units[row["neuron"], row["pole"]], row
