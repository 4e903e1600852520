"""What changed since another run, for its page: counts, scores, and the neurons that changed most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from n2g.compare.diff import ONLY, PATTERNS
from n2g.graphs.token_display import elide
from n2g.ids import NeuronId

LISTED = 100  # neurons
SHOWN = 3  # patterns of each kind and neuron, those with the largest change
WIDEST = 48  # columns of a pattern
NAMED = 200  # neurons that one run alone has
BATCH = 65_536  # rows in memory at a time


def summarise(path: Path, known: Collection[str], letter: str = "N") -> dict[str, Any]:
    """The `diff` table for the page.

    Args:
        path: the table.
        known: the neurons of this run.
        letter: in their names.

    Returns:
        `both`, `changed`: numbers of neurons; `kinds`: kind of change -> [changes, neurons]; `scores`: (score and test
        set) -> neurons in which it rose and fell, and the mean change over all that both runs have; `only`: neurons
        that one run alone has; `neurons`: those that changed most.
    """
    kinds = {kind: [0, 0] for kind in (*PATTERNS, "status")}
    scores: dict[str, list[float]] = {}
    only: dict[str, list[str]] = {kind: [] for kind in ONLY}
    changed, best = 0, []
    for name, rows in groupby(_rows(path, letter), key=lambda row: row["id"]):
        found = list(rows)
        if found[0]["kind"] in ONLY:
            only[found[0]["kind"]].append(name)
            continue
        changed += 1
        for kind, count in Counter(row["kind"] for row in found).items():
            if kind in kinds:
                kinds[kind][0] += count
                kinds[kind][1] += 1
        for row in found:
            if row["kind"] == "score":
                change = row["after"] - row["before"]
                score = scores.setdefault(row["what"], [0, 0, 0.0])
                score[0 if change > 0 else 1] += 1
                score[2] += change
        best.append(_neuron(name, found))
        if len(best) > 2 * LISTED:
            best = sorted(best, key=_most)[:LISTED]
    both = len(known) - len(only[ONLY[1]])
    return {
        "both": both,
        "changed": changed,
        "kinds": kinds,
        "scores": {name: [up, down, total / both] for name, (up, down, total) in sorted(scores.items())},
        "only": {kind: {"names": names[:NAMED], "total": len(names)} for kind, names in only.items()},
        "neurons": sorted(best, key=_most)[:LISTED],
    }


def _rows(path: Path, letter: str) -> Iterator[dict[str, Any]]:
    for batch in pq.ParquetFile(path).iter_batches(BATCH):
        for row in batch.to_pylist():
            yield {**row, "id": str(NeuronId.of(row["layer"], row["neuron"], row["pole"], letter))}


def _neuron(name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """A row of the page's table; `changed` is the sum of all changes of weights."""
    parts = {kind: [row for row in rows if row["kind"] == kind] for kind in PATTERNS}
    f1 = next((row for row in rows if row["what"] == "f1 on top"), None)
    shown = {
        kind: [
            {"pattern": elide(row["what"], WIDEST), "before": row["before"], "after": row["after"]}
            for row in sorted(found, key=lambda row: -_change(row))[:SHOWN]
        ]
        for kind, found in parts.items()
    }
    return {
        "id": name,
        "counts": {kind: len(found) for kind, found in parts.items()},
        "changed": sum(_change(row) for found in parts.values() for row in found),
        "f1": f1 and (f1["before"], f1["after"]),
        "status": next((row["what"] for row in rows if row["kind"] == "status"), ""),
        "patterns": shown,
    }


def _change(row: Mapping[str, Any]) -> float:
    return abs(row["after"] - row["before"])


def _most(one: Mapping[str, Any]) -> tuple:
    """Orders neurons: a changed status first, then the sum of the changes."""
    return not one["status"], -one["changed"], NeuronId.parse(one["id"])
