"""The manifest of a run: it tells of the neurons that are selected now, whatever else the folder holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_run import RUN

from n2g.ids import Block
from n2g.results.manifest import costs, manifest

HEAD = "s\th:m:s\tmax_rss\n"
SELECTED = [(0, Block(0, 1)), (1, Block(0, 1))]


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    """Seconds by rule: of one job for all, of four parts, and of blocks, not all of which are selected any more."""
    times = {
        "similar": 1,
        "export": 5,
        "sweep": 100,
        **{f"sweep/{part}": 10 + part for part in range(1, 5)},
        "sweep/0/00000-00001": 7,
        **{f"prune/{layer}/00000-00001": 2 + layer for layer in range(3)},
        "prune/0/00000-00000": 50,
        "explain/2/00000-00001": 9,
    }
    for name, seconds in times.items():
        path = tmp_path / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{HEAD}{seconds}\t0:00:00\t{'-' if name == 'similar' else 10 * seconds}\n")
    return tmp_path


@pytest.mark.parametrize(
    ("parts", "sweep"), [(1, (1, 100, 1000)), (2, (2, 11 + 12, 120)), (4, (4, 11 + 12 + 13 + 14, 140))]
)
def test_costs_are_those_of_the_selection(measured: Path, parts: int, sweep: tuple) -> None:
    found = costs(measured, SELECTED, parts, without=["export"])
    expected = {"prune": (2, 2 + 3, 30), "similar": (1, 1, 0), "sweep": sweep}
    assert {rule: tuple(cost.values()) for rule, cost in found.items()} == expected
    assert list(found["prune"]) == ["jobs", "seconds", "peak_memory_mb"]


def test_costs_of_a_pass_that_was_not_shared_out_stay(measured: Path) -> None:
    for path in (measured / "sweep").glob("?.tsv"):
        path.unlink()
    assert costs(measured, SELECTED, parts=4)["sweep"]["seconds"] == 100


def test_records_are_those_of_the_selection(finished: Path) -> None:
    run, key = finished / RUN, "digest"
    known = json.loads((run / "manifest.json").read_text())
    fetched = [next(finished.glob(f"resources/{kind}/*/fetched.json")) for kind in ("models", "texts")]
    (checkpoint,) = finished.glob("resources/checkpoints/*/checkpoint.json")

    def records(blocks: list[tuple[int, Block]]) -> dict:
        return manifest(known["config"], run, blocks, finished, fetched[0], checkpoint, fetched[1])["records"]

    assert records(SELECTED) == known["records"]
    assert records(SELECTED[1:])["count"] == 2
    assert records(SELECTED[1:])[key] != known["records"][key]
