"""Tables of the stages that find what a neuron's activation needs: prune, saliency, augment."""

from __future__ import annotations

import pyarrow as pa

from n2g.files.contracts.table_contract import NEURON, POLE, contract

TABLES = [
    contract(
        "prune",
        "A firing token, with the shortest text before it that preserves the activation.",
        method=(pa.string(), "atlas or paper"),
        neuron=NEURON,
        pole=POLE,
        example=(pa.int32(), "index of the example for this neuron and method"),
        position=(pa.int64(), "position of the pivot in tokens.npy"),
        activation=(pa.float32(), "activation at the pivot in the whole document"),
        tokens=(pa.list_(pa.int32()), "the tokens that remain, the pivot last; empty if pruning failed"),
        kept=(pa.float32(), "median activation of the remaining tokens"),
        start=(pa.bool_(), "whether the example only works at the start of a document"),
        failed=(pa.bool_(), "whether no text preserved the activation"),
    ),
    contract(
        "saliency",
        "A pruned example with the importance of each of its tokens, in reading order.",
        method=(pa.string(), "atlas or paper"),
        neuron=NEURON,
        pole=POLE,
        example=(pa.int32(), "index of the example for this neuron and method"),
        tokens=(pa.list_(pa.int32()), "token ids, the pivot last"),
        importances=(
            pa.list_(pa.float32()),
            "1 - activation with the token masked / activation, clipped to 0 to 1",
        ),
        needed=(pa.list_(pa.bool_()), "whether a pattern has to name the token"),
        gaps=(
            pa.list_(pa.int32()),
            "how many tokens may come between a needed token and the next (0: fixed distance)",
        ),
        activation=(pa.float32(), "median activation with all other tokens masked at once"),
        start=(pa.bool_(), "whether the example only works at the start of a document"),
    ),
    contract(
        "augment",
        "A substitute that was tried for an important token.",
        method=(pa.string(), "atlas or paper"),
        neuron=NEURON,
        pole=POLE,
        example=(pa.int32(), "index of the example for this neuron and method"),
        place=(pa.int32(), "index into the example's tokens"),
        token=(pa.int32(), "token id that was tried"),
        activation=(pa.float32(), "median activation with the substitute"),
        kept=(pa.bool_(), "whether the neuron still fires"),
    ),
]
