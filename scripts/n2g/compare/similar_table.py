"""Pairs of similar neurons, as the table `similar` lists them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

KINDS = ("duplicate", "similar", "subset", "superset", "behaviour")
TOP = 10


@dataclass(frozen=True)
class Pair:
    """How one unit relates to another; units are numbers in the order in which they were given."""

    unit: int
    other: int
    kind: str
    score: float
    rank: int


def similar_columns(pairs: Iterable[Pair], units: Sequence[tuple[int, int, str]]) -> dict[str, list]:
    """The columns of the `similar` table; units are (layer, neuron, pole)."""
    ordered = sorted(pairs, key=lambda one: (units[one.unit], KINDS.index(one.kind), one.rank))
    columns: dict[str, list] = {}
    for column, name in enumerate(("layer", "neuron", "pole")):
        columns[name] = [units[one.unit][column] for one in ordered]
        columns[f"other_{name}"] = [units[one.other][column] for one in ordered]
    return columns | {name: [getattr(one, name) for one in ordered] for name in ("kind", "score", "rank")}
