"""What the atlas shows of the evaluation: excerpts with actual and predicted activations, and the worst errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from n2g.scores.evaluate import Evaluation, HeldOut
from n2g.texts.excerpt_bounds import excerpt_bounds

SHOWN = 5
FIRING, ERRORS = 10, 10


def prediction_rows(texts: HeldOut, evaluation: Evaluation, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Rows of the `predictions` table of one (neuron, pole): documents of each test set, then excerpts of further
    documents in which it fires, and of errors."""
    for kind, numbers in shown_documents(evaluation, seed).items():
        for rank, number in enumerate(numbers):
            span = texts.span(number)
            pivot = span.start + 1 + int(np.argmax(evaluation.truth.activations[span.start + 1 : span.stop]))
            yield _row(texts, evaluation, kind, rank, pivot, span)
    for kind, places in {"firing": firings(texts, evaluation), **errors(texts, evaluation)}.items():
        for rank, place in enumerate(places.tolist()):
            row = int(np.searchsorted(texts.bounds, place, side="right")) - 1
            span = excerpt_bounds(place, int(texts.bounds[row]), int(texts.bounds[row + 1]))
            yield _row(texts, evaluation, kind, rank, place, span)


def shown_documents(evaluation: Evaluation, seed: int) -> dict[str, list[int]]:
    """Document numbers to show of each test set: all of `top`, some of `quantile` evenly from the largest
    activation to the smallest, and some of `random`, others for each neuron."""
    sets = evaluation.truth.sets
    count = min(SHOWN, len(sets["quantile"]))
    even = ((np.arange(count) + 0.5) * len(sets["quantile"]) / max(count, 1)).astype(np.int64)
    neuron, pole = evaluation.key
    random = np.random.default_rng([seed, neuron, pole == "negative"])
    drawn = random.choice(sets["random"], min(SHOWN, len(sets["random"])), replace=False)
    shown = {"top": sets["top"], "quantile": sets["quantile"][even], "random": drawn}
    return {name: numbers.tolist() for name, numbers in shown.items()}


def firings(texts: HeldOut, evaluation: Evaluation) -> np.ndarray:
    """Places (int64) at which the neuron fires in random documents that are not among `top`: the strongest of each
    document, the largest activation first."""
    truth = evaluation.truth
    at = texts.tokens_of(np.setdiff1d(truth.sets["random"], truth.sets["top"]))
    at = at[truth.firing[at]]
    at = at[np.lexsort((at, -truth.activations[at]))]
    _, first = np.unique(np.searchsorted(texts.bounds, at, side="right"), return_index=True)
    return at[np.sort(first)][:FIRING]


def errors(texts: HeldOut, evaluation: Evaluation) -> dict[str, np.ndarray]:
    """Places in the held-out documents of the graph's worst false positives and negatives, the worst first: by
    the difference between prediction and activation."""
    truth, predicted = evaluation.truth, evaluation.predictions["graph"]
    known = texts.tokens_of(np.union1d(truth.sets["random"], truth.sets["top"]))
    fires, says = truth.firing[known], predicted[known] >= evaluation.predictors["graph"].decision_threshold
    worst = {}
    for kind, sign, wrong in (("false-positive", 1, says & ~fires), ("false-negative", -1, fires & ~says)):
        at = known[wrong]
        worst[kind] = at[np.lexsort((at, -sign * (predicted[at] - truth.activations[at])))][:ERRORS]
    return worst


def _row(
    texts: HeldOut, evaluation: Evaluation, kind: str, rank: int, pivot: int, span: slice
) -> dict[str, Any]:
    row = int(np.searchsorted(texts.bounds, pivot, side="right")) - 1
    begin = int(texts.bounds[row])
    return {
        "neuron": evaluation.key[0],
        "pole": evaluation.key[1],
        "set": kind,
        "rank": rank,
        "document": int(texts.numbers[row]),
        "start": span.start - begin,
        "pivot": pivot - begin,
        "activations": evaluation.truth.activations[span].astype(np.float32),
        "predictions": evaluation.predictions["graph"][span].astype(np.float32),
        "nodes": evaluation.nodes[span].astype(np.int32),
    }
