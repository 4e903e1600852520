"""Tables of what a neuron's weights read and write."""

from __future__ import annotations

import pyarrow as pa

from n2g.files.contracts.table_contract import NEURON, contract

TABLES = [
    contract(
        "logits",
        "A token that a neuron's weights push or read (n2g.weights.logits says how).",
        neuron=NEURON,
        pole=(pa.string(), "positive or negative; values have the pole's sign"),
        direction=(
            pa.string(),
            "promoted or suppressed by the output weights, or liked by the input weights",
        ),
        rank=(pa.int32(), "0 for the strongest token of the direction"),
        token=(pa.int32(), "token id"),
        value=(
            pa.float32(),
            "effect on the token's logit, or of its embedding on the (gate's) pre-activation",
        ),
    ),
    contract(
        "connections",
        "A neuron of another layer that a neuron is strongly connected with by weight (see n2g.weights.connections).",
        neuron=NEURON,
        pole=(pa.string(), "positive or negative; weights have the pole's sign"),
        direction=(pa.string(), "upstream: the other writes what the neuron reads; downstream: the reverse"),
        sign=(pa.string(), "positive or negative: of the weight"),
        rank=(pa.int32(), "0 for the strongest of the direction and sign"),
        other_layer=(pa.int32(), "layer of the other neuron"),
        other_neuron=(pa.int32(), "position of the other neuron, its positive pole"),
        weight=(pa.float32(), "strength of the connection"),
    ),
]
