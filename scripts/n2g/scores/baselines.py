"""What a graph has to beat: predictors from corpus statistics alone, in token ids.

All see train and validation documents only, and all predict through the same two names as a graph does here:
`predict`, activations of a `TokenIndex`, and `decision_threshold`, the activation from which a prediction counts as
firing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Protocol

import numpy as np
import pyarrow as pa

from n2g.graphs.matching import Index, TokenIndex
from n2g.method.evidence import Texts
from n2g.method.observations import Observations, by_unit
from n2g.metrics import f1_score, firing_threshold
from n2g.texts.documents import SPLITS, Documents


class Predictor(Protocol):
    """Anything that predicts one neuron's activations from tokens."""

    @property
    def decision_threshold(self) -> float:
        """The prediction from which it counts as firing."""
        ...

    def predict(self, index: TokenIndex) -> np.ndarray:
        """float64 [token], predicted activations."""
        ...


@dataclass(frozen=True)
class Occurrences:
    """Tokens of a split at which a neuron is at or above its floor: ids (int64 [n]) and activations (float64
    [n])."""

    tokens: np.ndarray
    activations: np.ndarray


@dataclass(frozen=True)
class Seen:
    """What a baseline sees of one neuron.

    maximum: largest train activation. train, validation: the tokens at or above the floor. counts: split ->
    int64 [token id], how often each token occurs at all. texts: the validation documents, and places: int64
    [n], where in the corpus the tokens of `validation` are. examples: (token ids, activations) of the training
    documents with the largest activations, BOS included.
    """

    maximum: float
    train: Occurrences
    validation: Occurrences
    counts: dict[str, np.ndarray]
    texts: Texts
    places: np.ndarray
    examples: Sequence[tuple[np.ndarray, np.ndarray]]


def observe(documents: Documents, observations: Observations) -> Iterator[tuple[tuple[int, str], Seen]]:
    """What the baselines see of every (neuron, pole) of a block; both must come without test documents."""
    counts = {split: documents.counts(split) for split in ("train", "validation")}
    texts = Texts.of(documents, "validation")
    firings, examples = dict(by_unit(observations.firings)), dict(by_unit(observations.examples))
    statistics = observations.statistics
    keys = zip(statistics["neuron"].to_pylist(), statistics["pole"].to_pylist(), strict=True)
    for key, maximum in zip(keys, statistics["maximum"].to_pylist(), strict=True):
        found = firings.get(key, observations.firings.slice(0, 0))
        positions = found["position"].to_numpy()
        activations = found["activation"].to_numpy().astype(np.float64)
        tokens = documents.tokens[positions].astype(np.int64)
        split = documents.split[documents.document_at(positions)]
        parts = {name: split == SPLITS.index(name) for name in counts}
        seen = Seen(
            maximum=maximum,
            **{name: Occurrences(tokens[part], activations[part]) for name, part in parts.items()},
            counts=counts,
            texts=texts,
            places=positions[parts["validation"]],
            examples=list(_train_examples(documents, examples.get(key))),
        )
        yield key, seen


