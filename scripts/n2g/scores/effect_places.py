"""The places at which a neuron's effect is measured: held-out tokens at which it fires, or only its graph does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from n2g.method.observations import Observations
from n2g.scores.evaluate import HeldOut, Key, graph_predictors, truths

SETS = ("firing", "false-positive")


class Places(NamedTuple):
    """Places of one (neuron, pole) in one of `SETS`: document numbers and positions in them, both int64 [place]."""

    key: Key
    set: str
    documents: np.ndarray
    positions: np.ndarray

    def some(self, begin: int, end: int) -> Places:
        """Those from `begin` to `end`."""
        return self._replace(documents=self.documents[begin:end], positions=self.positions[begin:end])


def choose_places(
    texts: HeldOut,
    observations: Observations,
    graphs: Mapping[Key, Mapping[str, Mapping[str, Any]]],
    share: float,
    seed: int = 0,
) -> Iterator[Places]:
    """All places of every (neuron, pole) of a block, of each set, in the order in which they are to be taken.

    They are of the documents on which its graph is scored, the random and the top test documents, and have a token
    after them. First comes one place of every document, drawn at random, then a second one. Documents are numbered in
    random order, and their order is that of their numbers: so neurons that fire often are measured on the same ones.

    Args:
        texts, observations, graphs: as for `evaluate`.
        share: a neuron fires from this share of its training maximum on.
        seed: of the draw, which is another for each (neuron, pole).
    """
    last = np.zeros(len(texts.origin), dtype=bool)
    last[texts.bounds[1:] - 1] = True
    for key, truth in truths(texts, observations, share):
        graph = graph_predictors(graphs.get(key, {}))["graph"]
        known = texts.tokens_of(np.union1d(truth.sets["random"], truth.sets["top"]))
        known = known[~last[known]]
        says = graph.predict(texts.index)[known] >= graph.decision_threshold
        fires = truth.firing[known]
        neuron, pole = key
        for number, (name, chosen) in enumerate(zip(SETS, (fires, says & ~fires), strict=True)):
            at = known[chosen]
            random = np.random.default_rng([seed, neuron, pole == "negative", number])
            rows = np.searchsorted(texts.bounds, at, side="right") - 1
            documents, positions = texts.numbers[rows], at - texts.bounds[rows]
            order = _in_turns(documents, random.random(len(at)))
            yield Places(key, name, documents[order], positions[order])


def _in_turns(documents: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """An order (int64) in which each document comes once before any comes again, and so on.

    drawn: float [place], in which order places of one document come.
    """
    order = np.lexsort((drawn, documents))
    ordered = documents[order]
    begins = np.searchsorted(ordered, ordered)  # where the document's first place stands
    turn = np.arange(len(ordered)) - begins
    return order[np.lexsort((ordered, turn))]
