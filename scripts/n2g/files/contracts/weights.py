"""Tables of what a neuron's weights read and write."""

from __future__ import annotations

import pyarrow as pa

from n2g.files.contracts.table_contract import NEURON, contract

TABLES = [
    contract(
        "logits",
        "A token that a neuron's weights promote, suppress or read (see n2g.weights.logits).",
        neuron=NEURON,
        pole=(pa.string(), "positive or negative; values are multiplied by its sign"),
        direction=(
            pa.string(),
            "promoted or suppressed: by direct logit effect; input_aligned: by the input weights",
        ),
        rank=(pa.int32(), "0 for the strongest token in the direction"),
        token=(pa.int32(), "token id"),
        value=(
            pa.float32(),
            "effect on the token's logit, or effect of its embedding on the (gate's) pre-activation",
        ),
    ),
    contract(
        "connections",
        "A neuron in another layer with a strong weight connection to a neuron (see n2g.weights.connections).",
        neuron=NEURON,
        pole=(pa.string(), "positive or negative; weights are multiplied by its sign"),
        direction=(pa.string(), "upstream: the neuron reads what the other writes; downstream: the reverse"),
        sign=(pa.string(), "sign of the weight: positive or negative"),
        rank=(pa.int32(), "0 for the strongest with this direction and sign"),
        other_layer=(pa.int32(), "layer of the other neuron"),
        other_neuron=(pa.int32(), "index of the other neuron (its positive pole)"),
        weight=(pa.float32(), "strength of the connection"),
    ),
]
