"""Feature details as attribution graphs show them: the format that Anthropic's and Neuronpedia's graph pages fetch from
`{feature_json_base_url}/{index}.json`."""

from __future__ import annotations

from typing import Any

from n2g.export.neuron import Neuron
from n2g.ids import NeuronId
from n2g.scores.simulation import Excerpt


def number(neuron: NeuronId) -> int:
    """One number for layer and neuron: Cantor's pairing, as `circuit-tracer` numbers features.

    >>> number(NeuronId(3, 42))
    1077
    """
    total = neuron.layer + neuron.neuron
    return total * (total + 1) // 2 + neuron.neuron


def feature_details(neuron: Neuron) -> dict[str, Any]:
    """The feature's JSON: the top sequences, and some of each range of quantiles, the highest first."""
    quantiles = [("Top", neuron.sample.top)]
    for part in reversed(neuron.sample.ranges):
        quantiles.append((f"Largest activation {part.low:.3g} to {part.high:.3g}", part.excerpts))
    histogram = neuron.record["statistics"]["histogram"]
    return {
        "index": number(neuron.id),
        "layer": neuron.id.layer,
        "examples_quantiles": [
            {"quantile_name": name, "examples": [_example(neuron, one) for one in excerpts]}
            for name, excerpts in quantiles
            if excerpts
        ],
        "top_logits": neuron.pairs("promoted")[0],
        "bottom_logits": neuron.pairs("suppressed")[0],
        "act_min": min([0.0, *histogram["edges"][:1]]),
        "act_max": neuron.statistics["maximum"],
        "activation_frequency": neuron.statistics["density"],
        "histogram": histogram["counts"],
        "clerp": neuron.record["explanation"],
    }


def _example(neuron: Neuron, excerpt: Excerpt) -> dict[str, Any]:
    return {
        "tokens": neuron.sequence(excerpt.tokens),
        "tokens_acts_list": excerpt.activations.tolist(),
        "train_token_ind": int(excerpt.activations.argmax()),
        "is_repeated_datapoint": False,
    }
