"""Scores of graphs and baselines on documents that had no part in making them.

Three test sets a neuron: `top` (the test documents with its largest activations, the paper's), `quantile` (as
many documents from each tenth of the random pool, by their largest activation) and `random` (the whole pool). A
fourth, `windows`, holds the test documents that the model saw through windows, so that these and the graphs are scored
on the same tokens. Every token but BOS counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import inf, nextafter
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa

from n2g.graphs.matching import TokenIndex
from n2g.graphs.rule_grammar import Spelling
from n2g.graphs.trie import NeuronGraph
from n2g.method.observations import Observations, by_unit, in_full
from n2g.metrics import firing_threshold, scores
from n2g.scores.baselines import Predictor, fit_baselines, observe
from n2g.scores.passage import Passage
from n2g.scores.windows import Windows
from n2g.texts.documents import Documents, locate

QUANTILES = 10
PER_QUANTILE = 10

Key = tuple[int, str]


@dataclass(frozen=True)
class HeldOut(Passage):
    """Test documents: the random pool first, then others that single neurons need. pool: how many are the pool."""

    pool: int

    @classmethod
    def beside(cls, documents: Documents, pool: np.ndarray, others: np.ndarray) -> HeldOut:
        """Raises ValueError where a document is not of the test split."""
        numbers = np.concatenate([pool, np.setdiff1d(others, pool)]).astype(np.int64)
        if not np.isin(numbers, documents.of("test")).all():
            raise ValueError("a document to test on is not of the test split")
        whole = Passage.of(documents, numbers)
        return cls(whole.numbers, whole.bounds, whole.index, whole.origin, len(pool))


@dataclass(frozen=True)
class Truth:
    """The actual activations of one neuron on the held-out documents.

    activations: float64 [token]. threshold: the activation from which it fires. firing: bool [token]. sets: test set ->
    document numbers, the documents of `top` and `quantile` in falling order of their largest activation.
    """

    activations: np.ndarray
    threshold: float
    firing: np.ndarray
    sets: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class GraphPredictor:
    """A graph behind the interface of the baselines; no graph predicts 0. What is predicted 0 never fires."""

    graph: NeuronGraph | None

    @property
    def decision_threshold(self) -> float:
        return max(self.graph.decision_threshold, nextafter(0.0, 1.0)) if self.graph else inf

    def predict(self, index: TokenIndex) -> np.ndarray:
        """float64 [token]."""
        return self.predict_nodes(index)[0]

    def predict_nodes(self, index: TokenIndex) -> tuple[np.ndarray, np.ndarray]:
        """Predictions (float64 [token]) and the nodes that decide (int64 [token], 0: none)."""
        if self.graph is None:
            return np.zeros(len(index.tokens)), np.zeros(len(index.tokens), dtype=np.int64)
        return self.graph.predict_index(index)


@dataclass(frozen=True)
class Evaluation:
    """Everything about one (neuron, pole): its truth, its predictors, and what they predict (float64
    [token]) on the held-out documents; `nodes` (int64 [token]) are those that decide in the graph."""

    key: Key
    truth: Truth
    predictors: Mapping[str, Predictor]
    predictions: Mapping[str, np.ndarray]
    nodes: np.ndarray


def hold_out(documents: Documents, observations: Observations) -> HeldOut:
    """The test documents of a block: the pool, and the top test documents of its neurons."""
    examples = observations.examples
    top = examples["document"].to_numpy()[examples["split"].to_numpy(zero_copy_only=False) == "test"]
    return HeldOut.beside(documents, observations.pools["test_documents"], np.unique(top))


def evaluate(
    documents: Documents,
    observations: Observations,
    graphs: Mapping[Key, Mapping[str, Mapping[str, Any]]],
    share: float = 0.5,
    texts_only: Mapping[Key, NeuronGraph] = MappingProxyType({}),
    windows: Windows | None = None,
    spelling: Spelling | None = None,
) -> Iterator[Evaluation]:
    """Predict the held-out documents of every (neuron, pole) of a block, one after the other.

    Args:
        documents: the whole corpus.
        observations: what the pass over the corpus found for the block.
        graphs: what `graph_file` reads: one line of the run's method for each (neuron, pole), and
            maybe one of method `paper` beside it. Without a line, or without a graph in it, nothing is
            predicted.
        share: a neuron fires from this share of its training maximum on.
        texts_only: what `texts_only.fit_texts_only` gives, one more baseline; a unit may be missing.
        windows: what the model does where it sees only the last tokens; without any, that test set is left out.
        spelling: reads the rules of the lines, which are left out without it.
    """
    texts = hold_out(documents, observations)
    seen = dict(observe(documents.without_test(), observations.without_test(documents)))
    for key, truth in truths(texts, observations, share):
        own = graph_predictors(graphs.get(key, {}), spelling)
        predictors: dict[str, Predictor] = {**own, **fit_baselines(seen[key], share)}
        if key in texts_only:
            predictors["texts_only"] = GraphPredictor(texts_only[key])
        if windows and len(windows.documents):
            predictors |= windows.predictors(key, texts.origin, truth.threshold)
            sampled = np.intersect1d(windows.documents, truth.sets["random"])
            truth = replace(truth, sets={**truth.sets, "windows": sampled})
        predicted, nodes = own["graph"].predict_nodes(texts.index)
        others = {name: one.predict(texts.index) for name, one in predictors.items() if name != "graph"}
        yield Evaluation(key, truth, predictors, {"graph": predicted, **others}, nodes)


def graph_predictors(
    lines: Mapping[str, Mapping[str, Any]], spelling: Spelling | None = None
) -> dict[str, GraphPredictor]:
    """`graph`, that of the run's own method; `rule`, what its line of text says; and `paper` where there is another of
    that method."""
    made = {
        method: GraphPredictor(NeuronGraph.from_dict(line["graph"]) if line.get("graph") else None)
        for method, line in lines.items()
    }
    own = next((method for method in made if method != "paper"), "paper")
    found = {"graph": made.pop(own, GraphPredictor(None))}
    rule = lines[own].get("rule") if own in lines else None
    if rule and spelling:
        written, graph = spelling.read(rule["line"]), found["graph"].graph
        found["rule"] = GraphPredictor(
            written.graph(rule["activation"], graph.bos) if written.patterns and graph else None
        )
    return found | {name: one for name, one in made.items() if name == "paper"}


def truths(texts: HeldOut, observations: Observations, share: float) -> Iterator[tuple[Key, Truth]]:
    """The actual activations of every (neuron, pole) of the block on held-out documents, in the order of the table."""
    statistics, nothing = observations.statistics, observations.firings.slice(0, 0)
    firings, examples = dict(by_unit(observations.firings)), dict(by_unit(observations.examples))
    for row, unit in enumerate(statistics.select(["neuron", "pole", "maximum", "floor"]).to_pylist()):
        key = unit["neuron"], unit["pole"]
        pooled = in_full(observations.pools["test"][row])
        activations = np.zeros(len(texts.origin))
        activations[: len(pooled)] = pooled
        exact = np.zeros(len(activations), dtype=bool)
        top = _top(examples.get(key, observations.examples.slice(0, 0)))
        for document, values in top.items():
            activations[texts.span(document)], exact[texts.span(document)] = values, True
        found = firings.get(key, nothing)
        inside, place = locate(texts.origin, found["position"].to_numpy())
        activations[place], exact[place] = found["activation"].to_numpy()[inside], True
        threshold = firing_threshold(unit["maximum"], share)
        # Below the floor nothing is listed; half precision decides only where the floor lies above the firing
        # threshold.
        firing = (activations >= threshold) & (exact | (unit["floor"] > threshold))
        firing[texts.bounds[:-1]] = False
        sets = {
            "top": np.array(list(top), dtype=np.int64),
            "quantile": quantile_documents(texts, activations),
            "random": texts.numbers[: texts.pool],
        }
        yield key, Truth(activations, threshold, firing, sets)


def _top(rows: pa.Table) -> dict[int, np.ndarray]:
    """Test documents with the largest activations, the largest first, and all their activations."""
    chosen = sorted((r for r in rows.to_pylist() if r["split"] == "test"), key=lambda r: r["rank"])
    return {r["document"]: np.array(r["activations"], dtype=np.float64) for r in chosen}


def quantile_documents(texts: HeldOut, activations: np.ndarray) -> np.ndarray:
    """Pool documents, equally many from each tenth of the pool by largest activation, the largest first.

    Within a tenth every n-th document is taken, from the middle of each n. Where the pool is small, each
    tenth gives fewer than PER_QUANTILE. Ties are ordered by document number.
    """
    values = activations.copy()
    values[texts.bounds[:-1]] = -inf  # BOS
    peaks = np.maximum.reduceat(values, texts.bounds[:-1])[: texts.pool] if texts.pool else np.zeros(0)
    numbers = texts.numbers[: texts.pool]
    parts = np.array_split(np.lexsort((numbers, -peaks)), QUANTILES)
    count = min(PER_QUANTILE, min(map(len, parts)))
    picks = [part[((np.arange(count) + 0.5) * len(part) / max(count, 1)).astype(np.int64)] for part in parts]
    return numbers[np.concatenate(picks)]


def node_rows(texts: HeldOut, evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    """Rows of the `nodes` table: for each pattern what it says on the top and the random documents, and how often it is
    right."""
    fires = evaluation.predictions["graph"] >= evaluation.predictors["graph"].decision_threshold
    for name in ("top", "random"):
        at = texts.tokens_of(evaluation.truth.sets[name])
        at = at[fires[at] & (evaluation.nodes[at] > 0)]
        nodes, inverse = np.unique(evaluation.nodes[at], return_inverse=True)
        hits = np.bincount(inverse[evaluation.truth.firing[at]], minlength=len(nodes))
        predicted = np.bincount(inverse, minlength=len(nodes))
        for node, said, right in zip(nodes.tolist(), predicted.tolist(), hits.tolist(), strict=True):
            yield {
                "neuron": evaluation.key[0],
                "pole": evaluation.key[1],
                "node": node,
                "set": name,
                "predicted": said,
                "hits": right,
            }


def score_rows(texts: HeldOut, evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    """Rows of the `evaluate` table: each test set with each predictor."""
    truth = evaluation.truth
    for name, numbers in truth.sets.items():
        at = texts.tokens_of(numbers)
        real, firing = truth.activations[at], truth.firing[at]
        for predictor, predicted in evaluation.predictions.items():
            if predictor.startswith("window_") and name != "windows":
                continue
            threshold = evaluation.predictors[predictor].decision_threshold
            yield {
                "neuron": evaluation.key[0],
                "pole": evaluation.key[1],
                "set": name,
                "predictor": predictor,
                "documents": len(numbers),
                **scores(real, predicted[at], firing, threshold),
            }
