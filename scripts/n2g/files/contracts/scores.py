"""Tables of how well graphs and explanations predict activations."""

from __future__ import annotations

import pyarrow as pa

from n2g.files.contracts.table_contract import NEURON, POLE, contract

TABLES = [
    contract(
        "windows",
        "A token of the sample of random test documents at which the model, shown only the last tokens, brings a neuron"
        " to half of its firing threshold.",
        neuron=NEURON,
        pole=POLE,
        length=(pa.int32(), "tokens that the model is shown after neutral text"),
        position=(pa.int64(), "index into tokens.npy"),
        activation=(pa.float32(), "activation at the last token of the window"),
    ),
    contract(
        "evaluate",
        "Scores of one predictor of a neuron on one test set, excluding BOS tokens.",
        neuron=NEURON,
        pole=POLE,
        set=(pa.string(), "top, quantile, random or windows"),
        predictor=(
            pa.string(),
            "graph, paper, texts_only, a baseline in n2g.scores.baselines, or window_k in n2g.scores.windows",
        ),
        documents=(pa.int32(), "test documents in the set"),
        tokens=(pa.int64(), "tokens in the set"),
        firing=(pa.int64(), "tokens at which the neuron fires; rows without any are excluded from averages"),
        true_positives=(pa.int64(), "firing tokens that are predicted to fire"),
        false_positives=(pa.int64(), "non-firing tokens that are predicted to fire"),
        false_negatives=(pa.int64(), "firing tokens that are not predicted to fire"),
        precision=(
            pa.float64(),
            "fraction of the tokens predicted to fire that do fire; 0 if none is predicted",
        ),
        recall=(pa.float64(), "fraction of firing tokens that are predicted to fire"),
        f1=(pa.float64(), "harmonic mean of precision and recall"),
        nonfiring_precision=(pa.float64(), "precision for the non-firing tokens"),
        nonfiring_recall=(pa.float64(), "recall for the non-firing tokens"),
        nonfiring_f1=(pa.float64(), "F1 for the non-firing tokens"),
        average_precision=(
            pa.float64(),
            "precision averaged over recall, with tokens ranked by predicted activation",
        ),
        correlation=(pa.float64(), "Pearson correlation of predicted and actual activation"),
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
        "A test document, or an excerpt around a firing or an error, with the graph's predictions.",
        neuron=NEURON,
        pole=POLE,
        set=(
            pa.string(),
            "top, quantile, random, firing (in random documents beside those of top), false-positive or false-negative",
        ),
        rank=(pa.int32(), "0 for the first in the set: the largest activation, or the worst error"),
        document=(pa.int32(), "row in the documents table"),
        start=(pa.int32(), "position in the document of the first token listed (0 is BOS)"),
        pivot=(pa.int32(), "position in the document of the largest activation, or of the error"),
        activations=(pa.list_(pa.float32()), "activations of the tokens from start onwards"),
        predictions=(pa.list_(pa.float32()), "predicted activations of the same tokens"),
        nodes=(pa.list_(pa.int32()), "the graph node that decides each prediction; 0 if none does"),
    ),
    contract(
        "nodes",
        "How often a pattern of the graph, named by the node at which it ends, decides that the neuron fires.",
        neuron=NEURON,
        pole=POLE,
        node=(pa.int32(), "node id in the graph"),
        set=(pa.string(), "top or random"),
        predicted=(pa.int64(), "tokens at which the graph fires because of this pattern"),
        hits=(pa.int64(), "those of them at which the neuron fires"),
    ),
    contract(
        "explanations",
        "A natural-language explanation of a neuron, scored by simulation on test documents; dead neurons have none.",
        neuron=NEURON,
        pole=POLE,
        explainer=(pa.string(), "graph (also its own simulator) or model"),
        status=(
            pa.string(),
            "ok; invalid: no valid explanation; budget: the token budget was used up before the final score; "
            "unanswered: the model refused a prompt or said nothing",
        ),
        label=(pa.string(), "the explanation, in one line; may be empty"),
        model=(pa.string(), "the explainer model; empty for the graph"),
        simulator=(pa.string(), "the simulator model; empty for the graph"),
        prompt=(
            pa.string(),
            "SHA-256 of the prompt, which names the cached answer; may be empty",
        ),
        revised=(pa.bool_(), "whether the label was revised"),
        validation=(
            pa.float64(),
            "ev_correlation_score on validation documents, by which the label was chosen",
        ),
        sequences=(pa.int32(), "number of test documents, the same for both explainers"),
        tokens=(pa.int32(), "number of their tokens"),
        rated=(
            pa.float64(),
            "fraction of the tokens for which the simulator gave a value; the others count as 0",
        ),
        ev_correlation=(pa.float64(), "ev_correlation_score of Bills et al. on all of these tokens"),
        rsquared=(pa.float64(), "rsquared_score of Bills et al. (uncentred)"),
        absolute_dev_explained=(pa.float64(), "absolute_dev_explained_score of Bills et al."),
        ev_correlation_top=(
            pa.float64(),
            "ev_correlation_score on the documents with the largest activations",
        ),
        ev_correlation_random=(pa.float64(), "ev_correlation_score on the random documents"),
        prompt_tokens=(
            pa.int64(),
            "prompt tokens for everything asked about the neuron, including cached answers",
        ),
        completion_tokens=(pa.int64(), "completion tokens, likewise"),
        cost=(pa.float64(), "their cost at the configured prices"),
    ),
    contract(
        "rewrite",
        "The model's next-token loss on random test documents with neurons of a layer set to something else, all at"
        " once.",
        condition=(
            pa.string(),
            "model: as they are; zero; mean: each to its mean activation on training documents; token_mean: to its mean"
            " at the token; token_lookup_calibrated: the same, where what is below the neuron's floor counts as 0;"
            " shuffled: graphs of other neurons; texts_only: graphs of the texts alone; graph: to what its graph"
            " predicts, and to its background where no pattern matches; graph_token_mean: with the mean at the token as"
            " the background",
        ),
        neurons=(pa.int32(), "neurons that are set, of those of the layer"),
        poles=(pa.int32(), "poles of each neuron that have a graph: 1 or 2"),
        documents=(pa.int32(), "test documents"),
        tokens=(pa.int64(), "tokens that were predicted"),
        loss=(pa.float64(), "mean next-token loss in nats"),
        loss_low=(pa.float64(), "lower end of its 95 % confidence interval (bootstrap over documents)"),
        loss_high=(pa.float64(), "upper end"),
        recovered=(
            pa.float64(),
            "(loss of mean - loss) / (loss of mean - loss of model); NaN if mean does not clearly raise the loss",
        ),
        recovered_low=(pa.float64(), "lower end of its 95 % confidence interval"),
        recovered_high=(pa.float64(), "upper end"),
        divergence=(
            pa.float64(),
            "mean Kullback-Leibler divergence from the model's own predictions of the next token, in nats",
        ),
        kept=(pa.float64(), "1 - divergence / divergence of mean; NaN if mean changes nothing"),
        kept_low=(pa.float64(), "lower end of its 95 % confidence interval"),
        kept_high=(pa.float64(), "upper end"),
    ),
    contract(
        "rewrite_neurons",
        "The effect on the model's predictions if a neuron alone, with all its poles, is set to something else.",
        neuron=NEURON,
        documents=(pa.int32(), "test documents"),
        tokens=(pa.int64(), "tokens that were predicted"),
        mean_effect=(
            pa.float64(),
            "expected increase of the next-token loss in nats, to second order, if it is set to its mean",
        ),
        graph_effect=(pa.float64(), "the same, if it is set to what its graph predicts"),
        kept=(pa.float64(), "1 - graph_effect / mean_effect; NaN without any effect"),
        kept_low=(pa.float64(), "lower end of its 95 % confidence interval (bootstrap over documents)"),
        kept_high=(pa.float64(), "upper end"),
        token_mean_kept=(pa.float64(), "likewise, if it is set to its mean at the token"),
        graph_token_mean_kept=(
            pa.float64(),
            "likewise, if it is set to what its graph predicts, and where no pattern matches to its mean at the token",
        ),
    ),
]
