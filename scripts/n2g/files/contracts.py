"""The contract of every table: columns, types and meanings. `docs/files.md` repeats them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import pyarrow as pa


@dataclass(frozen=True)
class TableContract:
    """The columns of a table.

    Attributes:
        name: the file's name without its suffix; the same word as in :data:`CONTRACTS`.
        meaning: what a row is.
        columns: column name -> (pyarrow type, meaning with its unit), in the order of the file.
    """

    name: str
    meaning: str
    columns: Mapping[str, tuple[pa.DataType, str]]

    @property
    def schema(self) -> pa.Schema:
        """The pyarrow schema; no column may hold nulls."""
        return pa.schema([pa.field(name, kind, nullable=False) for name, (kind, _) in self.columns.items()])


def _contract(name: str, meaning: str, **columns: tuple[pa.DataType, str]) -> TableContract:
    return TableContract(name, meaning, MappingProxyType(columns))


_ALL = [
    _contract(
        "documents",
        "A sequence of tokens: a text, or a piece of a text longer than the maximum length.",
        document=(pa.int32(), "index of the sequence: its row in this table"),
        text=(pa.int32(), "index of the text in the source"),
        piece=(pa.int32(), "index of the piece within the text"),
        title=(pa.string(), "the text's title, for attribution"),
        split=(pa.string(), "train, validation or test; the same for all pieces of a text"),
        offset=(pa.int64(), "where the sequence starts in tokens.npy"),
        length=(pa.int32(), "number of tokens, including BOS"),
        sha256=(pa.string(), "SHA-256 of the whole text in UTF-8, as hexadecimal"),
    ),
    _contract(
        "vocabulary",
        "A token of the model's vocabulary.",
        token=(pa.int32(), "token id: its row in this table"),
        text=(
            pa.string(),
            "the token as displayed; bytes that are not a character on their own appear as <0xE2>",
        ),
        special=(pa.bool_(), "whether it is a control token, which never occurs in text"),
    ),
    _contract(
        "statistics",
        "A neuron (one pole of it) over the whole corpus, excluding BOS tokens.",
        neuron=(pa.int32(), "index in the layer's MLP hidden vector"),
        pole=(pa.string(), "positive or negative; the activations below are multiplied by its sign"),
        tokens=(pa.int64(), "tokens seen"),
        nonfinite=(
            pa.int64(),
            "tokens with a NaN or infinite activation; if there are any, the neuron has failed and all else is 0",
        ),
        maximum=(pa.float64(), "largest activation on training documents (at least 0)"),
        mean=(pa.float64(), "mean activation"),
        std=(pa.float64(), "standard deviation"),
        skewness=(pa.float64(), "third standardised moment"),
        kurtosis=(pa.float64(), "fourth standardised moment (3 for a normal distribution)"),
        density=(pa.float64(), "fraction of active tokens: those with an activation above 0.001"),
        firing=(pa.int64(), "tokens of all splits with at least half of the maximum activation"),
        floor=(pa.float64(), "the firings table has every activation of at least this value"),
        histogram=(pa.list_(pa.int64()), "token counts for the bin edges n2g.method.histogram_bins.EDGES"),
    ),
    _contract(
        "maxima",
        "The largest activation of a neuron, for all neurons of the run.",
        layer=(pa.int32(), "layer"),
        neuron=(pa.int32(), "index in the layer's MLP hidden vector"),
        pole=(pa.string(), "positive or negative"),
        maximum=(pa.float64(), "as in the statistics"),
    ),
    _contract(
        "firings",
        "A token at which a neuron's activation reaches its floor.",
        neuron=(pa.int32(), "index in the layer's MLP hidden vector"),
        pole=(pa.string(), "positive or negative"),
        position=(pa.int64(), "index into tokens.npy"),
        activation=(pa.float32(), "activation, multiplied by the pole's sign"),
    ),
    _contract(
        "background",
        "A token that predicts much of a neuron's activation on its own, even if it never makes the neuron fire.",
        neuron=(pa.int32(), "index in the layer's MLP hidden vector"),
        pole=(pa.string(), "positive or negative"),
        token=(pa.int32(), "token id"),
        count=(pa.int64(), "occurrences in training documents"),
        mean=(pa.float64(), "mean activation there, with one added occurrence at 0"),
    ),
    _contract(
        "examples",
        "One of a neuron's top documents in a split.",
        neuron=(pa.int32(), "index in the layer's MLP hidden vector"),
        pole=(pa.string(), "positive or negative"),
        split=(pa.string(), "train, validation or test"),
        rank=(pa.int32(), "0 for the document with the largest activation in the split"),
        document=(pa.int32(), "row in the documents table"),
        pivot=(pa.int32(), "position of the largest activation in the document (0 is BOS)"),
        activation=(pa.float32(), "activation at the pivot"),
        activations=(pa.list_(pa.float32()), "activations of all tokens of the document, including BOS"),
    ),
    _contract(
        "evaluate",
        "Scores of one predictor of a neuron on one test set, excluding BOS tokens.",
        neuron=(pa.int32(), "index in the layer's MLP hidden vector"),
        pole=(pa.string(), "positive or negative"),
        set=(pa.string(), "top, quantile or random"),
        predictor=(
            pa.string(),
            "graph, paper, or a baseline in n2g.scores.baselines",
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
    _contract(
        "predictions",
        "A test document, or an excerpt around an error, with the graph's predictions.",
        neuron=(pa.int32(), "index in the layer's MLP hidden vector"),
        pole=(pa.string(), "positive or negative"),
        set=(pa.string(), "top, quantile, random, false-positive or false-negative"),
        rank=(pa.int32(), "0 for the first in the set: the largest activation, or the worst error"),
        document=(pa.int32(), "row in the documents table"),
        start=(pa.int32(), "position in the document of the first token listed (0 is BOS)"),
        pivot=(pa.int32(), "position in the document of the largest activation, or of the error"),
        activations=(pa.list_(pa.float32()), "activations of the tokens from start onwards"),
        predictions=(pa.list_(pa.float32()), "predicted activations of the same tokens"),
        nodes=(pa.list_(pa.int32()), "the graph node that decides each prediction; 0 if none does"),
    ),
    _contract(
        "sweep",
        "A token that brings a neuron to its floor after neutral text, so without context.",
        neuron=(pa.int32(), "index in the layer's MLP hidden vector"),
        pole=(pa.string(), "positive or negative"),
        token=(pa.int32(), "token id"),
        activation=(pa.float32(), "median activation over the neutral prefixes"),
    ),
    _contract(
        "prune",
        "A firing token, with the shortest text before it that preserves the activation.",
        method=(pa.string(), "atlas or paper"),
        neuron=(pa.int32(), "index in the layer's MLP hidden vector"),
        pole=(pa.string(), "positive or negative"),
        example=(pa.int32(), "index of the example for this neuron and method"),
        split=(pa.string(), "train or validation"),
        position=(pa.int64(), "position of the pivot in tokens.npy"),
        activation=(pa.float32(), "activation at the pivot in the whole document"),
        tokens=(pa.list_(pa.int32()), "the tokens that remain, the pivot last; empty if pruning failed"),
        kept=(pa.float32(), "median activation of the remaining tokens"),
        start=(pa.bool_(), "whether the example only works at the start of a document"),
        failed=(pa.bool_(), "whether no text preserved the activation"),
    ),
    _contract(
        "saliency",
        "A pruned example with the importance of each of its tokens, in reading order.",
        method=(pa.string(), "atlas or paper"),
        neuron=(pa.int32(), "index in the layer's MLP hidden vector"),
        pole=(pa.string(), "positive or negative"),
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
    _contract(
        "augment",
        "A substitute that was tried for an important token.",
        method=(pa.string(), "atlas or paper"),
        neuron=(pa.int32(), "index in the layer's MLP hidden vector"),
        pole=(pa.string(), "positive or negative"),
        example=(pa.int32(), "index of the example for this neuron and method"),
        place=(pa.int32(), "index into the example's tokens"),
        token=(pa.int32(), "token id that was tried"),
        activation=(pa.float32(), "median activation with the substitute"),
        kept=(pa.bool_(), "whether the neuron still fires"),
    ),
    _contract(
        "logits",
        "A token that a neuron's weights promote, suppress or read (see n2g.weights.logits).",
        neuron=(pa.int32(), "index in the layer's MLP hidden vector"),
        pole=(pa.string(), "positive or negative; values are multiplied by its sign"),
        direction=(
            pa.string(),
            "promoted or suppressed: by direct logit effect; input_aligned: by the input weights",
        ),
        rank=(pa.int32(), "0 for the strongest token in the direction"),
        token=(pa.int32(), "token id"),
        value=(
            pa.float32(),
            "effect on the token's logit, or effect of its embedding on the (gate's) pre-activation",
        ),
    ),
    _contract(
        "connections",
        "A neuron in another layer with a strong weight connection to a neuron (see n2g.weights.connections).",
        neuron=(pa.int32(), "index in the layer's MLP hidden vector"),
        pole=(pa.string(), "positive or negative; weights are multiplied by its sign"),
        direction=(pa.string(), "upstream: the neuron reads what the other writes; downstream: the reverse"),
        sign=(pa.string(), "sign of the weight: positive or negative"),
        rank=(pa.int32(), "0 for the strongest with this direction and sign"),
        other_layer=(pa.int32(), "layer of the other neuron"),
        other_neuron=(pa.int32(), "index of the other neuron (its positive pole)"),
        weight=(pa.float32(), "strength of the connection"),
    ),
    _contract(
        "reproduced",
        "A sampled neuron, recomputed from the inputs and compared with its published record.",
        layer=(pa.int32(), "layer"),
        neuron=(pa.int32(), "index in the layer's MLP hidden vector"),
        pole=(pa.string(), "positive or negative"),
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
    _contract(
        "patterns",
        "A pattern that decides whether a graph fires, with its token classes expanded; sorted by token.",
        token=(pa.int32(), "activating token; -1 for any token"),
        layer=(pa.int32(), "layer of the neuron"),
        neuron=(pa.int32(), "index in the layer's MLP hidden vector"),
        pole=(pa.string(), "positive or negative"),
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
    _contract(
        "similar",
        "One of a neuron's most similar neurons, by one measure; sorted by neuron.",
        layer=(pa.int32(), "layer of the neuron"),
        neuron=(pa.int32(), "index in the layer's MLP hidden vector"),
        pole=(pa.string(), "positive or negative"),
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
    _contract(
        "diff",
        "A difference between a neuron and the neuron of the same name in another run; sorted by neuron.",
        layer=(pa.int32(), "layer of the neuron"),
        neuron=(pa.int32(), "index in the layer's MLP hidden vector"),
        pole=(pa.string(), "positive or negative"),
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
    _contract(
        "explanations",
        "A natural-language explanation of a neuron, scored by simulation on test documents; dead neurons have none.",
        neuron=(pa.int32(), "index in the layer's MLP hidden vector"),
        pole=(pa.string(), "positive or negative"),
        explainer=(pa.string(), "graph (also its own simulator) or model"),
        status=(
            pa.string(),
            "ok; invalid: no valid explanation; budget: the token budget was used up before the final score",
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
    _contract(
        "neurons",
        "An exported neuron: its statistics, scores and sentence.",
        id=(pa.string(), "name, such as L3.N42; L3.N42- is the negative pole"),
        layer=(pa.int32(), "layer"),
        neuron=(pa.int32(), "index in the layer's MLP hidden vector"),
        pole=(pa.string(), "positive or negative"),
        status=(pa.string(), "ok, dead or no-pattern"),
        explanation=(pa.string(), "the graph in one or two sentences; empty if it has no pattern"),
        nodes=(pa.int32(), "nodes in the graph, not counting the root"),
        patterns=(pa.int32(), "patterns in the graph"),
        maximum=(pa.float64(), "largest activation on training documents"),
        mean=(pa.float64(), "mean activation"),
        std=(pa.float64(), "standard deviation"),
        skewness=(pa.float64(), "third standardised moment"),
        kurtosis=(pa.float64(), "fourth standardised moment"),
        density=(pa.float64(), "fraction of active tokens: those with an activation above 0.001"),
        f1_top=(pa.float64(), "F1 of the graph on the test set top"),
        f1_random=(pa.float64(), "F1 of the graph on the test set random"),
        ev_correlation=(pa.float64(), "ev_correlation_score of the graph as a simulator; 0 where undefined"),
        rsquared=(pa.float64(), "rsquared_score, likewise"),
        absolute_dev_explained=(pa.float64(), "absolute_dev_explained_score, likewise"),
    ),
]
CONTRACTS: dict[str, TableContract] = {contract.name: contract for contract in _ALL}


def describe() -> Iterator[tuple[TableContract, list[tuple[str, str, str]]]]:
    """Every contract with its columns as (name, type, meaning), for the documentation."""
    for contract in CONTRACTS.values():
        yield contract, [(name, str(kind), meaning) for name, (kind, meaning) in contract.columns.items()]
