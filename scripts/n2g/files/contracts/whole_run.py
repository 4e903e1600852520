"""Tables of all neurons of a run, and of runs compared."""

from __future__ import annotations

import pyarrow as pa

from n2g.files.contracts.table_contract import NEURON, POLE, contract

TABLES = [
    contract(
        "reproduced",
        "A neuron of a sample, computed anew from the inputs and compared with its published record.",
        layer=(pa.int32(), "layer number"),
        neuron=NEURON,
        pole=POLE,
        outcome=(
            pa.string(),
            "identical, equivalent (same patterns, activations within tolerance) or different",
        ),
        published=(pa.string(), "SHA-256 of the published record"),
        again=(pa.string(), "SHA-256 of the record computed anew"),
        largest=(pa.float64(), "largest difference of a pattern's activation, as a share of the maximum"),
        differences=(pa.list_(pa.string()), "what differs, a line each"),
    ),
    contract(
        "patterns",
        "A pattern that decides whether a graph fires, its classes written out; sorted by token.",
        token=(pa.int32(), "activating token; -1 where it may be any"),
        layer=(pa.int32(), "layer of the neuron"),
        neuron=NEURON,
        pole=POLE,
        pattern=(
            pa.list_(pa.int32()),
            "elements backwards from the activating token: a token id; -1 any one token; -2 the start of the text; "
            "-3 - n up to n tokens, any",
        ),
        activation=(pa.float64(), "predicted activation"),
        support=(pa.int32(), "firing training tokens that match the graph's pattern"),
        cut=(pa.float64(), "the graph fires from this predicted activation on"),
        scale=(pa.float64(), "largest activation of the neuron on train documents"),
    ),
    contract(
        "similar",
        "One of the neurons that a neuron is most like in one way; sorted by neuron.",
        layer=(pa.int32(), "layer of the neuron"),
        neuron=NEURON,
        pole=POLE,
        other_layer=(pa.int32(), "layer of the other neuron"),
        other_neuron=(pa.int32(), "position of the other neuron"),
        other_pole=(pa.string(), "pole of the other neuron"),
        kind=(
            pa.string(),
            "similar patterns; subset: the other covers its patterns; superset: it covers the other's; "
            "duplicate: both accept the same texts; behaviour: activations correlate",
        ),
        score=(pa.float64(), "Jaccard index, share of patterns covered, 1 for a duplicate, or correlation"),
        rank=(pa.int32(), "0 for the best of the kind"),
    ),
    contract(
        "diff",
        "Something that differs between a neuron and that of the same name in another run; sorted by neuron.",
        layer=(pa.int32(), "layer of the neuron"),
        neuron=NEURON,
        pole=POLE,
        kind=(
            pa.string(),
            "of a pattern: added, removed or reweighted; score; status; only before or only now: one run has no such "
            "neuron",
        ),
        what=(pa.string(), "the pattern in the order of the text; score and test set; both statuses"),
        before=(
            pa.float64(),
            "in the other run: the score, or the pattern's predicted activation as a share of the graph's largest",
        ),
        after=(pa.float64(), "the same in this run; 0 where there is none"),
    ),
    contract(
        "neurons",
        "A neuron of an export: what is known of it in numbers, and its sentence.",
        id=(pa.string(), "name, such as L3.N42; L3.N42- is the negative pole"),
        layer=(pa.int32(), "layer number"),
        neuron=NEURON,
        pole=POLE,
        status=(pa.string(), "ok, dead or no-pattern"),
        explanation=(pa.string(), "the graph in one or two sentences; empty without a pattern"),
        nodes=(pa.int32(), "nodes of the graph, the root left out"),
        patterns=(pa.int32(), "patterns of the graph"),
        maximum=(pa.float64(), "largest activation on train documents"),
        mean=(pa.float64(), "mean activation"),
        std=(pa.float64(), "standard deviation"),
        skewness=(pa.float64(), "third standardised moment"),
        kurtosis=(pa.float64(), "fourth standardised moment"),
        density=(pa.float64(), "share of tokens with an activation above 0.001"),
        f1_top=(pa.float64(), "F1 of the graph on the test set top"),
        f1_random=(pa.float64(), "F1 of the graph on the test set random"),
        ev_correlation=(pa.float64(), "ev_correlation_score of the graph as a simulator; 0 where undefined"),
        rsquared=(pa.float64(), "rsquared_score, likewise"),
        absolute_dev_explained=(pa.float64(), "absolute_dev_explained_score, likewise"),
    ),
]
