"""How well a prediction describes a neuron, on the tokens of all documents of a test set, concatenated.

Pure functions of numpy arrays. Whatever is undefined is 0, so a predictor that predicts nothing scores 0 and
is never left out of an average; no function returns NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, sqrt

import numpy as np

Count = int | np.integer

FEW = 5  # firing tokens, below which shares and scores say nothing about a graph
COUNTS = ("tokens", "firing", "true_positives", "false_positives", "false_negatives")
SCORES = (
    "precision",
    "recall",
    "f1",
    "nonfiring_precision",
    "nonfiring_recall",
    "nonfiring_f1",
    "average_precision",
    "correlation",
    "r2",
    "ev_correlation",
    "rsquared",
    "absolute_dev_explained",
)


def firing_threshold(maximum: float, share: float) -> float:
    """The activation from which a neuron fires: a share of its training maximum; never, for a dead neuron."""
    return share * maximum if maximum > 0 else inf


def scores(
    real: np.ndarray, predicted: np.ndarray, firing: np.ndarray, decision_threshold: float
) -> dict[str, float]:
    """Every count and score of one prediction.

    Args:
        real: float [token], activations.
        predicted: float [token], predicted activations, in the same unit.
        firing: bool [token], where the neuron fires.
        decision_threshold: the predicted activation from which a token counts as predicted to fire.

    Returns:
        The names of `COUNTS` (int) and `SCORES` (float).
    """
    real, predicted = np.asarray(real, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    rho = correlation(real, predicted)
    return {
        "tokens": len(real),
        **firing_scores(firing, predicted >= decision_threshold),
        "average_precision": average_precision(firing, predicted),
        "correlation": rho,
        "r2": r2(real, predicted),
        "ev_correlation": rho,
        "rsquared": rsquared(real, predicted),
        "absolute_dev_explained": absolute_dev_explained(real, predicted),
    }


def firing_scores(firing: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Counts, and precision, recall and F1 of the firing tokens and of all others (paper, section 4).

    firing, predicted: bool [token], where the neuron fires and where the prediction says so.
    """
    hits = int(np.count_nonzero(firing & predicted))
    wrong, missed = int(np.count_nonzero(predicted)) - hits, int(np.count_nonzero(firing)) - hits
    quiet = len(firing) - hits - wrong - missed
    return {
        "firing": hits + missed,
        "true_positives": hits,
        "false_positives": wrong,
        "false_negatives": missed,
        "precision": _share(hits, hits + wrong),
        "recall": _share(hits, hits + missed),
        "f1": f1_score(hits, hits + wrong, hits + missed),
        "nonfiring_precision": _share(quiet, quiet + missed),
        "nonfiring_recall": _share(quiet, quiet + wrong),
        "nonfiring_f1": _share(2 * quiet, 2 * quiet + wrong + missed),
    }


def f1_score(hits: Count, predicted: Count, firing: Count) -> float:
    """Harmonic mean of precision and recall, from numbers of tokens: `hits` are both predicted to fire and firing."""
    return _share(2 * hits, predicted + firing)


def f1_interval(hits: int, errors: int) -> tuple[float, float]:
    """95 % confidence interval of F1 as if tokens were independent of each other.

    F1 grows with the share of true positives among all tokens that fire or are predicted to; the interval is
    Wilson's of that share.

    >>> [round(end, 2) for end in f1_interval(9, 1)]
    [0.75, 0.99]
    """
    total = hits + errors
    if not total:
        return 0.0, 1.0
    share, square = hits / total, 1.96**2 / total
    middle = (share + square / 2) / (1 + square)
    half = 1.96 / (1 + square) * sqrt(share * (1 - share) / total + square / (4 * total))
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return 2 * low / (1 + low), 2 * high / (1 + high)


def average_precision(firing: np.ndarray, predicted: np.ndarray) -> float:
    """Precision averaged over the recall gained at each distinct predicted value, from the largest down.

    Tokens with equal predictions count together, whatever their order. A constant prediction scores the fraction
    of firing tokens; without a firing token the score is 0.
    """
    total = int(np.count_nonzero(firing))
    if not total:
        return 0.0
    order = np.argsort(-np.asarray(predicted), kind="stable")
    ranked = np.asarray(predicted)[order]
    last = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
    hits = np.cumsum(np.asarray(firing)[order])[last]
    return float(np.sum(np.diff(hits, prepend=0) * hits / (last + 1)) / total)


def list_precision(ranked: Sequence[int], relevant: Sequence[int]) -> float:
    """Average precision of a short list, in its order, where the relevant entries are to be found; one that is not
    listed is not found. 0 where nothing is relevant.

    >>> list_precision([5, 6, 7], [5, 7]), list_precision([6, 7], [5, 7])
    (0.8333333333333333, 0.25)
    """
    wanted, hits, total = set(relevant), 0, 0.0
    for rank, one in enumerate(ranked, 1):
        if one in wanted:
            hits += 1
            total += hits / rank
    return total / len(wanted) if wanted else 0.0


def correlation(real: np.ndarray, predicted: np.ndarray) -> float:
    """Pearson correlation; 0 where one of the two is constant.

    This is also the `ev_correlation_score` of Bills et al. 2023.
    """
    if not len(real) or real.min() == real.max() or predicted.min() == predicted.max():
        return 0.0
    a, b = real - real.mean(), predicted - predicted.mean()
    return float(np.clip(_dot(a, b) / np.sqrt(_square(a) * _square(b)), -1, 1))


def r2(real: np.ndarray, predicted: np.ndarray) -> float:
    """1 - squared error / squared deviation from the mean; 0 where the activation is constant."""
    if not len(real) or real.min() == real.max():
        return 0.0
    return 1.0 - _square(real - predicted) / _square(real - real.mean())


def rsquared(real: np.ndarray, predicted: np.ndarray) -> float:
    """1 - mean squared error / mean squared activation: the `rsquared_score` of Bills et al. 2023.

    It is not centred: predicting 0 everywhere scores 0.
    """
    power = _square(real)
    return 1.0 - _square(real - predicted) / power if power else 0.0


def absolute_dev_explained(real: np.ndarray, predicted: np.ndarray) -> float:
    """1 - mean |error| / mean |activation|: the `absolute_dev_explained_score` of Bills et al. 2023."""
    total = float(np.abs(real).sum())
    return 1.0 - float(np.abs(real - predicted).sum()) / total if total else 0.0


def _share(part: float | np.integer, whole: float | np.integer) -> float:
    return part / whole if whole else 0.0


def _square(values: np.ndarray) -> float:
    return _dot(values, values)


def _dot(a: np.ndarray, b: np.ndarray) -> float:
    """Not with `@`, whose threads make it slow on a busy machine and decide on its last digits."""
    return float(np.sum(a * b))
