"""The patterns of a graph one by one, in a form that can be counted, compared and looked up.

A pattern is a tuple that reads backwards from the activating token. A token stands for itself; negative numbers say
what else may stand there: ANY one token, START (the text begins here), or a gap: `GAP - n` for up to n tokens. A class
is written out: a pattern for each of its tokens, with the activation that the graph predicts for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

import numpy as np

from n2g.graphs.token_display import visible

ANY, START, GAP = -1, -2, -3

Pattern = tuple[int | str, ...]  # tokens as ids, or as texts where models differ


def patterns(graph: Mapping[str, Any] | None) -> dict[Pattern, tuple[float, int]]:
    """(predicted activation, training examples) of each pattern that decides whether a graph fires.

    Single tokens that are predicted below the decision threshold are left out: they give the background level, and any
    other match takes precedence. Other patterns below it are kept, as they keep less specific ones from firing.

    graph: the form of `NeuronGraph.to_dict()`, or None, which has no patterns. What it predicts for a token is the
    activation of the pattern with the largest `specificity` that matches, the largest activation if there are several;
    except with method "paper".
    """
    found: dict[Pattern, tuple[float, int]] = {}
    written: dict[int, list[tuple[Pattern, float]]] = {0: [((), 1.0)]}
    for node in graph["nodes"][1:] if graph else ():
        choices = _choices(node)
        written[node["id"]] = [
            ((*before, code), weight * factor)
            for before, weight in written[node["parent"]]
            for code, factor in choices
        ]
        for pattern, weight in written[node["id"]] if "end" in node else ():
            known = (weight * node["end"]["activation"], node["end"]["support"])
            if len(pattern) > 1 or reaches_threshold(known[0], graph):
                found[pattern] = max(known, found.get(pattern, known))
    return found


def verified(graph: Mapping[str, Any] | None) -> dict[Pattern, float]:
    """The patterns that make a graph fire, with their predicted activations; none without a graph."""
    return {
        pattern: activation
        for pattern, (activation, _) in patterns(graph).items()
        if reaches_threshold(activation, graph)
    }


def specificity(pattern: Pattern) -> tuple[int, int]:
    """(elements that rule texts out, elements), as of `n2g.graphs.elements.Pattern`."""
    return sum(code == START or not is_free(code) for code in pattern), len(pattern)


def is_free(code: int | str) -> TypeGuard[int]:
    """Whether an element is no token."""
    return isinstance(code, int) and code < 0


def is_gap(code: int | str) -> TypeGuard[int]:
    """Whether an element is a gap."""
    return isinstance(code, int) and code <= GAP


def worded(graph: Mapping[str, Any] | None, words: Mapping[int, str]) -> dict[str, Any] | None:
    """The graph with texts in place of token ids, to be compared with that of another model.

    Tokens without a text are left out: records have none for those that only tell the level of the background.
    """
    if graph is None:
        return None
    nodes = []
    for node in graph["nodes"]:
        if "tokens" in node:
            known = [pair for pair in zip(node["tokens"], node["weights"], strict=True) if pair[0] in words]
            texts, weights = [words[token] for token, _ in known], [weight for _, weight in known]
            node = {**node, "tokens": texts, "weights": weights}
        nodes.append(node)
    return {**graph, "nodes": nodes}


def spell(pattern: Sequence[int | str], words: Sequence[str]) -> str:
    """A pattern in the order of the text: tokens with their spaces visible, what may stand between them in brackets."""

    def shown(code: int | str) -> str:
        if isinstance(code, str) or not is_free(code):
            return visible(code if isinstance(code, str) else words[code])
        return "[…]" if is_gap(code) else {ANY: "[any]", START: "[start]"}[code]

    return " ".join(shown(code) for code in reversed(pattern))


def loose(pattern: Pattern) -> Pattern:
    """The pattern with the reach of its gaps left out."""
    return tuple(max(code, GAP - 1) if is_free(code) else code for code in pattern)


def profile(found: Mapping[Pattern, float]) -> dict[Pattern, float]:
    """Loose patterns with their weights: the predicted activation as a share of the graph's largest, in (0, 1]."""
    largest = max(found.values(), default=1.0)
    weights: dict[Pattern, float] = {}
    for pattern, activation in found.items():
        key = loose(pattern)
        weights[key] = max(activation / largest, weights.get(key, 0.0))
    return weights


def matches(pattern: Pattern, text: Sequence[int | str]) -> bool:
    """Whether a pattern matches at the end of a text (without BOS)."""
    ends = {len(text)}  # where the part of the text that is still to be read may end
    for code in pattern:
        if code == START:
            ends &= {0}
        elif is_gap(code):
            ends = {end - skipped for end in ends for skipped in range(min(GAP - code, end) + 1)}
        else:
            ends = {end - 1 for end in ends if end and (code == ANY or text[end - 1] == code)}
        if not ends:
            return False
    return True


def pattern_columns(
    graphs: Sequence[Mapping[str, Any] | None], units: Sequence[tuple[int, int, str]]
) -> dict[str, Sequence | np.ndarray]:
    """The columns of the `patterns` table: all patterns of the graphs of some units (layer, neuron, pole)."""
    rows: list[tuple[int, float, int]] = []  # unit, activation, support
    written: list[Pattern] = []
    for number, graph in enumerate(graphs):
        for pattern, known in patterns(graph).items():
            rows.append((number, *known))
            written.append(pattern)
    tokens = np.array([max(pattern[0], -1) for pattern in written], dtype=np.int32)
    order = np.argsort(tokens, kind="stable")
    at = np.array([rows[place][0] for place in order], dtype=np.int64)
    layers, neurons, poles = zip(*units, strict=True)
    thresholds, scales = (
        [graph[key] if graph else 0.0 for graph in graphs] for key in ("decision_threshold", "scale")
    )
    return {
        "token": tokens[order],
        "layer": np.array(layers)[at],
        "neuron": np.array(neurons)[at],
        "pole": np.array(poles)[at],
        "pattern": [written[place] for place in order],
        "activation": [rows[place][1] for place in order],
        "support": [rows[place][2] for place in order],
        "decision_threshold": np.array(thresholds)[at],
        "scale": np.array(scales)[at],
    }


def _choices(node: Mapping[str, Any]) -> list[tuple[int, float]]:
    """(code, factor of the activation) of each way to match a node."""
    kind = node["kind"]
    if kind in ("token", "class"):
        return list(zip(node["tokens"], node["weights"], strict=True))
    return [({"wildcard": ANY, "start": START}.get(kind, GAP - node.get("max", 0)), 1.0)]


def reaches_threshold(activation: float, graph: Mapping[str, Any] | None) -> bool:
    return graph is not None and activation > 0 and activation >= graph["decision_threshold"]
