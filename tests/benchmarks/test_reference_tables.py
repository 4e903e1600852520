"""The tables of what each ingredient is worth and of how far a neural network gets, on the small run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_run import RUN

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def table(program: str, folder: Path, output: Path, *arguments: str) -> dict[str, list[float]]:
    """First cell -> numbers of each row of what a program writes."""
    command = [sys.executable, str(BENCHMARKS / f"{program}.py"), "--output", str(output), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = re.findall(r"^\| ([^|]*\w) \| ([\d.| -]+) \|$", output.read_text(), re.MULTILINE)
    return {name: [float(cell) for cell in cells.split(" | ")] for name, cells in rows if name != "---"}


def macro(folder: Path, name: str, score: str) -> float:
    """What the run itself says."""
    layers = json.loads((folder / RUN / "summary.json").read_text())["layers"]
    return float(np.mean([sets[name]["graph"][score] for sets in layers.values()]))


def test_the_whole_method_scores_as_in_the_run(finished: Path, tmp_path: Path) -> None:
    found = table("ablation", finished, tmp_path / "table.md")
    whole = [macro(finished, name, score) for score in ("f1", "correlation") for name in ("top", "random")]
    assert found["the whole method"][:4] == pytest.approx(whole, abs=6e-4)
    assert len(found) == 13
    assert found["at most 10 nodes"][4] <= found["the whole method"][4]


def test_a_network_is_scored_on_the_same_sets(finished: Path, tmp_path: Path) -> None:
    found = table("neural", finished, tmp_path / "table.md", "--epochs", "2")
    assert found.keys() == {"top", "random"}
    assert all(len(cells) == 3 and 0 <= min(cells) <= max(cells) <= 1 for cells in found.values())


def test_worse_graphs_score_worse(finished: Path, tmp_path: Path) -> None:
    output = tmp_path / "table.md"
    command = [sys.executable, str(BENCHMARKS / "sanity.py"), "--output", str(output)]
    done = subprocess.run(command, cwd=finished, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = re.findall(
        r"^\| (top|random) \| \d+ \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| ", output.read_text(), re.MULTILINE
    )
    assert rows
    for _, *means in rows:
        whole, halved, doubled = map(float, means)
        assert whole > max(halved, doubled)


def test_the_expected_f1_is_the_mean_over_all_ways_to_change_a_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    from sanity import changed

    counts = {"tokens": 6, "firing": 3, "true_positives": 1, "false_positives": 1, "false_negatives": 2}
    found = changed(counts)
    assert found["as it is"] == pytest.approx(2 * 1 / (2 + 3))
    # One of the two predicted tokens is left: a hit in half of the cases.
    assert found["halved"] == pytest.approx((2 * 1 / (1 + 3) + 0) / 2)
    # Two of the four others are added, of which two fire: one more hit on average.
    assert found["doubled"] == pytest.approx(2 * 2 / (4 + 3))
