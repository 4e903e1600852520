"""What every table holds: columns, types and meanings. `docs/files.md` says the same."""

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
        "A sequence of tokens: a text, or a piece of one that is longer than the maximum length.",
        document=(pa.int32(), "number of the sequence, its row in this table"),
        text=(pa.int32(), "number of the text in the source, from 0"),
        piece=(pa.int32(), "number of the piece within the text, from 0"),
        title=(pa.string(), "the text's title, for attribution"),
        split=(pa.string(), "train, validation or test; the same for all pieces of a text"),
        offset=(pa.int64(), "where the sequence begins in tokens.npy"),
        length=(pa.int32(), "tokens of the sequence, the begin-of-sequence token included"),
        sha256=(pa.string(), "SHA-256 of the whole text in UTF-8, hexadecimal"),
    ),
    _contract(
        "vocabulary",
        "A token of the model's vocabulary.",
        token=(pa.int32(), "token id, the row in this table"),
        text=(
            pa.string(),
            "the token for display; bytes that are no character of their own appear as <0xE2>",
        ),
        special=(pa.bool_(), "whether the token is a control token that no text contains"),
    ),
    _contract(
        "statistics",
        "A neuron (one pole of it) over the whole corpus; begin-of-sequence tokens left out.",
        neuron=(pa.int32(), "position in the layer's hidden MLP vector"),
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
    _contract(
        "maxima",
        "The largest activation of a neuron; all neurons of the run.",
        layer=(pa.int32(), "layer"),
        neuron=(pa.int32(), "position in the layer's hidden MLP vector"),
        pole=(pa.string(), "positive or negative"),
        maximum=(pa.float64(), "as in the statistics"),
    ),
    _contract(
        "firings",
        "A token at which a neuron is at or above its floor.",
        neuron=(pa.int32(), "position in the layer's hidden MLP vector"),
        pole=(pa.string(), "positive or negative"),
        position=(pa.int64(), "index into tokens.npy"),
        activation=(pa.float32(), "activation, with the pole's sign"),
    ),
    _contract(
        "background",
        "A token that says much of a neuron's activation by itself, though it may never make it fire.",
        neuron=(pa.int32(), "position in the layer's hidden MLP vector"),
        pole=(pa.string(), "positive or negative"),
        token=(pa.int32(), "token id"),
        count=(pa.int64(), "occurrences in train documents"),
        mean=(pa.float64(), "mean activation there, one occurrence at 0 added"),
    ),
    _contract(
        "examples",
        "One of the documents of a split with the largest activations of a neuron.",
        neuron=(pa.int32(), "position in the layer's hidden MLP vector"),
        pole=(pa.string(), "positive or negative"),
        split=(pa.string(), "train, validation or test"),
        rank=(pa.int32(), "0 for the document with the largest activation of the split"),
        document=(pa.int32(), "row of the documents table"),
        pivot=(pa.int32(), "position of the largest activation in the document (0 is BOS)"),
        activation=(pa.float32(), "activation at the pivot"),
        activations=(pa.list_(pa.float32()), "activations of all tokens of the document, BOS included"),
    ),
    _contract(
        "evaluate",
        "Scores of one predictor of a neuron on one test set; begin-of-sequence tokens left out.",
        neuron=(pa.int32(), "position in the layer's hidden MLP vector"),
        pole=(pa.string(), "positive or negative"),
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
    _contract(
        "predictions",
        "A test document, or a piece of one around an error, with what the neuron's graph predicts.",
        neuron=(pa.int32(), "position in the layer's hidden MLP vector"),
        pole=(pa.string(), "positive or negative"),
        set=(pa.string(), "top, quantile, random, false-positive or false-negative"),
        rank=(pa.int32(), "0 for the first of the set: the largest activation, or the worst error"),
        document=(pa.int32(), "row of the documents table"),
        start=(pa.int32(), "position in the document of the first token below (0 is BOS)"),
        pivot=(pa.int32(), "position in the document of the largest activation, or of the error"),
        activations=(pa.list_(pa.float32()), "activations of the tokens from start on"),
        predictions=(pa.list_(pa.float32()), "predicted activations of the same tokens"),
        nodes=(pa.list_(pa.int32()), "node of the graph that decides each prediction; 0 where none does"),
    ),
    _contract(
        "sweep",
        "A token that brings a neuron to its floor after neutral text, without any context.",
        neuron=(pa.int32(), "position in the layer's hidden MLP vector"),
        pole=(pa.string(), "positive or negative"),
        token=(pa.int32(), "token id"),
        activation=(pa.float32(), "median activation over the neutral prefixes"),
    ),
    _contract(
        "prune",
        "A firing token, and the shortest text before it that keeps the activation.",
        method=(pa.string(), "atlas or paper: whose rules"),
        neuron=(pa.int32(), "position in the layer's hidden MLP vector"),
        pole=(pa.string(), "positive or negative"),
        example=(pa.int32(), "number of the example of this neuron and method, from 0"),
        split=(pa.string(), "train or validation"),
        position=(pa.int64(), "of the pivot in tokens.npy"),
        activation=(pa.float32(), "activation at the pivot in the whole document"),
        tokens=(pa.list_(pa.int32()), "what is left, the pivot token last; empty where pruning failed"),
        kept=(pa.float32(), "median activation of what is left"),
        start=(pa.bool_(), "the document begins here, and only there the activation is kept"),
        failed=(pa.bool_(), "no text kept the activation"),
    ),
    _contract(
        "saliency",
        "A pruned example with what is known of each of its tokens, in the order of the text.",
        method=(pa.string(), "atlas or paper: whose rules"),
        neuron=(pa.int32(), "position in the layer's hidden MLP vector"),
        pole=(pa.string(), "positive or negative"),
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
    _contract(
        "augment",
        "A token tried in the place of one that matters.",
        method=(pa.string(), "atlas or paper: whose rules"),
        neuron=(pa.int32(), "position in the layer's hidden MLP vector"),
        pole=(pa.string(), "positive or negative"),
        example=(pa.int32(), "number of the example of this neuron and method, from 0"),
        place=(pa.int32(), "index into the example's tokens"),
        token=(pa.int32(), "token id that was tried"),
        activation=(pa.float32(), "median activation with it"),
        kept=(pa.bool_(), "whether it serves there"),
    ),
    _contract(
        "logits",
        "A token that a neuron's weights push or read (n2g.weights.logits says how).",
        neuron=(pa.int32(), "position in the layer's hidden MLP vector"),
        pole=(pa.string(), "positive or negative; values have the pole's sign"),
        direction=(
            pa.string(),
            "promoted or suppressed by the output weights, or input_aligned: read by the input weights",
        ),
        rank=(pa.int32(), "0 for the strongest token of the direction"),
        token=(pa.int32(), "token id"),
        value=(
            pa.float32(),
            "effect on the token's logit, or of its embedding on the (gate's) pre-activation",
        ),
    ),
    _contract(
        "connections",
        "A neuron of another layer that a neuron is strongly connected with by weight (see n2g.weights.connections).",
        neuron=(pa.int32(), "position in the layer's hidden MLP vector"),
        pole=(pa.string(), "positive or negative; weights have the pole's sign"),
        direction=(pa.string(), "upstream: the other writes what the neuron reads; downstream: the reverse"),
        sign=(pa.string(), "positive or negative: of the weight"),
        rank=(pa.int32(), "0 for the strongest of the direction and sign"),
        other_layer=(pa.int32(), "layer of the other neuron"),
        other_neuron=(pa.int32(), "position of the other neuron, its positive pole"),
        weight=(pa.float32(), "strength of the connection"),
    ),
    _contract(
        "reproduced",
        "A neuron of a sample, computed anew from the inputs and compared with its published record.",
        layer=(pa.int32(), "layer number"),
        neuron=(pa.int32(), "position in the layer's hidden MLP vector"),
        pole=(pa.string(), "positive or negative"),
        outcome=(
            pa.string(),
            "identical, equivalent (same patterns, activations within tolerance) or different",
        ),
        published=(pa.string(), "SHA-256 of the published record"),
        recomputed=(pa.string(), "SHA-256 of the record computed anew"),
        largest_difference=(
            pa.float64(),
            "largest difference of a pattern's activation, as a share of the maximum",
        ),
        differences=(pa.list_(pa.string()), "what differs, a line each"),
    ),
    _contract(
        "patterns",
        "A pattern that decides whether a graph fires, its classes written out; sorted by token.",
        token=(pa.int32(), "activating token; -1 where it may be any"),
        layer=(pa.int32(), "layer of the neuron"),
        neuron=(pa.int32(), "position in the layer's hidden MLP vector"),
        pole=(pa.string(), "positive or negative"),
        pattern=(
            pa.list_(pa.int32()),
            "elements backwards from the activating token: a token id; -1 any one token; -2 the start of the text; "
            "-3 - n up to n tokens, any",
        ),
        activation=(pa.float64(), "predicted activation"),
        support=(pa.int32(), "firing training tokens that match the graph's pattern"),
        decision_threshold=(pa.float64(), "the graph fires from this predicted activation on"),
        scale=(pa.float64(), "largest activation of the neuron on train documents"),
    ),
    _contract(
        "similar",
        "One of the neurons that a neuron is most like in one way; sorted by neuron.",
        layer=(pa.int32(), "layer of the neuron"),
        neuron=(pa.int32(), "position in the layer's hidden MLP vector"),
        pole=(pa.string(), "positive or negative"),
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
    _contract(
        "diff",
        "Something that differs between a neuron and that of the same name in another run; sorted by neuron.",
        layer=(pa.int32(), "layer of the neuron"),
        neuron=(pa.int32(), "position in the layer's hidden MLP vector"),
        pole=(pa.string(), "positive or negative"),
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
    _contract(
        "explanations",
        "An explanation in words of a neuron, simulated on test texts; a neuron that no train text activates has none.",
        neuron=(pa.int32(), "position in the layer's hidden MLP vector"),
        pole=(pa.string(), "positive or negative"),
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
    _contract(
        "neurons",
        "A neuron of an export: what is known of it in numbers, and its sentence.",
        id=(pa.string(), "name, such as L3.N42; L3.N42- is the negative pole"),
        layer=(pa.int32(), "layer number"),
        neuron=(pa.int32(), "position in the layer's hidden MLP vector"),
        pole=(pa.string(), "positive or negative"),
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
CONTRACTS: dict[str, TableContract] = {contract.name: contract for contract in _ALL}


def describe() -> Iterator[tuple[TableContract, list[tuple[str, str, str]]]]:
    """Every contract with its columns as (name, type, meaning), for the documentation."""
    for contract in CONTRACTS.values():
        yield contract, [(name, str(kind), meaning) for name, (kind, meaning) in contract.columns.items()]
