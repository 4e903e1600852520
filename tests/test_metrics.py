"""Scores against figures worked out by hand, and what must hold for any prediction."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from n2g.metrics import COUNTS, SCORES, average_precision, correlation, firing_scores, scores

#                 hit  hit  miss  false  quiet  quiet
REAL = np.array([4.0, 3.0, 2.0, 0.5, -0.5, 0.0])
PREDICTED = np.array([4.0, 2.0, 0.0, 3.0, 0.0, 0.0])
FIRING = REAL >= 2


def test_counts_and_firing_scores() -> None:
    found = scores(REAL, PREDICTED, FIRING, decision_threshold=2.0)
    assert set(found) == {*COUNTS, *SCORES}
    assert [found[name] for name in COUNTS] == [6, 3, 2, 1, 1]
    assert found["precision"] == pytest.approx(2 / 3)
    assert found["recall"] == pytest.approx(2 / 3)
    assert found["f1"] == pytest.approx(2 / 3)
    # Of the three that do not fire one is called firing; one that fires is called quiet.
    assert found["nonfiring_precision"] == found["nonfiring_recall"] == pytest.approx(2 / 3)
    assert firing_scores(FIRING, PREDICTED >= 3)["f1"] == pytest.approx(2 * 1 / (2 * 1 + 1 + 2))


def test_average_precision() -> None:
    # Ranked: 4 (fires), 3 (not), 2 (fires), then three equal zeros of which one fires.
    expected = (1 / 1 + 2 / 3 + 3 / 6) / 3
    assert scores(REAL, PREDICTED, FIRING, 2.0)["average_precision"] == pytest.approx(expected)
    assert average_precision(FIRING, np.zeros(6)) == pytest.approx(0.5), "a constant scores the base rate"
    assert average_precision(np.zeros(6, dtype=bool), PREDICTED) == 0


def test_openai_scores_and_r2() -> None:
    found = scores(REAL, PREDICTED, FIRING, 2.0)
    error, power, deviation = 0 + 1 + 4 + 6.25 + 0.25, 16 + 9 + 4 + 0.25 + 0.25, 29.5 - 9**2 / 6
    assert found["rsquared"] == pytest.approx(1 - error / power)
    assert found["r2"] == pytest.approx(1 - error / deviation)
    assert found["absolute_dev_explained"] == pytest.approx(1 - (0 + 1 + 2 + 2.5 + 0.5) / 10)
    assert (
        found["correlation"] == found["ev_correlation"] == pytest.approx(np.corrcoef(REAL, PREDICTED)[0, 1])
    )


def test_predicting_nothing_scores_zero() -> None:
    found = scores(REAL, np.zeros(6), FIRING, decision_threshold=2.0)
    for name in ("precision", "recall", "f1", "correlation", "rsquared", "absolute_dev_explained"):
        assert found[name] == 0, name
    assert found["r2"] < 0
    silent = scores(np.zeros(4), np.zeros(4), np.zeros(4, dtype=bool), decision_threshold=np.inf)
    assert not any(silent[name] for name in SCORES if not name.startswith("nonfiring"))
    assert silent["nonfiring_f1"] == 1
    empty = scores(np.zeros(0), np.zeros(0), np.zeros(0, dtype=bool), 1.0)
    assert not any(empty.values())


@pytest.mark.parametrize("constant", [0.1, 1e8, -3.3])
def test_a_constant_correlates_with_nothing(constant: float) -> None:
    varying = np.random.default_rng(0).normal(size=1001)
    assert correlation(np.full(1001, constant), varying) == 0
    assert correlation(varying, np.full(1001, constant)) == 0
    assert correlation(1e6 + varying, varying) == pytest.approx(1)


VALUES = st.lists(
    st.tuples(st.integers(-4, 4).map(lambda n: n / 2), st.integers(0, 4).map(lambda n: n / 2)), max_size=30
)


@given(VALUES, st.randoms(use_true_random=False))
def test_scores_are_finite_bounded_and_independent_of_order(pairs: list, random) -> None:
    real, predicted = np.array(pairs, dtype=float).reshape(-1, 2).T
    found = scores(real, predicted, real >= 1, 1.0)
    for name in SCORES:
        assert np.isfinite(found[name]) and found[name] <= 1, name
        if name not in ("r2", "rsquared", "absolute_dev_explained", "correlation", "ev_correlation"):
            assert found[name] >= 0, name
    assert found["firing"] == found["true_positives"] + found["false_negatives"] == (real >= 1).sum()
    random.shuffle(pairs)
    real, predicted = np.array(pairs, dtype=float).reshape(-1, 2).T
    assert scores(real, predicted, real >= 1, 1.0) == pytest.approx(found)


@given(VALUES)
def test_a_perfect_prediction_scores_one(pairs: list) -> None:
    real = np.array([3.0, 0.5] + [value for value, _ in pairs])
    found = scores(real, real, real >= 1, 1.0)
    for name in SCORES:
        assert found[name] == pytest.approx(1), name


@given(VALUES)
def test_average_precision_by_its_definition(pairs: list) -> None:
    real, predicted = np.array(pairs, dtype=float).reshape(-1, 2).T
    firing = real >= 1
    expected, before = 0.0, 0.0
    for threshold in sorted(set(predicted.tolist()), reverse=True) if firing.any() else ():
        part = firing_scores(firing, predicted >= threshold)
        expected += (part["recall"] - before) * part["precision"]
        before = part["recall"]
    assert average_precision(firing, predicted) == pytest.approx(expected)