def _train_examples(documents: Documents, rows: pa.Table | None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for row in rows.to_pylist() if rows is not None else ():
        if row["split"] == "train":
            ids = documents.ids(row["document"]).astype(np.int64)
            yield ids, np.array(row["activations"], dtype=np.float64)


@dataclass(frozen=True)
class Lookup:
    """A table of one activation a token id (float64); ids behind its end, and BOS, are predicted 0."""

    values: np.ndarray
    decision_threshold: float

    def predict(self, index: TokenIndex) -> np.ndarray:
        """float64 [token]."""
        table = np.append(self.values, 0.0)
        found = table[np.minimum(index.tokens, len(self.values))]
        return np.where(np.arange(len(found)) >= index.begins, found, 0.0)


def token_lookup(seen: Seen, share: float) -> Lookup:
    """The paper's baseline (section 4): each token's largest activation in the top training documents."""
    tokens = np.concatenate([ids[1:] for ids, _ in seen.examples] or [np.zeros(0, dtype=np.int64)])
    activations = np.concatenate([values[1:] for _, values in seen.examples] or [np.zeros(0)])
    values = np.full(len(seen.counts["train"]), -inf)
    np.maximum.at(values, tokens, activations)
    return Lookup(np.where(np.isfinite(values), values, 0.0), firing_threshold(seen.maximum, share))


def token_lookup_all(seen: Seen, share: float) -> Lookup:
    """Each token's largest activation on all training tokens; what is below the neuron's floor counts as 0."""
    values = np.zeros(len(seen.counts["train"]))
    np.maximum.at(values, seen.train.tokens, seen.train.activations)
    return Lookup(values, firing_threshold(seen.maximum, share))


def token_lookup_calibrated(seen: Seen, share: float) -> Lookup:
    """Each token's mean activation over all its train occurrences, with the decision threshold of the best validation
    F1.

    What is below the floor counts as 0. Nothing that looks at single tokens alone does much better. Without a
    firing token on validation documents the decision threshold is that of the other lookups.
    """
    size = len(seen.counts["train"])
    sums = np.bincount(seen.train.tokens, weights=seen.train.activations, minlength=size)
    values = sums / np.maximum(seen.counts["train"], 1)
    threshold = firing_threshold(seen.maximum, share)
    fires = seen.validation.tokens[seen.validation.activations >= threshold]
    best = best_threshold(values, np.bincount(fires, minlength=size), seen.counts["validation"])
    return Lookup(values, threshold if best is None else best)


def best_threshold(values: np.ndarray, firing: np.ndarray, total: np.ndarray) -> float | None:
    """The largest of `values` which, as a decision threshold, gives the best F1; None where no token fires.

    values: float [token id], predictions. firing, total: int [token id], how many occurrences fire, and how
    many there are. Tokens predicted 0 are never predicted to fire.
    """
    chosen = np.flatnonzero(values > 0)
    order = chosen[np.argsort(-values[chosen], kind="stable")]
    hits, predicted = np.cumsum(firing[order]), np.cumsum(total[order])
    if not len(order) or not hits[-1]:
        return None
    f1 = 2 * hits / (predicted + firing.sum())
    ends = np.append(values[order][1:] != values[order][:-1], True)  # tokens of equal value stand together
    return float(values[order[np.argmax(np.where(ends, f1, -1.0))]])


@dataclass(frozen=True)
class NGrams:
    """Activations of token sequences that end at the predicted token.

    levels: for each length from 1 on, the sorted keys of the stored sequences (int64) and the largest
    activation of each (float64). shortest: the longest stored sequence decides if it has at least this
    length; else the prediction is 0.
    """

    levels: tuple[tuple[np.ndarray, np.ndarray], ...]
    shortest: int
    decision_threshold: float

    def predict(self, index: TokenIndex) -> np.ndarray:
        """float64 [token]."""
        found, every = np.zeros(len(index.tokens)), index.every()
        values, lengths = self.longest(index, every)
        found[every] = np.where(lengths >= self.shortest, values, 0.0)
        return found

    def longest(self, index: Index, every: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Activation (float64) and length (int64) of the longest stored sequence that ends at each of `every`."""
        found, lengths = np.zeros(len(every)), np.zeros(len(every), dtype=np.int64)
        single = self.levels[0][0] - 1  # a key of the first level is a token id plus 1
        if not len(single):
            return found, lengths
        tokens = index.tokens[every]
        known = np.zeros(max(int(single[-1]), int(tokens.max(initial=0))) + 1, dtype=bool)
        known[single] = True
        rows = np.flatnonzero(known[tokens])  # most tokens begin nothing: they are told by one look
        begins = index.begins_of(every[rows])
        above = np.zeros(len(rows), dtype=np.int64)
        for length, (keys, values) in enumerate(self.levels, start=1):
            wanted = _keys(index.tokens, every[rows], begins, above, length)
            above = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
            kept = keys[above] == wanted
            rows, above, begins = rows[kept], above[kept], begins[kept]
            found[rows], lengths[rows] = values[above], length
        return found, lengths


def ngram(seen: Seen, share: float, order: int = 5) -> NGrams:
    """The paper's n-gram baseline, from the top training documents.

    A sequence is the token and the `order` - 1 before it, or fewer where the document begins; its activation
    is the largest that it had. As in the published code, there is no backing off to shorter sequences.
    """
    lengths = [len(ids) for ids, _ in seen.examples]
    starts = np.cumsum([0, *lengths])[:-1].astype(np.int64)
    tokens = np.concatenate([ids for ids, _ in seen.examples] or [np.zeros(0, dtype=np.int64)])
    activations = np.concatenate([values for _, values in seen.examples] or [np.zeros(0)])
    index = TokenIndex(tokens, np.repeat(starts + 1, lengths))
    at = index.every()
    above = np.zeros(len(at), dtype=np.int64)
    levels = []
    for length in range(1, order + 1):
        keys, above = np.unique(_keys(tokens, at, index.begins[at], above, length), return_inverse=True)
        values = np.full(len(keys), -inf)
        np.maximum.at(values, above, activations[at])
        levels.append((keys, values))
    return NGrams(tuple(levels), order, firing_threshold(seen.maximum, share))


def ngram_backoff(seen: Seen, share: float, order: int = 5) -> NGrams:
    """The same sequences, backing off to the longest stored ending of a sequence.

    How short that ending may be is chosen on validation documents by F1, the shorter one where two are equal:
    1 makes a token lookup with exceptions, `order` the published baseline.
    """
    exact = ngram(seen, share, order)
    firing = seen.places[seen.validation.activations >= exact.decision_threshold]
    said, hits = np.zeros(order + 1, dtype=np.int64), np.zeros(order + 1, dtype=np.int64)
    for texts in seen.texts.parts():
        every = texts.every()
        values, lengths = exact.longest(texts, every)
        found = np.flatnonzero(values >= exact.decision_threshold)
        said += np.bincount(lengths[found], minlength=order + 1)
        hits += np.bincount(lengths[found[np.isin(every[found], firing)]], minlength=order + 1)
    f1 = {n: f1_score(int(hits[n:].sum()), int(said[n:].sum()), len(firing)) for n in range(1, order + 1)}
    return replace(exact, shortest=max(f1, key=lambda n: (f1[n], -n)))


def _keys(
    tokens: np.ndarray, at: np.ndarray, begins: np.ndarray, above: np.ndarray, length: int
) -> np.ndarray:
    """A number for the sequence of `length` tokens that ends at each of `at`: that of the sequence shorter by
    one (`above`) together with the token that comes first, 0 where the document begins (`begins`) behind it."""
    left = at - (length - 1)
    first = np.where(left >= begins, tokens[np.maximum(left, 0)].astype(np.int64) + 1, 0)
    return (above << 32) | first


def fit_baselines(seen: Seen, share: float) -> dict[str, Predictor]:
    """Every baseline by the name under which it is reported. share: the firing threshold, of the maximum."""
    return {
        "token_lookup": token_lookup(seen, share),
        "token_lookup_all": token_lookup_all(seen, share),
        "token_lookup_calibrated": token_lookup_calibrated(seen, share),
        "ngram": ngram(seen, share),
        "ngram_backoff": ngram_backoff(seen, share),
    }
