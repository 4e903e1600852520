"""Tables of all neurons of a run, and of runs compared."""

from __future__ import annotations

import pyarrow as pa

from n2g.files.contracts.table_contract import NEURON, POLE, contract

TABLES = [
    contract(
        "reproduced",
        "A sampled neuron, recomputed from the inputs and compared with its published record.",
        layer=(pa.int32(), "layer"),
        neuron=NEURON,
        pole=POLE,
        outcome=(
            pa.string(),
            "identical, equivalent (same patterns, activations within tolerance) or different",
        ),
        published=(pa.string(), "SHA-256 of the published record"),
        recomputed=(pa.string(), "SHA-256 of the recomputed record"),
        largest_difference=(
            pa.float64(),
            "largest difference in a pattern's activation, as a fraction of the maximum",
        ),
        differences=(pa.list_(pa.string()), "what differs, one line each"),
    ),
    contract(
        "patterns",
        "A pattern that decides whether a graph fires, with its token classes expanded; sorted by token.",
        token=(pa.int32(), "activating token; -1 for any token"),
        layer=(pa.int32(), "layer of the neuron"),
        neuron=NEURON,
        pole=POLE,
        pattern=(
            pa.list_(pa.int32()),
            "elements backwards from the activating token: a token id; -1: any one token; -2: the start of the text; "
            "-3 - n: a gap of up to n tokens",
        ),
        activation=(pa.float64(), "predicted activation"),
        support=(pa.int32(), "firing training tokens that match the pattern"),
        decision_threshold=(pa.float64(), "the graph fires at this predicted activation and above"),
        scale=(pa.float64(), "largest activation of the neuron on training documents"),
    ),
    contract(
        "similar",
        "One of a neuron's most similar neurons, by one measure; sorted by neuron.",
        layer=(pa.int32(), "layer of the neuron"),
        neuron=NEURON,
        pole=POLE,
        other_layer=(pa.int32(), "layer of the other neuron"),
        other_neuron=(pa.int32(), "index of the other neuron"),
        other_pole=(pa.string(), "pole of the other neuron"),
        kind=(
            pa.string(),
            "similar: patterns overlap; subset: the other neuron's patterns cover this one's; superset: the reverse; "
            "duplicate: both graphs accept the same texts; behaviour: activations correlate",
        ),
        score=(
            pa.float64(),
            "weighted Jaccard index, fraction of patterns covered, 1 for a duplicate, or correlation",
        ),
        rank=(pa.int32(), "0 for the best match of its kind"),
    ),
    contract(
        "diff",
        "A difference between a neuron and the neuron of the same name in another run; sorted by neuron.",
        layer=(pa.int32(), "layer of the neuron"),
        neuron=NEURON,
        pole=POLE,
        kind=(
            pa.string(),
            "for a pattern: added, removed or reweighted; score; status; only before or only now: the neuron is in one "
            "run only",
        ),
        what=(pa.string(), "the pattern in reading order; the score and test set; or both statuses"),
        before=(
            pa.float64(),
            "in the other run: the score, or the pattern's predicted activation relative to the graph's largest",
        ),
        after=(pa.float64(), "the same in this run; 0 if there is none"),
    ),
    contract(
        "neurons",
        "An exported neuron: its statistics, scores and sentence.",
        id=(pa.string(), "name, such as L3.N42; L3.N42- is the negative pole"),
        layer=(pa.int32(), "layer"),
        neuron=NEURON,
        pole=POLE,
        status=(pa.string(), "ok, dead or no-pattern"),
        explanation=(pa.string(), "the graph in one or two sentences; empty if it has no pattern"),
        rule=(pa.string(), "the graph in one line, see docs/rules.md; may be empty"),
        nodes=(pa.int32(), "nodes in the graph, not counting the root"),
        patterns=(pa.int32(), "patterns in the graph"),
        maximum=(pa.float64(), "largest activation on training documents"),
        mean=(pa.float64(), "mean activation"),
        std=(pa.float64(), "standard deviation"),
        skewness=(pa.float64(), "third standardised moment"),
        kurtosis=(pa.float64(), "fourth standardised moment"),
        density=(pa.float64(), "activation density: fraction of tokens with an activation above 0.001"),
        f1_top=(pa.float64(), "F1 of the graph on the test set top"),
        f1_random=(pa.float64(), "F1 of the graph on the test set random"),
        ev_correlation=(pa.float64(), "ev_correlation_score of the graph as a simulator; 0 where undefined"),
        rsquared=(pa.float64(), "rsquared_score, likewise"),
        absolute_dev_explained=(pa.float64(), "absolute_dev_explained_score, likewise"),
    ),
]
