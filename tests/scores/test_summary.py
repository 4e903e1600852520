"""Averages over neurons and layers, against figures worked out by hand."""

import numpy as np
import pyarrow as pa
import pytest

from n2g.files.tables import CONTRACTS
from n2g.metrics import COUNTS, SCORES
from n2g.scores.summary import macro_average, rule_figures, summarise


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


def test_rules_are_compared_line_by_line_and_pattern_by_pattern() -> None:
    halves = [
        ["Sea|Red", "Sea|Red"],
        ["Sea|Red … Sea", "Sea; Black"],
        ["Sea; Black … Red", "Black|Sea"],
        ["", ""],
        None,
    ]
    rules = [{"rule": {"line": "x" * n, "halves": pair}} for n, pair in enumerate(halves)]
    assert rule_figures([*rules, {"method": "paper"}]) == {
        "rules": 4,
        "characters": 2.5,
        "halved": 3,
        "identical": pytest.approx(1 / 3, abs=1e-6),
        "shared": pytest.approx((1 + 0 + 1 / 3) / 3, abs=1e-6),
    }


def test_macro_average_and_its_interval() -> None:
    values = np.array([[0.0, 1.0], [1.0, 1.0]])
    mean, low, high = macro_average([values])
    assert mean.tolist() == [0.5, 1.0]
    assert low.tolist() == [0.0, 1.0] and high.tolist() == [1.0, 1.0]
    # Layers weigh the same, however many neurons they have, and one without neurons does not count.
    mean, _, _ = macro_average([np.zeros((9, 1)), np.ones((1, 1)), np.zeros((0, 1))])
    assert mean.tolist() == [0.5]
    assert [part.tolist() for part in macro_average([np.zeros((0, 2))])] == [[0.0, 0.0]] * 3

    random = np.random.default_rng(1)
    wide = random.normal(3, 2, size=(400, 1))
    mean, low, high = macro_average([wide], seed=5)
    standard_error = wide.std() / 20
    assert (high - low)[0] == pytest.approx(2 * 1.96 * standard_error, rel=0.1)
    assert low[0] < mean[0] < high[0]
    again = macro_average([wide], seed=5)
    assert [part.tolist() for part in again] == [mean.tolist(), low.tolist(), high.tolist()]
    assert macro_average([wide], seed=6)[1].tolist() != low.tolist()
