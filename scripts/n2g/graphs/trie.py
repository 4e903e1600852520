"""The neuron graph: a trie of patterns, read backwards from the activating token, that predicts activations.

A pattern is a path from the root to a node that carries an `End`. Its first element is the activating
token (or class), each further element lies one step to the left in the text. networkx holds the trie.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence

import networkx as nx
import numpy as np

from n2g.graphs.elements import KINDS, Element, End, Pattern
from n2g.graphs.matching import Frontier, Index, Match, TokenIndex, collect, first, step

VERSION = 2


class NeuronGraph:
    """A trie of patterns with the activations that they predict.

    decision_threshold: a predicted activation of at least this counts as firing. scale: the neuron's maximum activation
    on training documents. Both in the units of the hook. bos: the id of the token that begins every sequence.
    """

    def __init__(
        self,
        patterns: Iterable[Pattern] = (),
        *,
        decision_threshold: float = 0.0,
        scale: float = 0.0,
        bos: int | None = None,
        method: str = "atlas",
    ):
        self.decision_threshold, self.scale, self.bos, self.method = (
            float(decision_threshold),
            float(scale),
            bos,
            method,
        )
        self.trie = nx.DiGraph()
        self.trie.add_node(0)
        self._build(list(patterns))

    def _build(self, patterns: list[Pattern]) -> None:
        """Insert in canonical order, so that the graph does not depend on the order of `patterns`."""
        children: dict[tuple[int, tuple], int] = {}
        patterns.sort(key=lambda p: ([e.key for e in p.elements], p.end.activation, p.end.support))
        for pattern in patterns:
            if not pattern.elements:
                raise ValueError("a pattern needs at least one element")
            node = 0
            importances = pattern.importances or (1.0,) * len(pattern.elements)
            for element, importance in zip(pattern.elements, importances, strict=True):
                child = children.get((node, element.key))
                if child is None:
                    child = self.trie.number_of_nodes()
                    children[(node, element.key)] = child
                    self.trie.add_node(child, element=element, importance=0.0, end=None)
                    self.trie.add_edge(node, child)
                data = self.trie.nodes[child]
                data["importance"] = max(data["importance"], float(importance))
                node = child
            self.trie.nodes[node]["end"] = _merge(self.trie.nodes[node]["end"], pattern.end)

    def patterns(self) -> Iterator[Pattern]:
        """Every pattern, in the canonical order of the trie."""

        def walk(node: int, elements: tuple, importances: tuple) -> Iterator[Pattern]:
            for child in sorted(self.trie.successors(node)):
                data = self.trie.nodes[child]
                path = (*elements, data["element"]), (*importances, data["importance"])
                if data["end"] is not None:
                    yield Pattern(path[0], data["end"], path[1])
                yield from walk(child, *path)

        yield from walk(0, (), ())

    def matches(self, index: Index) -> Iterator[Match]:
        """Every pattern that matches somewhere, each once, by full search (as if with backtracking)."""

        def walk(node: int, frontier: Frontier | None, specificity: tuple[int, int]) -> Iterator[Match]:
            for child in sorted(self.trie.successors(node)):
                data = self.trie.nodes[child]
                element = data["element"]
                reached = first(index, element) if frontier is None else step(index, frontier, element)
                if not reached.at:
                    continue
                rank = (specificity[0] + element.is_constraint, specificity[1] + 1)
                if data["end"] is not None:
                    pivots, weights = collect(reached)
                    yield Match(child, rank, pivots, weights * data["end"].activation)
                yield from walk(child, reached, rank)

        yield from walk(0, None, (0, 0))

    def predict_index(self, index: TokenIndex) -> tuple[np.ndarray, np.ndarray]:
        """Predicted activation (float64 [n]) and deciding node (int64 [n], 0 = none) at every position.

        Where several patterns match, the most specific one decides: most constraining elements, then most
        elements, then the larger activation (with method "paper" the longest: most elements, then most
        constraining ones). Nothing matches: 0.
        """
        return self.decide(self.matches(index), len(index.tokens))

    def decide(self, matches: Iterable[Match], size: int) -> tuple[np.ndarray, np.ndarray]:
        """The predictions of `predict_index`, given the matches of some or all patterns in texts of `size` tokens."""
        predicted, decided = np.zeros(size), np.zeros(size, dtype=np.int64)
        rank = np.zeros(size, dtype=np.int64)
        for match in matches:
            major, minor = match.specificity if self.method != "paper" else match.specificity[::-1]
            level = (major << 20) + minor
            at, value = match.positions, match.activations
            better = (rank[at] < level) | ((rank[at] == level) & (predicted[at] < value))
            at = at[better]
            predicted[at], decided[at], rank[at] = value[better], match.node, level
        return predicted, decided

    def predict(self, token_ids: Sequence[int]) -> list[float]:
        """Predicted activation of each token of one sequence; a leading BOS is predicted 0."""
        return self.predict_texts([token_ids])[0].tolist()

    def predict_texts(self, texts: Sequence[Sequence[int]]) -> list[np.ndarray]:
        """The same of several sequences at once, float64 [token] each."""
        predicted, _ = self.predict_index(TokenIndex.of(texts, self.bos))
        ends = np.cumsum([len(text) for text in texts], dtype=np.int64)
        return np.split(predicted, ends)[:-1]

    def to_dict(self) -> dict:
        """A JSON-ready form; `from_dict` reads it back."""
        nodes: list[dict] = [{"id": 0, "parent": None}]
        for node in range(1, self.trie.number_of_nodes()):
            data = self.trie.nodes[node]
            element: Element = data["element"]
            item = {"id": node, "parent": next(self.trie.predecessors(node)), "kind": element.kind}
            if element.tokens:
                item |= {"tokens": list(element.tokens), "weights": list(element.weights)}
            if element.kind == "gap":
                item["max"] = element.max
            item["importance"] = data["importance"]
            if data["end"] is not None:
                end: End = data["end"]
                item["end"] = {
                    "activation": end.activation,
                    "support": end.support,
                    "precision": end.precision,
                }
            nodes.append(item)
        return {
            "version": VERSION,
            "method": self.method,
            "decision_threshold": self.decision_threshold,
            "scale": self.scale,
            "bos": self.bos,
            "nodes": nodes,
        }

    @classmethod
    def from_dict(cls, data: Mapping) -> NeuronGraph:
        """The graph that `to_dict` wrote. Raises ValueError on another version or a broken node."""
        version = data.get("version") if isinstance(data, Mapping) else None
        if version != VERSION:
            raise ValueError(f"graph version {version!r} is not {VERSION}")
        graph = cls(
            decision_threshold=data["decision_threshold"],
            scale=data["scale"],
            bos=data["bos"],
            method=data["method"],
        )
        for item in data["nodes"][1:]:
            if item["kind"] not in KINDS or item["parent"] not in graph.trie:
                raise ValueError(f"graph node {item['id']} is broken")
            element = Element(
                item["kind"],
                tuple(map(operator.index, item.get("tokens", ()))),
                tuple(float(weight) for weight in item.get("weights", ())),
                operator.index(item.get("max", 0)),
            )
            holds = element.kind in ("token", "class")
            if holds != bool(element.tokens) or len(element.tokens) != len(element.weights):
                raise ValueError(f"graph node {item['id']} is broken")
            end = _end(**item["end"]) if "end" in item else None
            graph.trie.add_node(item["id"], element=element, importance=float(item["importance"]), end=end)
            graph.trie.add_edge(item["parent"], item["id"])
        return graph


def _end(activation: float, support: int, precision: float | None) -> End:
    return End(float(activation), operator.index(support), None if precision is None else float(precision))


def _merge(old: End | None, new: End) -> End:
    """Patterns that accept the same texts are merged: activations and precisions are averaged by support."""
    if old is None:
        return new
    support = old.support + new.support
    share = new.support / support if support else 0.5
    precision = None
    if old.precision is not None and new.precision is not None:
        precision = old.precision * (1 - share) + new.precision * share
    return End(old.activation * (1 - share) + new.activation * share, support, precision)
