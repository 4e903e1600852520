"""Neurons and their simulators in the terms of Bills et al. 2023, "Language models can explain neurons in language
models": which sequences there are to explain, calibrate and score with, and the three scores.

Their splits are slices: of the top sequences every fourth is for training, the next for calibration, the next for
validation, the last for testing; of the random ones every third is for calibration, validation, testing. The
sequences are put in an order that makes their slices hold our own splits: what a simulator is scored on comes from
test documents only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

import numpy as np
import pyarrow as pa

from n2g import metrics
from n2g.graphs.trie import NeuronGraph
from n2g.method.observations import Observations, by_unit, in_full
from n2g.scores.evaluate import Key
from n2g.texts.documents import SPLITS, Documents, locate

PER_SPLIT = 5
PER_RANGE = 2
TOP = ("train", "calibration", "valid", "test")
RANDOM = TOP[1:]
RANDOM_SPLITS = ("validation", "test")
OURS = {"train": "train", "calibration": "validation", "valid": "test", "test": "test"}
BOUNDARIES = (0.0, 0.5, 0.9, 0.99, 0.999)
SCORES = ("ev_correlation", "rsquared", "absolute_dev_explained")


@dataclass(frozen=True)
class Excerpt:
    """A document of the corpus without its BOS, and what a neuron does on it.

    tokens: int64 [token]. activations: float64 [token], with five significant digits: what is scored is what is
    published.
    """

    document: int
    tokens: np.ndarray
    activations: np.ndarray

    @property
    def peak(self) -> float:
        """The largest activation."""
        return float(self.activations.max())


@dataclass(frozen=True)
class Range:
    """Random test documents whose largest activation ranks between two quantiles: the least and the largest such
    activation in the range, the share of all documents that it holds, and some of them. A range can be empty."""

    low: float
    high: float
    share: float
    excerpts: tuple[Excerpt, ...]


@dataclass(frozen=True)
class Sample:
    """The sequences of one (neuron, pole), `top` and `random` in the order of the slices."""

    top: tuple[Excerpt, ...]
    random: tuple[Excerpt, ...]
    ranges: tuple[Range, ...]

    def split(self, name: str) -> list[Excerpt]:
        """The sequences of one of their splits: as many random ones as top ones, but for `train`, which has none."""
        random = self.random[RANDOM.index(name) :: len(RANDOM)] if name in RANDOM else ()
        return [*self.top[TOP.index(name) :: len(TOP)], *random]


def samples(documents: Documents, observations: Observations, seed: int = 0) -> Iterator[tuple[Key, Sample]]:
    """The sequences of every (neuron, pole) of a block, in the order of its statistics.

    A split has `PER_SPLIT` top and as many random sequences, or as many as there are for every one of them.

    Args:
        documents: the whole corpus.
        observations: what the pass over the corpus found for the block.
        seed: of the random choice, which is another for each neuron.
    """
    no_examples, no_firings = observations.examples.slice(0, 0), observations.firings.slice(0, 0)
    examples, firings = dict(by_unit(observations.examples)), dict(by_unit(observations.firings))
    pools = {split: _Pool.of(documents, observations.pools[f"{split}_documents"]) for split in RANDOM_SPLITS}
    units = observations.statistics.select(["neuron", "pole"]).to_pylist()
    for row, key in enumerate((unit["neuron"], unit["pole"]) for unit in units):
        random = np.random.default_rng([seed, key[0], key[1] == "negative"])
        top = _top(documents, examples.get(key, no_examples))
        known = {one.document for found in top.values() for one in found}
        drawn: dict[str, list[Excerpt]] = {}
        ranges: tuple[Range, ...] = ()
        for split, pool in pools.items():
            values = pool.exact(observations.pools[split][row], firings.get(key, no_firings))
            order = [at for at in random.permutation(len(pool.numbers)) if pool.numbers[at] not in known]
            drawn[split] = [pool.excerpt(at, values) for at in order[: 2 * PER_SPLIT]]
            if split == "test":
                ranges = _ranges(pool, values, random)
        count = min(PER_SPLIT, _most(top, TOP), _most(drawn, RANDOM))
        yield key, Sample(_dealt(top, TOP, count), _dealt(drawn, RANDOM, count), ranges)


def simulate(
    graph: NeuronGraph | None, documents: Documents, excerpts: Sequence[Excerpt]
) -> list[np.ndarray]:
    """What a graph predicts for each token (float64 [token]) of some sequences, with five significant digits."""
    if graph is None:
        return [np.zeros(len(one.tokens)) for one in excerpts]
    texts = [documents.ids(one.document).tolist() for one in excerpts]
    return [_short(values[1:]) for values in graph.predict_texts(texts)]


def scores(real: np.ndarray, simulated: np.ndarray) -> dict[str, float | None]:
    """`SCORES` of simulated activations (both float64 [token]); None where a score is undefined, as the correlation
    with a constant is. The averages of the atlas count such a case as 0."""
    constant = not len(real) or real.min() == real.max() or simulated.min() == simulated.max()
    silent = not np.any(real)
    return {
        "ev_correlation": None if constant else metrics.correlation(real, simulated),
        "rsquared": None if silent else metrics.rsquared(real, simulated),
        "absolute_dev_explained": None if silent else metrics.absolute_dev_explained(real, simulated),
    }


@dataclass(frozen=True)
class _Pool:
    """The random documents of a split, laid end to end: their numbers (int32 [document]), where each begins and ends
    (int64 [document + 1]), and where its tokens are in the corpus (int64 [token])."""

    documents: Documents
    numbers: np.ndarray
    bounds: np.ndarray
    origin: np.ndarray

    @classmethod
    def of(cls, documents: Documents, numbers: np.ndarray) -> _Pool:
        bounds = np.concatenate([[0], np.cumsum(documents.lengths[numbers])])
        return cls(documents, numbers, bounds, documents.positions(numbers))

    def exact(self, halves: np.ndarray, firings: pa.Table) -> np.ndarray:
        """Activations (float64 [token]) from those in half precision, the strong ones in full precision."""
        values = in_full(halves)
        inside, place = locate(self.origin, firings["position"].to_numpy())
        values[place] = firings["activation"].to_numpy()[inside]
        return values

    def excerpt(self, at: int, values: np.ndarray) -> Excerpt:
        number = int(self.numbers[at])
        return _excerpt(self.documents, number, values[self.bounds[at] : self.bounds[at + 1]])


def _ranges(pool: _Pool, values: np.ndarray, random: np.random.Generator) -> tuple[Range, ...]:
    """Some documents from between each two of `BOUNDARIES`, the lowest first."""
    values = values.copy()
    values[pool.bounds[:-1]] = -np.inf  # BOS
    size = len(pool.numbers)
    peaks = np.maximum.reduceat(values, pool.bounds[:-1]) if size else np.zeros(0)
    order = np.argsort(peaks, kind="stable")
    found = []
    for low, high in pairwise(BOUNDARIES):
        members = order[ceil(low * size) : ceil(high * size)]
        excerpts = [pool.excerpt(at, values) for at in random.permutation(members)[:PER_RANGE]]
        least, largest = _short(peaks[members[[0, -1]]]).tolist() if len(members) else (0.0, 0.0)
        found.append(Range(least, largest, len(members) / max(size, 1), tuple(excerpts)))
    return tuple(found)


def _top(documents: Documents, rows: pa.Table) -> dict[str, list[Excerpt]]:
    """Split -> the documents with the largest activations, the largest first."""
    found: dict[str, list[Excerpt]] = {split: [] for split in SPLITS}
    for row in sorted(rows.to_pylist(), key=lambda row: row["rank"]):
        found[row["split"]].append(_excerpt(documents, row["document"], np.array(row["activations"])))
    return found


def _most(found: Mapping[str, Sequence[Excerpt]], splits: Sequence[str]) -> int:
    """How many sequences there are for each of their splits."""
    shared = Counter(OURS[split] for split in splits)
    return min(len(found[ours]) // number for ours, number in shared.items())


def _dealt(found: Mapping[str, list[Excerpt]], splits: Sequence[str], count: int) -> tuple[Excerpt, ...]:
    """`count` sequences for each of their splits, in turn."""
    stacks = {ours: iter(excerpts) for ours, excerpts in found.items()}
    return tuple(next(stacks[OURS[split]]) for _ in range(count) for split in splits)


def _excerpt(documents: Documents, number: int, values: np.ndarray) -> Excerpt:
    return Excerpt(number, documents.ids(number)[1:].astype(np.int64), _short(values[1:]))


def _short(values: np.ndarray) -> np.ndarray:
    return np.array([float(f"{value:.5g}") for value in values.tolist()])
