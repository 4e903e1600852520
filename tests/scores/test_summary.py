"""Averages over neurons and layers."""

import pyarrow as pa
import pytest

from n2g.files.tables import CONTRACTS
from n2g.metrics import COUNTS, SCORES
from n2g.scores.summary import summarise


def table(*rows: tuple[str, str, float]) -> pa.Table:
    """Rows (test set, predictor, F1) of one neuron that fires."""
    counts = dict.fromkeys(COUNTS, 1)
    found = [
        {"neuron": 0, "pole": "positive", "set": name, "predictor": predictor, "documents": 1}
        | dict.fromkeys(SCORES, 0.0)
        | counts
        | {"f1": f1}
        for name, predictor, f1 in rows
    ]
    return pa.Table.from_pylist(found, schema=CONTRACTS["evaluate"].schema)


def test_the_share_of_a_window_is_that_of_the_mean_f1_on_the_same_tokens() -> None:
    first = table(("random", "graph", 0.9), ("windows", "graph", 0.4), ("windows", "window_4", 0.8))
    second = table(("windows", "graph", 0.2), ("windows", "window_4", 0.2), ("windows", "window_1", 0.0))
    found = summarise([(0, first), (1, second)], [])["window_share"]
    assert found["0"] == {"window_4": 0.5}
    assert found["1"] == {"window_4": 1.0}, "a window that never hits has no share"
    assert found["overall"]["window_4"] == pytest.approx(0.3 / 0.5)


def test_without_windows_there_is_no_share() -> None:
    assert summarise([(0, table(("random", "graph", 0.9)))], [])["window_share"] == {}
