"""Tables of the stages that find what a neuron's activation needs: prune, saliency, augment."""

from __future__ import annotations

import pyarrow as pa

from n2g.files.contracts.table_contract import NEURON, POLE, contract

TABLES = [
    contract(
        "prune",
        "A firing token, and the shortest text before it that keeps the activation.",
        method=(pa.string(), "atlas or paper: whose rules"),
        neuron=NEURON,
        pole=POLE,
        example=(pa.int32(), "number of the example of this neuron and method, from 0"),
        split=(pa.string(), "train or validation"),
        position=(pa.int64(), "of the pivot in tokens.npy"),
        activation=(pa.float32(), "activation at the pivot in the whole document"),
        tokens=(pa.list_(pa.int32()), "what is left, the pivot token last; empty where pruning failed"),
        kept=(pa.float32(), "median activation of what is left"),
        start=(pa.bool_(), "the document begins here, and only there the activation is kept"),
        failed=(pa.bool_(), "no text kept the activation"),
    ),
    contract(
        "saliency",
        "A pruned example with what is known of each of its tokens, in the order of the text.",
        method=(pa.string(), "atlas or paper: whose rules"),
        neuron=NEURON,
        pole=POLE,
        example=(pa.int32(), "number of the example of this neuron and method, from 0"),
        tokens=(pa.list_(pa.int32()), "token ids, the pivot token last"),
        importances=(pa.list_(pa.float32()), "1 - activation with the token masked / activation, in 0 to 1"),
        needed=(pa.list_(pa.bool_()), "whether a pattern must name the token"),
        gaps=(
            pa.list_(pa.int32()),
            "tokens that may stand between a needed token and the next (0: fixed distance)",
        ),
        activation=(pa.float32(), "median activation with all that is not needed masked at once"),
        start=(pa.bool_(), "the document begins here, and only there the activation is kept"),
    ),
    contract(
        "augment",
        "A token tried in the place of one that matters.",
        method=(pa.string(), "atlas or paper: whose rules"),
        neuron=NEURON,
        pole=POLE,
        example=(pa.int32(), "number of the example of this neuron and method, from 0"),
        place=(pa.int32(), "index into the example's tokens"),
        token=(pa.int32(), "token id that was tried"),
        activation=(pa.float32(), "median activation with it"),
        kept=(pa.bool_(), "whether it serves there"),
    ),
]
