"""All that predicts the neurons of a layer: their graphs, those of the texts alone, and the calibrated token lookup."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from n2g.graphs.graph_file import read_graphs
from n2g.graphs.matching import TokenIndex
from n2g.graphs.trie import NeuronGraph
from n2g.method.fitting_data import FittingBlock
from n2g.method.observations import load_for_fitting
from n2g.method.stage_tables import load_tokens
from n2g.method.texts_only import fit_texts_only
from n2g.scores.baselines import observe, token_lookup_calibrated
from n2g.scores.evaluate import Key, graph_predictors
from n2g.scores.layer_predictions import SIGNS
from n2g.settings import Settings, methods_of


@dataclass(frozen=True)
class LayerGraphs:
    """Neurons of a layer, ascending, and what predicts them; no test document had a part in it.

    neurons: their numbers. poles: those that were described. graphs, texts_only: by (neuron, pole); a unit without a
    graph has none. lookup: float32 [token, neuron], the calibrated token lookup of some tokens.
    """

    neurons: list[int]
    poles: list[str]
    graphs: dict[Key, NeuronGraph]
    texts_only: dict[Key, NeuronGraph]
    lookup: np.ndarray


def load_layer(corpus: Path, folders: Iterable[Path], settings: Settings, index: TokenIndex) -> LayerGraphs:
    """Read the blocks of a layer, one after the other.

    Args:
        corpus, folders: the tokenised corpus, and the folders of the blocks.
        settings: of the run.
        index: texts, of whose tokens the lookup is wanted.

    Raises:
        InputError: a file is missing or damaged.
    """
    settings, *_ = methods_of(settings)
    graphs: dict[Key, NeuronGraph] = {}
    texts_only: dict[Key, NeuronGraph] = {}
    lookups: dict[int, np.ndarray] = {}
    poles = set()
    for folder in folders:
        for key, lines in read_graphs(folder / "graph.jsonl").items():
            if (own := graph_predictors(lines)["graph"].graph) is not None:
                graphs[key] = own
        block = FittingBlock(corpus, folder, settings)
        texts_only |= fit_texts_only(block, load_tokens(folder, "background", "mean"))
        for (neuron, pole), values in _lookups(corpus, folder, settings, index):
            poles.add(pole)
            lookups[neuron] = lookups.get(neuron, 0.0) + np.float32(SIGNS[pole]) * values
    neurons = sorted(lookups)
    table = np.stack([lookups[neuron] for neuron in neurons])
    return LayerGraphs(neurons, sorted(poles, reverse=True), graphs, texts_only, table.T)


def _lookups(
    corpus: Path, folder: Path, settings: Settings, index: TokenIndex
) -> Iterator[tuple[Key, np.ndarray]]:
    for key, one in observe(*load_for_fitting(corpus, folder)):
        found = token_lookup_calibrated(one, settings.firing_threshold)
        yield key, found.predict(index).astype(np.float32)
