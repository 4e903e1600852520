"""The table of what neurons do to the model's predictions."""

from __future__ import annotations

import pyarrow as pa

from n2g.files.contracts.table_contract import NEURON, POLE, contract

TABLES = [
    contract(
        "effects",
        "How the model's prediction of the next token differs, at some held-out tokens, from that with the neuron at"
        " its mean (see n2g.scores.effects). Figures are means over the places, and NaN without any.",
        neuron=NEURON,
        pole=POLE,
        set=(pa.string(), "firing: where the neuron fires; false-positive: where only its graph does"),
        places=(pa.int32(), "held-out tokens"),
        documents=(pa.int32(), "test documents that hold them"),
        loss=(pa.float64(), "change of the next-token loss in nats; below 0 the firing helps to predict"),
        entropy=(pa.float64(), "change of the prediction's entropy in nats"),
        divergence=(
            pa.float64(),
            "Kullback-Leibler divergence of the prediction with the neuron at its mean from the model's own, in nats",
        ),
        loss_low=(
            pa.float64(),
            "lower end of the 95 % confidence interval of the loss (bootstrap over documents; NaN for only one)",
        ),
        loss_high=(pa.float64(), "upper end"),
        entropy_low=(pa.float64(), "likewise of the entropy"),
        entropy_high=(pa.float64(), "upper end"),
        promoted=(pa.list_(pa.int32()), "token ids whose probability is raised most, the first the most"),
        promoted_by=(pa.list_(pa.float64()), "mean change of their probability"),
        suppressed=(pa.list_(pa.int32()), "token ids whose probability is lowered most, likewise"),
        suppressed_by=(pa.list_(pa.float64()), "mean change of their probability, likewise"),
    ),
]
