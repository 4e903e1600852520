"""From candidates to the graph of method "atlas": what validation chooses, and the patterns that are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from n2g.graphs.elements import Pattern
from n2g.graphs.matching import gathered
from n2g.graphs.trie import NeuronGraph
from n2g.method.candidates import Fired, Selection
from n2g.method.evidence import Evidence
from n2g.method.token_classes import pattern_order, to_patterns
from n2g.metrics import f1_score
from n2g.settings import Settings

# By how much validation must be better before the smaller graph is left.
LARGER = 0.01


@dataclass(frozen=True)
class Choice:
    """What validation decides: the least precision of a pattern, and the most nodes."""

    least: float
    nodes: int


def usual(settings: Settings) -> Choice:
    """What is chosen where validation has nothing to say: the first of each."""
    return Choice(settings.precisions[0], settings.max_nodes[0])


def build(
    selection: Selection, fired: Sequence[Fired], sweep: Mapping[int, float], maximum: float, choice: Choice
) -> NeuronGraph:
    """The graph of method "atlas" for a given choice."""
    settings = selection.settings
    patterns = to_patterns(selection.choose(fired, sweep, choice.least), settings.trust)
    kept = best_supported(patterns, choice.nodes)
    threshold = settings.decision_threshold * selection.evidence.threshold
    return NeuronGraph(kept, decision_threshold=threshold, scale=maximum, bos=settings.bos, method="atlas")


def best_supported(patterns: Sequence[Pattern], nodes: int) -> list[Pattern]:
    """The patterns with the most support (then activation) that together have at most `nodes` elements; always the
    first one."""
    kept, used = [], 0
    for pattern in sorted(patterns, key=lambda p: (-p.end.support, -p.end.activation, pattern_order(p))):
        if used + len(pattern.elements) <= nodes or not kept:
            kept.append(pattern)
            used += len(pattern.elements)
    return kept


def choose(
    train: Selection,
    fired: Sequence[Fired],
    sweep: Mapping[int, float],
    validation: Evidence,
    top_documents: Sequence[int],
) -> Choice:
    """The choice with the best F1 on all validation tokens plus `settings.top_weight` times that on the tokens of
    `top_documents`; the first of `settings.precisions` and `max_nodes` unless another is clearly better. Another
    precision must be so by a share that is the larger, the fewer firing tokens the validation documents hold.
    """
    settings = train.settings
    first = best = usual(settings)
    texts, firing = validation.texts, validation.firing
    if not len(firing):
        return best
    near = np.isin(texts.numbers, top_documents)
    firing_near = np.count_nonzero(near[texts.rows(firing)])
    lead = len(firing) ** -0.5
    most = -1.0
    for least in settings.precisions:
        patterns = to_patterns(train.choose(fired, sweep, least), settings.trust)
        for nodes in settings.max_nodes:
            graph = NeuronGraph(best_supported(patterns, nodes), bos=settings.bos, method="atlas")
            matches, places = gathered(graph.matches(texts))
            predicted, _ = graph.decide(matches, len(places))
            hit, close = validation.at(places) >= validation.threshold, near[texts.rows(places)]
            fires = predicted >= settings.decision_threshold * train.evidence.threshold
            hits, said = np.count_nonzero(fires & hit), np.count_nonzero(fires)
            hits_near, said_near = np.count_nonzero(fires & hit & close), np.count_nonzero(fires & close)
            gain = f1_score(hits, said, len(firing))
            gain += settings.top_weight * f1_score(hits_near, said_near, firing_near)
            gain = gain * (1 + lead * (least == first.least)) + LARGER * (nodes == first.nodes)
            if gain > most:
                most, best = gain, Choice(least, nodes)
    return best
