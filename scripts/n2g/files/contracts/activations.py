"""Tables of the pass over the corpus, and of the sweep over the vocabulary."""

from __future__ import annotations

import pyarrow as pa

from n2g.files.contracts.table_contract import NEURON, POLE, contract

TABLES = [
    contract(
        "statistics",
        "A neuron (one pole of it) over the whole corpus, excluding BOS tokens.",
        neuron=NEURON,
        pole=(pa.string(), "positive or negative; the activations below are multiplied by its sign"),
        tokens=(pa.int64(), "tokens seen"),
        nonfinite=(
            pa.int64(),
            "tokens with a NaN or infinite activation; if there are any, the neuron has failed and all else is 0",
        ),
        maximum=(pa.float64(), "largest activation on training documents (at least 0)"),
        lowest=(pa.float64(), "smallest activation on all documents"),
        highest=(pa.float64(), "largest activation on all documents"),
        mean=(pa.float64(), "mean activation"),
        std=(pa.float64(), "standard deviation"),
        skewness=(pa.float64(), "third standardised moment"),
        kurtosis=(pa.float64(), "fourth standardised moment (3 for a normal distribution)"),
        density=(pa.float64(), "activation density: fraction of tokens with an activation above 0.001"),
        firing=(pa.int64(), "tokens of all splits with at least half of the maximum activation"),
        floor=(pa.float64(), "the firings table has every activation of at least this value"),
        histogram=(pa.list_(pa.int64()), "token counts for the bin edges n2g.method.histogram_bins.EDGES"),
    ),
    contract(
        "maxima",
        "The largest activation of a neuron, for all neurons of the run.",
        layer=(pa.int32(), "layer"),
        neuron=NEURON,
        pole=POLE,
        maximum=(pa.float64(), "as in the statistics"),
    ),
    contract(
        "firings",
        "A token at which a neuron's activation reaches its floor.",
        neuron=NEURON,
        pole=POLE,
        position=(pa.int64(), "index into tokens.npy"),
        activation=(pa.float32(), "activation, multiplied by the pole's sign"),
    ),
    contract(
        "background",
        "A token that predicts much of a neuron's activation on its own, even if it never makes the neuron fire.",
        neuron=NEURON,
        pole=POLE,
        token=(pa.int32(), "token id"),
        count=(pa.int64(), "occurrences in training documents"),
        mean=(pa.float64(), "mean activation there, with one added occurrence at 0"),
    ),
    contract(
        "examples",
        "One of a neuron's top documents in a split.",
        neuron=NEURON,
        pole=POLE,
        split=(pa.string(), "train, validation or test"),
        rank=(pa.int32(), "0 for the document with the largest activation in the split"),
        document=(pa.int32(), "row in the documents table"),
        pivot=(pa.int32(), "position of the largest activation in the document (0 is BOS)"),
        activation=(pa.float32(), "activation at the pivot"),
        activations=(pa.list_(pa.float32()), "activations of all tokens of the document, including BOS"),
    ),
    contract(
        "sweep",
        "A token that brings a neuron to its floor after neutral text, so without context.",
        neuron=NEURON,
        pole=POLE,
        token=(pa.int32(), "token id"),
        activation=(pa.float32(), "median activation over the neutral prefixes"),
    ),
    contract(
        "pair_sweep",
        "A pair of tokens that brings a neuron to its floor after neutral text, so without further context.",
        neuron=NEURON,
        pole=POLE,
        before=(pa.int32(), "id of the token before"),
        token=(pa.int32(), "token id"),
        activation=(pa.float32(), "median activation at the token over the neutral prefixes"),
    ),
]
