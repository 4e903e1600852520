"""What the neurons of a layer are set to, condition by condition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from tqdm import tqdm

from n2g.model.engine import Engine
from n2g.scores.layer_graphs import LayerGraphs
from n2g.scores.layer_predictions import Graphs, predict_layer, shuffled
from n2g.scores.passage import Passage
from n2g.scores.rewrite import Outcome, outcomes
from n2g.scores.training_means import TrainingMeans, training_means
from n2g.texts.documents import Documents
from n2g.texts.positions import parts

VALUES = 1 << 25  # of each condition, that are in memory at once: 134 MB


@dataclass(frozen=True)
class Conditions:
    """All that the conditions are made from.

    Attributes:
        passage: the test documents.
        neurons: those that are rewritten.
        means: on training documents, with the background of each set of graphs.
        lookup: float32 [token, neuron], what the calibrated token lookup predicts.
        graphs: sets of graphs, by the names of their conditions.
    """

    passage: Passage
    neurons: Sequence[int]
    means: TrainingMeans
    lookup: Float[np.ndarray, "token neuron"]
    graphs: Mapping[str, Graphs]

    def values(self) -> dict[str, np.ndarray]:
        """Condition -> float32 [token, neuron]."""
        return {
            "zero": np.zeros(self._shape, dtype=np.float32),
            "mean": self._mean(),
            "token_mean": self._token_mean(),
            "token_lookup_calibrated": self.lookup,
            **{name: self._rewritten(name) for name in self.graphs if name != "graph"},
            **self._own(),
        }

    def parts(self, documents: Documents) -> Iterator[Conditions]:
        """The same for some documents at a time, so that few values are in memory at once."""
        most = max(1, VALUES // max(1, len(self.neurons)))
        for part in parts(documents.lengths[self.passage.numbers], most):
            numbers, bounds = self.passage.numbers[part], self.passage.bounds
            lookup = self.lookup[bounds[part.start] : bounds[part.stop]]
            yield replace(self, passage=Passage.of(documents, numbers), lookup=lookup)

    def singly(self) -> dict[str, np.ndarray]:
        """The conditions in which single neurons are looked at: likewise."""
        return {
            "mean": self._mean(),
            "token_mean": self._token_mean(),
            **self._own(),
        }

    @property
    def _shape(self) -> tuple[int, int]:
        return len(self.passage.index.tokens), len(self.neurons)

    def _mean(self) -> np.ndarray:
        return np.broadcast_to(self.means.mean.astype(np.float32), self._shape)

    def _token_mean(self) -> np.ndarray:
        return self.means.of_tokens(self.passage.index.tokens)

    def _own(self) -> dict[str, np.ndarray]:
        """The two conditions that the neurons' own graphs make: they differ in the background alone."""
        by_token = self.means.background_of_tokens("graph", self.passage.index.tokens)
        found = rewritten(
            self.graphs["graph"], self.neurons, self.passage, self.means.background["graph"], by_token
        )
        return dict(zip(("graph", "graph_token_mean"), found, strict=True))

    def _rewritten(self, name: str) -> np.ndarray:
        (found,) = rewritten(self.graphs[name], self.neurons, self.passage, self.means.background[name])
        return found


def rewritten(
    graphs: Graphs, neurons: Sequence[int], passage: Passage, *backgrounds: np.ndarray
) -> list[Float[np.ndarray, "token neuron"]]:
    """The graphs' predictions (float32), with each background, [neuron] or [token, neuron], where they have none."""
    predicted, decided = predict_layer(graphs, neurons, passage.index)
    return [np.where(decided, predicted, background.astype(np.float32)) for background in backgrounds]


def prepare(
    engine: Engine,
    documents: Documents,
    passage: Passage,
    layer: int,
    found: LayerGraphs,
    train_tokens: int,
    seed: int = 0,
) -> Conditions:
    """Measure the means, and shuffle the graphs.

    Args:
        engine, documents: the model and the whole corpus.
        passage, layer, found: the test documents, and what predicts the neurons of the layer there.
        train_tokens: of how many tokens of training documents the means are.
        seed: of the shuffling.
    """
    graphs: dict[str, Graphs] = {
        "shuffled": shuffled(found.graphs, found.neurons, seed),
        "texts_only": found.texts_only,
        "graph": found.graphs,
    }
    tokens, blind = passage.index.tokens, documents.without_test()
    means = training_means(engine, blind, layer, found.neurons, tokens, graphs, train_tokens)
    return Conditions(passage, found.neurons, means, found.lookup, graphs)


def measure(engine: Engine, documents: Documents, layer: int, conditions: Conditions) -> dict[str, Outcome]:
    """The outcome of every condition, `model` first, in one pass each."""
    found = [
        outcomes(engine, documents, one.passage, layer, one.neurons, one.values())
        for one in tqdm(conditions.parts(documents), desc="rewrite", unit="part", mininterval=5)
    ]
    return {name: Outcome.joined([part[name] for part in found]) for name in found[0]}
