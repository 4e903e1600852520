"""What all neurons of a layer are predicted to do, as one matrix of tokens and neurons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from n2g.graphs.matching import TokenIndex, gathered
from n2g.graphs.trie import NeuronGraph
from n2g.scores.evaluate import Key

Graphs = Mapping[Key, NeuronGraph]
SIGNS = {"positive": 1.0, "negative": -1.0}


def predict_layer(graphs: Graphs, neurons: Sequence[int], index: TokenIndex) -> tuple[np.ndarray, np.ndarray]:
    """Predicted activations of many neurons: what the graph of the positive pole predicts less what that of the
    negative pole does.

    Returns:
        float32 [token, neuron], 0 where no pattern matches; and bool [token, neuron], where one does.
    """
    shape = len(neurons), len(index.tokens)
    predicted, decided = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=bool)
    for row, neuron in enumerate(neurons):
        for pole, sign in SIGNS.items():
            if (graph := graphs.get((neuron, pole))) is not None:
                matches, places = gathered(graph.matches(index))
                values, _ = graph.decide(matches, len(places))
                predicted[row, places] += sign * values
                decided[row, places] = True
    return predicted.T, decided.T


def shuffled(graphs: Graphs, neurons: Sequence[int], seed: int = 0) -> dict[Key, NeuronGraph]:
    """Each neuron's graph given to another one, both poles together, with activations in proportion to the maximum.

    No neuron keeps its own; of a single neuron nothing is left.
    """
    order = np.random.default_rng(seed).permutation(np.array(neurons, dtype=np.int64)).tolist()
    found = {}
    for neuron, other in zip(order, [*order[1:], *order[:1]], strict=True):
        for pole in SIGNS:
            own, given = graphs.get((neuron, pole)), graphs.get((other, pole))
            if neuron != other and own is not None and given is not None and given.scale > 0:
                found[neuron, pole] = _scaled(given, own.scale / given.scale)
    return found


def _scaled(graph: NeuronGraph, factor: float) -> NeuronGraph:
    patterns = [
        replace(pattern, end=replace(pattern.end, activation=factor * pattern.end.activation))
        for pattern in graph.patterns()
    ]
    return NeuronGraph(
        patterns,
        decision_threshold=factor * graph.decision_threshold,
        scale=factor * graph.scale,
        bos=graph.bos,
        method=graph.method,
    )
