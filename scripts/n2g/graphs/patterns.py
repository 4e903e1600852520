"""The patterns of a graph one by one, in a form that can be counted, compared and looked up.

A pattern is a tuple that reads backwards from the activating token. A token stands for itself; negative numbers say
what else may stand there: ANY one token, START (the text begins here), or a gap: `GAP - n` for up to n tokens. A class
is written out: a pattern for each of its tokens, with the activation that the graph predicts for it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations, product
from typing import Any

import numpy as np

from n2g.graphs.token_display import visible

ANY, START, GAP = -1, -2, -3
# A pattern with more fixed distances than this is compared as it is written.
DISTANCES = 4096

Pattern = tuple[int | str, ...]  # tokens as ids, or as texts where models differ
Texts = tuple[tuple[int, int | str], ...]  # (place counted from the activating token, token), ascending


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
            if len(pattern) > 1 or _fires(known[0], graph):
                found[pattern] = max(known, found.get(pattern, known))
    return found


def verified(graph: Mapping[str, Any] | None) -> dict[Pattern, float]:
    """The patterns that make a graph fire, with their predicted activations; none without a graph."""
    return {
        pattern: activation
        for pattern, (activation, _) in patterns(graph).items()
        if _fires(activation, graph)
    }


def specificity(pattern: Pattern) -> tuple[int, int]:
    """(elements that rule texts out, elements), as of `n2g.graphs.elements.Pattern`."""
    return sum(code == START or not is_free(code) for code in pattern), len(pattern)


def accepted(graph: Mapping[str, Any]) -> str:
    """SHA-256 that tells on which texts a graph fires: equal digests mean equal texts.

    The converse holds, as far as it does for `language`, where no pattern keeps another from firing. Where one may,
    the graphs must be written identically to have the same digest.
    """
    known = patterns(graph)
    firing = {pattern for pattern, (activation, _) in known.items() if _fires(activation, graph)}
    pivots = {pattern[0] for pattern in firing}
    hinder = [
        pattern
        for pattern in known.keys() - firing
        if pattern[0] in pivots or is_free(pattern[0]) or any(map(is_free, pivots))
    ]
    if not hinder:
        return language(firing)
    parts = (sorted(map(json.dumps, part)) for part in (firing, hinder))
    content = json.dumps([graph["method"] == "paper", *parts])
    return hashlib.sha256(content.encode()).hexdigest()


def is_free(code: int | str) -> bool:
    """Whether an element is no token."""
    return isinstance(code, int) and code < 0


def is_gap(code: int | str) -> bool:
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
) -> dict[str, Sequence]:
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


class Cover:
    """Which of many patterns cover a given one: they match wherever it does.

    What is found is always true. A pattern that only several others together cover is not found, nor one with a gap
    that is matched in another way at each of its distances.
    """

    def __init__(self, known: Iterable[Pattern]) -> None:
        self._children: list[dict[int | str, int]] = [{}]
        self._gaps: dict[int, list[tuple[int, int]]] = {}  # node -> children that are gaps, with their reach
        self._ends: dict[int, int] = {}
        for number, pattern in enumerate(known):
            at = 0
            for code in pattern:
                if code not in self._children[at]:
                    if is_gap(code):
                        self._gaps.setdefault(at, []).append((len(self._children), GAP - code))
                    self._children[at][code] = len(self._children)
                    self._children.append({})
                at = self._children[at][code]
            self._ends.setdefault(at, number)

    def covering(self, pattern: Pattern) -> list[int]:
        """Numbers of the known patterns that cover `pattern`, ascending."""
        found: set[int] = set()
        seen: set[tuple[int, int, int]] = set()
        todo = [
            (0, 0, 0)
        ]  # node, elements of `pattern` that are read, tokens that the node's gap may still skip
        while todo:
            state = todo.pop()
            if state in seen:
                continue
            seen.add(state)
            node, read, room = state
            if node in self._ends:
                found.add(self._ends[node])
            children = self._children[node]
            todo += [(to, read, reach) for to, reach in self._gaps.get(node, ())]
            if read == len(pattern):
                continue
            code = pattern[read]
            if code == START:
                todo += [(children[START], read, 0)] if START in children else []
                continue
            length = GAP - code if is_gap(code) else 1
            if length <= room:  # the known pattern's gap skips this element
                todo.append((node, read + 1, room - length))
            if not is_gap(code):
                todo += [(children[one], read + 1, 0) for one in {code, ANY} if one in children]
        return sorted(found)


def language(found: Iterable[Pattern]) -> str:
    """SHA-256 of what patterns accept together: equal for equal languages, however these are written.

    A text is accepted if any pattern matches at its end. Equal digests always mean equal languages. The converse
    holds as long as there are tokens that no pattern names, and no pattern allows more than DISTANCES distances.
    """
    large: list[list] = []
    small: list[tuple[Texts, int, bool]] = []
    for pattern in found:
        if _distances(pattern) > DISTANCES:
            large.append(_tidy(pattern))
        else:
            small.extend(_fixed(pattern))
    horizon = max((length for _, length, _ in small), default=0) + 1
    accepted: dict[
        Texts, set[int]
    ] = {}  # tokens in their places -> lengths of text; the horizon means all beyond
    for texts, length, whole in small:
        lengths = {length} if whole else range(length, horizon + 1)
        accepted.setdefault(texts, set()).update(lengths)
    canonical = []
    for texts, lengths in accepted.items():
        implied = set().union(*(accepted[part] for part in _parts(texts, accepted)))
        if rest := sorted(lengths - implied):
            canonical.append([texts, *_lengths(rest, horizon)])
    content = json.dumps([sorted(map(json.dumps, canonical)), sorted(map(json.dumps, large))])
    return hashlib.sha256(content.encode()).hexdigest()


def _choices(node: Mapping[str, Any]) -> list[tuple[int, float]]:
    """(code, factor of the activation) of each way to match a node."""
    kind = node["kind"]
    if kind in ("token", "class"):
        return list(zip(node["tokens"], node["weights"], strict=True))
    return [({"wildcard": ANY, "start": START}.get(kind, GAP - node.get("max", 0)), 1.0)]


def _fires(activation: float, graph: Mapping[str, Any]) -> bool:
    return activation > 0 and activation >= graph["decision_threshold"]


def _distances(pattern: Pattern) -> int:
    """How many texts of fixed length a pattern stands for."""
    count = 1
    for code in pattern:
        count *= GAP - code + 1 if is_gap(code) else 1
    return count


def _fixed(pattern: Pattern) -> Iterator[tuple[Texts, int, bool]]:
    """(tokens in their places, least number of tokens, whether the text has no more) for each fixed distance."""
    ranges = [range(GAP - code + 1) if is_gap(code) else (1,) for code in pattern]
    for lengths in product(*ranges):
        at, texts, whole, possible = 0, [], False, True
        for code, length in zip(pattern, lengths, strict=True):
            if code == START:
                whole = True
                continue
            possible &= not (whole and length)  # nothing stands before the start
            if not is_free(code):
                texts.append((at, code))
            at += length
        if possible:
            yield tuple(texts), at, whole


def _tidy(pattern: Pattern) -> list:
    """The pattern with each run of wildcards and gaps as [least, most] tokens."""
    tidy: list[Any] = []
    for code in pattern:
        if code == START or not is_free(code):
            tidy.append(code)
            continue
        least, most = (1, 1) if code == ANY else (0, GAP - code)
        if tidy and isinstance(tidy[-1], list):
            tidy[-1] = [tidy[-1][0] + least, tidy[-1][1] + most]
        else:
            tidy.append([least, most])
    return tidy


def _parts(texts: Texts, accepted: Mapping[Texts, Any]) -> list[Texts]:
    """Those keys of `accepted` that hold some of the tokens, but not all."""
    if 2 ** len(texts) < len(accepted):
        return [part for size in range(len(texts)) for part in combinations(texts, size) if part in accepted]
    own = set(texts)
    return [other for other in accepted if own > set(other)]


def _lengths(lengths: Sequence[int], horizon: int) -> tuple[list[int], int | None]:
    """Ascending lengths as those that stand alone, and the one from which on all are there (or None)."""
    if lengths[-1] != horizon:
        return list(lengths), None
    first = len(lengths) - 1
    while first and lengths[first - 1] == lengths[first] - 1:
        first -= 1
    return list(lengths[:first]), lengths[first]
