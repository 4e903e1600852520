"""Tables of the pass over the corpus, and of the sweep over the vocabulary."""

from __future__ import annotations

import pyarrow as pa

from n2g.files.contracts.table_contract import NEURON, POLE, contract

TABLES = [
    contract(
        "statistics",
        "A neuron (one pole of it) over the whole corpus; begin-of-sequence tokens left out.",
        neuron=NEURON,
        pole=(pa.string(), "positive or negative; all activations below have the pole's sign"),
        tokens=(pa.int64(), "tokens seen"),
        nonfinite=(
            pa.int64(),
            "tokens with NaN or infinity; with any the neuron has failed and all else is 0",
        ),
        maximum=(pa.float64(), "largest activation on train documents (at least 0)"),
        mean=(pa.float64(), "mean activation"),
        std=(pa.float64(), "standard deviation"),
        skewness=(pa.float64(), "third standardised moment"),
        kurtosis=(pa.float64(), "fourth standardised moment (3 for a normal distribution)"),
        density=(pa.float64(), "share of tokens with an activation above 0.001"),
        firing=(pa.int64(), "tokens of all splits at half of the maximum or more"),
        floor=(pa.float64(), "every activation of at least this is in the firings table"),
        histogram=(pa.list_(pa.int64()), "tokens between the edges n2g.method.histogram_bins.EDGES"),
    ),
    contract(
        "maxima",
        "The largest activation of a neuron; all neurons of the run.",
        layer=(pa.int32(), "layer"),
        neuron=NEURON,
        pole=POLE,
        maximum=(pa.float64(), "as in the statistics"),
    ),
    contract(
        "firings",
        "A token at which a neuron is at or above its floor.",
        neuron=NEURON,
        pole=POLE,
        position=(pa.int64(), "index into tokens.npy"),
        activation=(pa.float32(), "activation, with the pole's sign"),
    ),
    contract(
        "background",
        "A token that says much of a neuron's activation by itself, though it may never make it fire.",
        neuron=NEURON,
        pole=POLE,
        token=(pa.int32(), "token id"),
        count=(pa.int64(), "occurrences in train documents"),
        mean=(pa.float64(), "mean activation there, one occurrence at 0 added"),
    ),
    contract(
        "examples",
        "One of the documents of a split with the largest activations of a neuron.",
        neuron=NEURON,
        pole=POLE,
        split=(pa.string(), "train, validation or test"),
        rank=(pa.int32(), "0 for the document with the largest activation of the split"),
        document=(pa.int32(), "row of the documents table"),
        pivot=(pa.int32(), "position of the largest activation in the document (0 is BOS)"),
        activation=(pa.float32(), "activation at the pivot"),
        activations=(pa.list_(pa.float32()), "activations of all tokens of the document, BOS included"),
    ),
    contract(
        "sweep",
        "A token that brings a neuron to its floor after neutral text, without any context.",
        neuron=NEURON,
        pole=POLE,
        token=(pa.int32(), "token id"),
        activation=(pa.float32(), "median activation over the neutral prefixes"),
    ),
]
