"""Everything that exports say about one neuron, collected from what the stages wrote about its block."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from n2g.files.tables import read_json, read_table
from n2g.graphs.token_display import whole_characters
from n2g.graphs.trie import NeuronGraph
from n2g.ids import LETTERS, NeuronId
from n2g.method.observations import by_unit, load_observations
from n2g.scores.simulation import Excerpt, Sample, samples, scores, simulate
from n2g.texts.documents import Documents


@dataclass(frozen=True)
class Simulated:
    """A held-out sequence, and what the graph predicts for its tokens (float64 [token])."""

    excerpt: Excerpt
    expected: np.ndarray

    @property
    def scores(self) -> dict[str, float | None]:
        """The scores of this sequence alone."""
        return scores(self.excerpt.activations, self.expected)


@dataclass(frozen=True)
class Neuron:
    """One neuron as the exports see it.

    Attributes:
        id: which one.
        record: its record.
        statistics: its row of `statistics.parquet`.
        sample: sequences with its activations.
        simulated: the sequences of the split `valid` with the graph's predictions.
        means: (token, mean activation), the largest first.
        connections: its rows of `connections.parquet`.
        words: text of each token id.
        writes: of a latent, the hook whose value its decoder reconstructs.
    """

    id: NeuronId
    record: Mapping[str, Any]
    statistics: Mapping[str, Any]
    sample: Sample
    simulated: tuple[Simulated, ...]
    means: tuple[tuple[int, float], ...]
    connections: tuple[Mapping[str, Any], ...]
    words: Sequence[str]
    writes: str | None = None

    @property
    def hook(self) -> str:
        """Where it is read."""
        return self.record["provenance"]["hook"]

    @property
    def scores(self) -> dict[str, float | None]:
        """The scores of the graph as a simulator, on the tokens of all simulated sequences laid end to end."""
        real = [one.excerpt.activations for one in self.simulated]
        expected = [one.expected for one in self.simulated]
        return scores(np.concatenate(real or [np.zeros(0)]), np.concatenate(expected or [np.zeros(0)]))

    def texts(self, tokens: Sequence[int] | np.ndarray) -> list[str]:
        """Text of some tokens."""
        return [self.words[token] for token in tokens]

    def sequence(self, tokens: Sequence[int] | np.ndarray) -> list[str]:
        """Text of consecutive tokens: a character whose bytes they share is at the last of them."""
        return whole_characters(self.texts(tokens))

    def pairs(self, direction: str) -> tuple[list[str], list[float]]:
        """Texts and values of the tokens of one direction of `logits.parquet`, the strongest first."""
        found = self.record["logits"].get(direction, [])
        return self.texts([token for token, _ in found]), [value for _, value in found]

    @property
    def documents(self) -> set[int]:
        """Every document that is quoted."""
        excerpts = [*self.sample.top, *self.sample.random]
        excerpts += [one for part in self.sample.ranges for one in part.excerpts]
        return {one.document for one in excerpts} | {one["document"] for one in self.record["examples"]}


def read_neurons(
    folder: Path,
    layer: int,
    documents: Documents,
    words: Sequence[str],
    seed: int = 0,
    kind: str = "neurons",
    writes: str | None = None,
) -> Iterator[Neuron]:
    """The neurons of a block, in the order of its statistics.

    Args:
        folder: where the block's tables and its `render` are.
        layer: the block's layer.
        documents: the whole corpus.
        words: text of each token id.
        seed: of the choice of random sequences.
        kind: `neurons` or `latents`.
        writes: of latents, the hook whose value their decoder reconstructs.

    Raises:
        InputError: a file is missing or damaged.
    """
    observations = load_observations(folder)
    statistics = observations.statistics.to_pylist()
    means, connections = (
        dict(by_unit(read_table(folder / f"{name}.parquet", name))) for name in ("background", "connections")
    )
    for row, (key, sample) in zip(statistics, samples(documents, observations, seed), strict=True):
        neuron = NeuronId.of(layer, *key, LETTERS[kind])
        record = read_json(folder / "render" / f"{neuron}.json")
        graph = NeuronGraph.from_dict(record["graph"]) if record["graph"] else None
        held_out = sample.split("valid")
        predicted = simulate(graph, documents, held_out)
        known = means[key].to_pylist() if key in means else []
        # The table counts one imagined occurrence at 0, which the published mean leaves out.
        token_means = [(one["token"], one["mean"] * (one["count"] + 1) / one["count"]) for one in known]
        yield Neuron(
            id=neuron,
            record=record,
            statistics=row,
            sample=sample,
            simulated=tuple(Simulated(*pair) for pair in zip(held_out, predicted, strict=True)),
            means=tuple(sorted(token_means, key=lambda pair: (-pair[1], pair[0]))),
            connections=tuple(connections[key].to_pylist() if key in connections else ()),
            words=words,
            writes=writes,
        )
