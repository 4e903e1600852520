"""The benchmark of measured effects: its samples have no document in common, its figures are those of the lists."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from n2g.files.tables import write_rows
from n2g.scores.effect_places import Places
from n2g.scores.effects import FIGURES, Measured

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import effect_lists as bench  # noqa: E402


def test_samples_share_no_document() -> None:
    places = Places((0, "positive"), "firing", np.array([4, 9, 11, 4, 9]), np.array([1, 2, 3, 4, 5]))
    first, second = bench.halved(places)
    assert first.documents.tolist() == [4, 11, 4] and first.positions.tolist() == [1, 3, 4]
    assert second.documents.tolist() == [9, 9] and second.positions.tolist() == [2, 5]


def measured(promoted: list[int], count: int = 4) -> Measured:
    """A neuron that raises some probabilities, the first the most, and lowers no other alike."""
    changes = np.zeros(40)
    changes[promoted] = np.arange(len(promoted), 0, -1)
    numbers = np.arange(count)
    return Measured(
        Places((0, "positive"), "firing", numbers, numbers), np.zeros((count, len(FIGURES))), changes
    )


def test_lists_are_compared_with_the_first_sample(tmp_path: Path) -> None:
    rows = [
        {"neuron": 0, "pole": "positive", "direction": "promoted", "rank": rank, "token": token, "value": 1.0}
        for rank, token in enumerate((30, 5))
    ]
    write_rows(tmp_path / "logits.parquet", "logits", rows)
    pairs = [measured([5, 6])] * 2, [measured([5, 6]), measured([7, 6])]
    first, second = bench.precisions(*pairs, tmp_path)
    # Nothing is suppressed, so that each mean of two lists is half of what is promoted.
    assert first == {"weights": (1 / 2) / 2 / 2, "measured": 1 / 2, "another": (1 / 2) / 2 / 2}
    assert second == {"weights": (1 / 2) / 2 / 2, "measured": (1 / 2) / 2 / 2, "another": 1 / 2}
    assert not list(bench.precisions([measured([5, 6])], [measured([5, 6], count=3)], tmp_path))


def test_the_summary_has_the_ratio_of_means() -> None:
    rows = [
        {"weights": 0.1, "measured": 0.3, "another": 0.2},
        {"weights": 0.3, "measured": 0.3, "another": 0.4},
    ]
    found = bench.summary(rows)
    assert found["another"] == 0.3
    assert (found["weights"], found["measured"], found["ratio"]) == (0.2, 0.3, 1.5)
    assert found["interval"] == [1.0, 3.0] and found["weights_better"] == 0
    nothing = bench.summary([{"weights": 0.0, "measured": 0.3, "another": 0.0}])
    assert nothing["ratio"] is None and nothing["interval"] is None
    assert bench.summary([]) == {"neurons": 0}
