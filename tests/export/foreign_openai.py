"""Run with `automated-interpretability` 0.0.24: read an export with its loaders and score it with its code.

Arguments: the folder `openai` of an export. Prints, as JSON, for each neuron what was stored and what was recomputed:
the scores on all sequences, then those of each.
"""

import asyncio
import json
import sys
from pathlib import Path

from neuron_explainer.activations.activations import (
    ActivationRecordSliceParams,
    get_sorted_layers,
    get_sorted_neuron_indices,
    load_neuron,
    neuron_exists,
)
from neuron_explainer.activations.token_connections import (
    TokenLookupTableSummaryOfNeuron,
    WeightBasedSummaryOfNeuron,
)
from neuron_explainer.explanations.explanations import load_neuron_explanations
from neuron_explainer.explanations.scoring import simulate_and_score
from neuron_explainer.explanations.simulator import NeuronSimulator
from neuron_explainer.fast_dataclasses import dumps, loads

NAMES = ("ev_correlation_score", "rsquared_score", "absolute_dev_explained_score")


class Stored(NeuronSimulator):
    """Simulates each sequence as it is stored, in order."""

    def __init__(self, sequences):
        self.left = [one.simulation for one in sequences]

    async def simulate(self, tokens):
        simulation = self.left.pop(0)
        assert simulation.tokens == tokens
        return simulation


def numbers(scored):
    every = [scored, *scored.scored_sequence_simulations]
    return [getattr(one, name) for one in every for name in NAMES]


folder = Path(sys.argv[1])
found = {}
for layer in get_sorted_layers(str(folder)):
    for index in get_sorted_neuron_indices(str(folder), layer):
        assert neuron_exists(str(folder), layer, index)
        record = load_neuron(layer, index, dataset_path=(folder / "neurons").as_uri())
        assert (record.neuron_id.layer_index, record.neuron_id.neuron_index) == (int(layer), index)
        assert loads(dumps(record)) == record
        slices = ActivationRecordSliceParams(n_examples_per_split=len(record.random_sample) // 3)
        record.train_activation_records(slices)
        record.calibration_activation_records(slices)
        record.test_activation_records(slices)
        valid = record.valid_activation_records(slices)

        (explanation,) = load_neuron_explanations(
            str(folder / "explanations"), layer, index
        ).scored_explanations
        stored = explanation.scored_simulation
        sequences = stored.scored_sequence_simulations
        assert [one.true_activations for one in sequences] == [one.activations for one in valid]
        again = asyncio.run(simulate_and_score(Stored(sequences), valid))

        place = f"{layer}/{index}.json"
        weights = loads(
            (folder / "related-tokens" / "weight-based" / place).read_text(), backwards_compatible=False
        )
        assert isinstance(weights, WeightBasedSummaryOfNeuron)
        lookup = loads(
            (folder / "related-tokens" / "activation-based" / place).read_text(), backwards_compatible=False
        )
        assert isinstance(lookup, TokenLookupTableSummaryOfNeuron)
        assert len(lookup.tokens) == len(lookup.average_activations)
        found[f"L{layer}.N{index}"] = {
            "explanation": explanation.explanation,
            "sequences": len(sequences),
            "stored": numbers(stored),
            "again": [float(score) for score in numbers(again)],
        }
print(json.dumps(found))
