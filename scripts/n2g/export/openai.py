"""The layout of OpenAI's "Language models can explain neurons in language models": read by the package
`automated-interpretability` (`neuron_explainer`) and by its neuron viewer.

Their classes refuse fields that they do not know. An undefined score is null.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from n2g.export.neuron import Neuron, Simulated
from n2g.scores.simulation import BOUNDARIES, SCORES, Excerpt

TOKENS = 20


def files(neuron: Neuron) -> Iterator[tuple[str, dict[str, Any]]]:
    """(path in the layout, content) of everything said of a neuron; `.jsonl` files hold this one line."""
    place = f"{neuron.id.layer}/{neuron.id.neuron}"
    yield f"neurons/{place}.json", neuron_record(neuron)
    yield f"explanations/{place}.jsonl", explanations(neuron)
    yield f"related-tokens/weight-based/{place}.json", weight_tokens(neuron)
    yield f"related-tokens/activation-based/{place}.json", activation_tokens(neuron)
    yield f"related-neurons/weight-based/{place}.json", related_neurons(neuron)


def neuron_record(neuron: Neuron) -> dict[str, Any]:
    """A `NeuronRecord`, its sequences in the order of the splits; quantiles without a document are empty."""
    known, sample = neuron.statistics, neuron.sample
    return {
        "dataclass_name": "NeuronRecord",
        "neuron_id": _neuron_id(neuron),
        "random_sample": _activations(neuron, sample.random),
        "random_sample_by_quantile": [_activations(neuron, part.excerpts) for part in sample.ranges],
        "quantile_boundaries": list(BOUNDARIES),
        "mean": known["mean"],
        "variance": known["std"] ** 2,
        "skewness": known["skewness"],
        "kurtosis": known["kurtosis"],
        "most_positive_activation_records": _activations(neuron, sample.top),
    }


def explanations(neuron: Neuron) -> dict[str, Any]:
    """`NeuronSimulationResults`: the graph's sentence, and the graph as the simulator on their split `valid`."""
    scored = {
        "dataclass_name": "ScoredSimulation",
        "scored_sequence_simulations": [_scored(neuron, one) for one in neuron.simulated],
    }
    explanation = {
        "dataclass_name": "ScoredExplanation",
        "explanation": neuron.record["explanation"],
        "scored_simulation": scored | _named(neuron.scores),
    }
    return {
        "dataclass_name": "NeuronSimulationResults",
        "neuron_id": _neuron_id(neuron),
        "scored_explanations": [explanation],
    }


def weight_tokens(neuron: Neuron) -> dict[str, Any]:
    """`WeightBasedSummaryOfNeuron`. Anti-aligned input tokens are not computed: that list is empty."""
    lists = {"input_positive": "input_aligned", "input_negative": "", "output_positive": "promoted"}
    lists["output_negative"] = "suppressed"
    summary: dict[str, Any] = {"dataclass_name": "WeightBasedSummaryOfNeuron"}
    for name, direction in lists.items():
        tokens, strengths = neuron.pairs(direction)
        summary[name] = {"dataclass_name": "TokensAndWeights", "tokens": tokens, "strengths": strengths}
    return summary


def activation_tokens(neuron: Neuron) -> dict[str, Any]:
    """`TokenLookupTableSummaryOfNeuron`: the tokens with the largest mean activation on training documents."""
    means = neuron.means[:TOKENS]
    return {
        "dataclass_name": "TokenLookupTableSummaryOfNeuron",
        "tokens": neuron.texts([token for token, _ in means]),
        "average_activations": [float(f"{mean:.5g}") for _, mean in means],
    }


def related_neurons(neuron: Neuron) -> dict[str, Any]:
    """Neurons of earlier layers (`c_fc`) and of later ones (`c_proj`); null where there is no such layer."""
    found: dict[str, Any] = {}
    for name, direction in (("c_fc", "upstream"), ("c_proj", "downstream")):
        rows = [one for one in neuron.connections if one["direction"] == direction]
        lists = {}
        for sign in ("positive", "negative"):
            chosen = sorted((one for one in rows if one["sign"] == sign), key=lambda one: one["rank"])
            lists[f"top_{sign}_neurons"] = [f"{one['other_layer']}_{one['other_neuron']}" for one in chosen]
            lists[f"top_{sign}_weights"] = [float(f"{one['weight']:.5g}") for one in chosen]
        found[name] = lists if rows else None
    return found


def _neuron_id(neuron: Neuron) -> dict[str, Any]:
    place = {"layer_index": neuron.id.layer, "neuron_index": neuron.id.neuron}
    return {"dataclass_name": "NeuronId"} | place


def _activations(neuron: Neuron, excerpts: Sequence[Excerpt]) -> list[dict[str, Any]]:
    return [
        {
            "dataclass_name": "ActivationRecord",
            "tokens": neuron.sequence(one.tokens),
            "activations": one.activations.tolist(),
        }
        for one in excerpts
    ]


def _scored(neuron: Neuron, one: Simulated) -> dict[str, Any]:
    simulation = {
        "dataclass_name": "SequenceSimulation",
        "tokens": neuron.sequence(one.excerpt.tokens),
        "expected_activations": one.expected.tolist(),
        "activation_scale": "neuron_activations",
        "distribution_values": [],
        "distribution_probabilities": [],
        "uncalibrated_simulation": None,
    }
    return {
        "dataclass_name": "ScoredSequenceSimulation",
        "simulation": simulation,
        "true_activations": one.excerpt.activations.tolist(),
    } | _named(one.scores)


def _named(scores: dict[str, float | None]) -> dict[str, float | None]:
    return {f"{name}_score": scores[name] for name in SCORES}
