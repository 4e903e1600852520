"""Tables of how well graphs and explanations predict activations."""

from __future__ import annotations

import pyarrow as pa

from n2g.files.contracts.table_contract import NEURON, POLE, contract

TABLES = [
    contract(
        "evaluate",
        "Scores of one predictor of a neuron on one test set; begin-of-sequence tokens left out.",
        neuron=NEURON,
        pole=POLE,
        set=(pa.string(), "top, quantile or random"),
        predictor=(
            pa.string(),
            "graph, paper, or a baseline of n2g.scores.baselines",
        ),
        documents=(pa.int32(), "test documents in the set"),
        tokens=(pa.int64(), "tokens in the set"),
        firing=(pa.int64(), "tokens at which the neuron fires; with none, the row counts in no average"),
        true_positives=(pa.int64(), "firing tokens that are predicted to fire"),
        false_positives=(pa.int64(), "other tokens that are predicted to fire"),
        false_negatives=(pa.int64(), "firing tokens that are not predicted to fire"),
        precision=(pa.float64(), "share of the tokens predicted to fire that fire; 0 where none is"),
        recall=(pa.float64(), "share of the firing tokens that are predicted to fire"),
        f1=(pa.float64(), "harmonic mean of precision and recall"),
        nonfiring_precision=(pa.float64(), "precision of the tokens that do not fire"),
        nonfiring_recall=(pa.float64(), "recall of the tokens that do not fire"),
        nonfiring_f1=(pa.float64(), "F1 of the tokens that do not fire"),
        average_precision=(pa.float64(), "precision averaged over recall, tokens ranked by prediction"),
        correlation=(pa.float64(), "Pearson correlation of activation and prediction"),
        r2=(pa.float64(), "1 - squared error / squared deviation of the activation from its mean"),
        ev_correlation=(pa.float64(), "ev_correlation_score of Bills et al.: equal to correlation"),
        rsquared=(pa.float64(), "rsquared_score of Bills et al.: 1 - mean squared error / mean square"),
        absolute_dev_explained=(
            pa.float64(),
            "absolute_dev_explained_score of Bills et al.: 1 - mean |error| / mean |activation|",
        ),
    ),
    contract(
        "predictions",
        "A test document, or a piece of one around an error, with what the neuron's graph predicts.",
        neuron=NEURON,
        pole=POLE,
        set=(pa.string(), "top, quantile, random, false-positive or false-negative"),
        rank=(pa.int32(), "0 for the first of the set: the largest activation, or the worst error"),
        document=(pa.int32(), "row of the documents table"),
        start=(pa.int32(), "position in the document of the first token below (0 is BOS)"),
        pivot=(pa.int32(), "position in the document of the largest activation, or of the error"),
        activations=(pa.list_(pa.float32()), "activations of the tokens from start on"),
        predictions=(pa.list_(pa.float32()), "predicted activations of the same tokens"),
        nodes=(pa.list_(pa.int32()), "node of the graph that decides each prediction; 0 where none does"),
    ),
    contract(
        "explanations",
        "An explanation in words of a neuron, simulated on test texts; a neuron that no train text activates has none.",
        neuron=NEURON,
        pole=POLE,
        explainer=(pa.string(), "graph (which is also its own simulator) or model"),
        status=(
            pa.string(),
            "ok; invalid: there is no explanation; budget: the neuron's tokens were used up before the final score",
        ),
        label=(pa.string(), "the explanation, one line; may be empty"),
        model=(pa.string(), "who wrote it; empty for the graph"),
        simulator=(pa.string(), "who predicted activations from it; empty for the graph"),
        prompt=(
            pa.string(),
            "SHA-256 of the question that it answers, which names the kept answer; or empty",
        ),
        revised=(pa.bool_(), "whether it came from a revision"),
        validation=(pa.float64(), "its ev_correlation_score on validation texts, by which it was chosen"),
        sequences=(pa.int32(), "test texts, the same for both explainers"),
        tokens=(pa.int32(), "tokens of these"),
        rated=(pa.float64(), "share of the tokens for which the simulator gave a value; others count as 0"),
        ev_correlation=(pa.float64(), "ev_correlation_score of Bills et al. on all these tokens"),
        rsquared=(pa.float64(), "rsquared_score of Bills et al., not centred"),
        absolute_dev_explained=(pa.float64(), "absolute_dev_explained_score of Bills et al."),
        ev_correlation_top=(pa.float64(), "ev_correlation_score on the texts with the largest activations"),
        ev_correlation_random=(pa.float64(), "ev_correlation_score on the random texts"),
        prompt_tokens=(pa.int64(), "tokens asked, for everything about the neuron; kept answers included"),
        completion_tokens=(pa.int64(), "tokens answered"),
        cost=(pa.float64(), "their cost, at the configured prices"),
    ),
]
