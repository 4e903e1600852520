"""The neurons that most of a prediction goes through, and what their graphs say about it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from n2g.graphs.patterns import Pattern, matches, patterns, specificity
from n2g.graphs.trie import NeuronGraph
from n2g.ids import NeuronId
from n2g.metrics import firing_threshold
from n2g.settings import Settings

if TYPE_CHECKING:
    from n2g.trace.attribution import Attribution


@dataclass(frozen=True)
class Place:
    """A neuron at one position of the prompt (0 is BOS): its activation, and its relevance for the traced logit."""

    position: int
    activation: float
    relevance: float


@dataclass(frozen=True)
class Strong:
    """A neuron of the model, and its relevance summed over the prompt; the places with the largest relevance first.

    neuron: the pole that its activation at the first place has.
    """

    neuron: NeuronId
    relevance: float
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Verdict:
    """What a neuron's graph says about a token of the prompt.

    maximum: the neuron's largest activation on training documents; fires: whether its activation reaches the firing
    threshold. predicted: by the graph, in units of the hook; predicts: whether that reaches the decision threshold.
    pattern: the pattern that decides, or None where none matches.
    """

    maximum: float
    fires: bool
    predicted: float
    predicts: bool
    pattern: Pattern | None


def strongest(found: Attribution, top: int, among: Collection[tuple[int, int]] | None = None) -> list[Strong]:
    """The neurons with the largest relevance, for or against the prediction, strongest first. BOS does not count.

    among: (layer, neuron) of those that are looked at; None for all of the model.
    """
    summed = found.relevance[:, 1:].astype(np.float64).sum(1)
    if among is not None:
        outside = np.ones(summed.shape, dtype=bool)
        for layer, neuron in among:
            outside[layer, neuron] = False
        summed[outside] = 0
    order = np.argsort(-np.abs(summed), axis=None, kind="stable")[:top]
    places = (np.unravel_index(one, summed.shape) for one in order if summed.flat[one])
    return [_strong(found, int(layer), int(neuron), float(summed[layer, neuron])) for layer, neuron in places]


def _strong(found: Attribution, layer: int, neuron: int, relevance: float) -> Strong:
    own = found.relevance[layer, 1:, neuron]
    places = tuple(
        Place(int(at) + 1, float(found.activations[layer, at + 1, neuron]), float(own[at]))
        for at in np.argsort(-np.abs(own), kind="stable")
    )
    return Strong(NeuronId(layer, neuron, places[0].activation < 0), relevance, places)


def verdict(record: Mapping[str, Any], tokens: Sequence[int], place: Place) -> Verdict | None:
    """What the graph in a neuron's record says about a place, or None where it has no graph.

    Args:
        record: of the pole that the activation has.
        tokens: of the prompt, BOS first.
        place: where.
    """
    if not (graph := record["graph"]):
        return None
    share = (record["provenance"].get("settings") or {}).get("firing_threshold", Settings().firing_threshold)
    maximum = record["statistics"].get("maximum") or 0.0
    threshold = firing_threshold(maximum, share)
    text = list(tokens[: place.position + 1])
    predicted = NeuronGraph.from_dict(graph).predict(text)[-1]
    return Verdict(
        maximum,
        abs(place.activation) >= threshold,
        predicted,
        predicted > 0 and predicted >= graph["decision_threshold"],
        _deciding(graph, text[1:]),
    )


def _deciding(graph: Mapping[str, Any], text: Sequence[int]) -> Pattern | None:
    """The pattern that decides at the end of a text without BOS, its classes replaced by the tokens of the text."""
    rank: Callable[[Pattern], tuple[int, int]] = (
        (lambda pattern: specificity(pattern)[::-1]) if graph["method"] == "paper" else specificity
    )
    found = [
        (rank(pattern), activation, pattern)
        for pattern, (activation, _) in patterns(graph).items()
        if matches(pattern, text)
    ]
    return max(found)[-1] if found else None
