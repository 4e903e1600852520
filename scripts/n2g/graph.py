"""The neuron graph: a trie of patterns that is read backwards from the activating token, and predicts.

A pattern is a path from the root to a node that carries an `End`. Its first element is the activating
token (or class), each further element lies one step to the left in the text. networkx holds the trie.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

import networkx as nx
import numpy as np

VERSION = 1
KINDS = ("token", "class", "wildcard", "gap", "start")


@dataclass(frozen=True)
class Element:
    """One step of a pattern.

    kind: "token" or "class" (any one of `tokens`), "wildcard" (any one token), "gap" (0 to `max` tokens,
    any), "start" (nothing stands before). `tokens` is sorted; `weights` has one factor in (0, 1] per token.
    """

    kind: str
    tokens: tuple[int, ...] = ()
    weights: tuple[float, ...] = ()
    max: int = 0

    @property
    def key(self) -> tuple:
        """What the element accepts: elements of one parent with equal keys are one node."""
        return (KINDS.index(self.kind), self.max, self.tokens, self.weights)

    @property
    def is_constraint(self) -> bool:
        """Whether the element rules any text out."""
        return self.kind not in ("wildcard", "gap")


def one_of(tokens: Iterable[int], weights: Iterable[float] | None = None) -> Element:
    """The element that accepts any of `tokens`; a token given twice keeps its largest weight."""
    tokens = list(tokens)
    best: dict[int, float] = {}
    for token, weight in zip(tokens, weights if weights is not None else [1.0] * len(tokens), strict=True):
        best[int(token)] = max(best.get(int(token), 0.0), float(weight))
    kept = tuple(sorted(best))
    if not kept:
        raise ValueError("an element needs at least one token")
    return Element("token" if len(kept) == 1 else "class", kept, tuple(best[token] for token in kept))


WILDCARD = Element("wildcard")
START = Element("start")


def gap(longest: int) -> Element:
    """The element that skips 0 to `longest` tokens."""
    return Element("gap", max=int(longest))


@dataclass(frozen=True)
class End:
    """The end of a pattern: its activation (in the neuron's units), the training examples that support
    it, and the share of its training matches that fire (None where it was not counted)."""

    activation: float
    support: int = 1
    precision: float | None = None


@dataclass(frozen=True)
class Pattern:
    """Elements from the activating token backwards, the end, and per element its importance in [0, 1]."""

    elements: tuple[Element, ...]
    end: End
    importances: tuple[float, ...] = ()

    @property
    def specificity(self) -> tuple[int, int]:
        """(constraining elements, elements): the order in which a prediction prefers patterns."""
        return (sum(element.is_constraint for element in self.elements), len(self.elements))


@dataclass
class Match:
    """Where one pattern matched: pivot positions (int64, sorted) and predicted activations (float64)."""

    node: int
    specificity: tuple[int, int]
    positions: np.ndarray
    activations: np.ndarray


@dataclass
class _Frontier:
    """Partial matches: for each number of tokens consumed, the pivots and the product of weights so far."""

    at: dict[int, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    def add(self, consumed: int, pivots: np.ndarray, weights: np.ndarray) -> None:
        if len(pivots) == 0:
            return
        if consumed in self.at:
            pivots = np.concatenate([self.at[consumed][0], pivots])
            weights = np.concatenate([self.at[consumed][1], weights])
            order = np.lexsort((-weights, pivots))
            pivots, weights = pivots[order], weights[order]
            first = np.concatenate([[True], pivots[1:] != pivots[:-1]])
            pivots, weights = pivots[first], weights[first]
        self.at[consumed] = (pivots, weights)


class Index(Protocol):
    """What patterns are matched with: see :class:`TokenIndex`."""

    tokens: np.ndarray

    def positions(self, token: int) -> np.ndarray: ...
    def begins_of(self, positions: np.ndarray) -> np.ndarray: ...
    def every(self) -> np.ndarray: ...
    def parts(self) -> Iterable[Index]: ...


class TokenIndex:
    """Token ids of many sequences laid end to end, with the positions of each token.

    tokens: int array [n]; begins: int array [n], for each position the first position of its sequence that
    counts as text (after BOS). Positions before their own `begins` (BOS itself) never match.
    """

    def __init__(self, tokens: np.ndarray, begins: np.ndarray):
        self.tokens = np.asarray(tokens, dtype=np.int64)
        self.begins = np.asarray(begins, dtype=np.int64)

    @cached_property
    def _order(self) -> tuple[np.ndarray, np.ndarray]:
        order = np.argsort(self.tokens, kind="stable")
        return order, self.tokens[order]

    def positions(self, token: int) -> np.ndarray:
        """Sorted positions of `token`, BOS positions left out."""
        order, tokens = self._order
        low, high = np.searchsorted(tokens, [token, token + 1])
        found = order[low:high]
        return found[found >= self.begins[found]]

    def parts(self) -> Sequence[TokenIndex]:
        """These sequences, some at a time."""
        return [self]

    def begins_of(self, positions: np.ndarray) -> np.ndarray:
        """For each position the first one of its sequence that counts as text."""
        return self.begins[positions]

    def every(self) -> np.ndarray:
        """All positions but those of BOS, ascending."""
        return np.flatnonzero(np.arange(len(self.tokens)) >= self.begins)

    @classmethod
    def of(cls, sequences: Sequence[Sequence[int]], bos: int | None) -> TokenIndex:
        """Index of `sequences`; a leading `bos` is no text."""
        lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
        starts = np.concatenate([[0], np.cumsum(lengths)])[:-1].astype(np.int64)
        tokens = np.array([token for sequence in sequences for token in sequence], dtype=np.int64)
        has_bos = np.array(
            [bos is not None and len(s) > 0 and s[0] == bos for s in sequences], dtype=np.int64
        )
        return cls(tokens, np.repeat(starts + has_bos, lengths))


def _step(index: Index, frontier: _Frontier, element: Element) -> _Frontier:
    """The partial matches of `frontier` that `element` lets through."""
    after = _Frontier()
    if element.kind in ("token", "class"):
        accepted = np.asarray(element.tokens, dtype=np.int64)
        factors = np.asarray(element.weights, dtype=np.float64)
    for consumed, (pivots, weights) in frontier.at.items():
        left = pivots - consumed  # the position that the element looks at
        begins = index.begins_of(pivots)
        if element.kind == "start":
            here = left == begins - 1
            after.add(consumed, pivots[here], weights[here])
            continue
        if element.kind == "gap":
            for skipped in range(element.max + 1):
                here = left - skipped >= begins - 1
                after.add(consumed + skipped, pivots[here], weights[here])
            continue
        inside = left >= begins
        pivots, weights, left = pivots[inside], weights[inside], left[inside]
        if element.kind == "wildcard":
            after.add(consumed + 1, pivots, weights)
            continue
        tokens = index.tokens[left]
        slot = np.minimum(np.searchsorted(accepted, tokens), len(accepted) - 1)
        here = accepted[slot] == tokens
        after.add(consumed + 1, pivots[here], weights[here] * factors[slot[here]])
    return after


def _first(index: Index, element: Element) -> _Frontier:
    """Matches of the first element of a pattern."""
    frontier = _Frontier()
    if element.kind in ("token", "class"):
        found = [index.positions(token) for token in element.tokens]
        weights = [np.full(len(p), w) for p, w in zip(found, element.weights, strict=True)]
        pivots, products = np.concatenate(found), np.concatenate(weights)
        order = np.argsort(pivots, kind="stable")
        frontier.add(1, pivots[order], products[order])
        return frontier
    every = index.every()
    return _step(index, _Frontier({0: (every, np.ones(len(every)))}), element)


def match_pattern(index: Index, elements: Sequence[Element]) -> tuple[np.ndarray, np.ndarray]:
    """Pivots (sorted int64) at which `elements` match, and the product of the matched weights there."""
    frontier = _first(index, elements[0])
    for element in elements[1:]:
        frontier = _step(index, frontier, element)
    return _collect(frontier)


def gathered(matches: Iterable[Match]) -> tuple[list[Match], np.ndarray]:
    """The positions (int64, ascending) where anything matches, and the matches with positions counted among them."""
    matches = list(matches)
    places = np.unique(np.concatenate([np.zeros(0, np.int64), *(match.positions for match in matches)]))
    return [replace(match, positions=np.searchsorted(places, match.positions)) for match in matches], places


def _collect(frontier: _Frontier) -> tuple[np.ndarray, np.ndarray]:
    merged = _Frontier()
    for pivots, weights in frontier.at.values():
        merged.add(0, pivots, weights)
    return merged.at.get(0, (np.zeros(0, dtype=np.int64), np.zeros(0)))


class NeuronGraph:
    """A trie of patterns with the activations that they predict.

    cut: a predicted activation of at least this counts as firing. scale: the neuron's maximum activation
    on training text. Both in the units of the hook. bos: the id of the token that begins every sequence.
    """

    def __init__(
        self,
        patterns: Iterable[Pattern] = (),
        *,
        cut: float = 0.0,
        scale: float = 0.0,
        bos: int | None = None,
        method: str = "atlas",
    ):
        self.cut, self.scale, self.bos, self.method = float(cut), float(scale), bos, method
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

        def walk(node: int, frontier: _Frontier | None, specificity: tuple[int, int]) -> Iterator[Match]:
            for child in sorted(self.trie.successors(node)):
                data = self.trie.nodes[child]
                element = data["element"]
                reached = _first(index, element) if frontier is None else _step(index, frontier, element)
                if not reached.at:
                    continue
                rank = (specificity[0] + element.is_constraint, specificity[1] + 1)
                if data["end"] is not None:
                    pivots, weights = _collect(reached)
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
        """What `predict_index` says of the matches of some or all patterns in texts of `size` tokens."""
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
        return self.predict_index(TokenIndex.of([token_ids], self.bos))[0].tolist()

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
            "cut": self.cut,
            "scale": self.scale,
            "bos": self.bos,
            "nodes": nodes,
        }

    @classmethod
    def from_dict(cls, data: dict) -> NeuronGraph:
        """The graph that `to_dict` wrote. Raises ValueError on another version or a broken node."""
        if data.get("version") != VERSION:
            raise ValueError(f"graph version {data.get('version')!r} is not {VERSION}")
        graph = cls(cut=data["cut"], scale=data["scale"], bos=data["bos"], method=data["method"])
        for item in data["nodes"][1:]:
            if item["kind"] not in KINDS or item["parent"] not in graph.trie:
                raise ValueError(f"graph node {item['id']} is broken")
            element = Element(
                item["kind"],
                tuple(item.get("tokens", ())),
                tuple(float(weight) for weight in item.get("weights", ())),
                item.get("max", 0),
            )
            end = End(**item["end"]) if "end" in item else None
            graph.trie.add_node(item["id"], element=element, importance=float(item["importance"]), end=end)
            graph.trie.add_edge(item["parent"], item["id"])
        return graph


def _merge(old: End | None, new: End) -> End:
    """Two patterns that accept the same text are one: activations and precisions averaged by support."""
    if old is None:
        return new
    support = old.support + new.support
    share = new.support / support if support else 0.5
    precision = None
    if old.precision is not None and new.precision is not None:
        precision = old.precision * (1 - share) + new.precision * share
    return End(old.activation * (1 - share) + new.activation * share, support, precision)
