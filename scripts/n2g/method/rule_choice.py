"""The rule of a neuron: the few patterns that say, in one line, most of what its graph says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from n2g.graphs.elements import START, WILDCARD, End, Pattern, exactly, gap
from n2g.graphs.matching import match_pattern
from n2g.graphs.patterns import ANY, GAP, is_gap, verified
from n2g.graphs.patterns import START as START_CODE
from n2g.graphs.rule import Elements, Rule
from n2g.graphs.rule_grammar import Spelling
from n2g.method.evidence import Evidence, Texts
from n2g.method.fitting_data import FittingBlock, Unit
from n2g.method.graph import fit_unit
from n2g.method.token_classes import merge_classes

# What a character costs: a pattern is taken if it adds this much to F1 for each of its characters.
CHARACTER = 0.0026
# Weight of F1 on the top documents against F1 on all of them.
TOP = 1.0
# Longest literal text that is a candidate, how often one of several tokens has to fire, the least precision of any
# candidate, and the precision from which a literal text is not made longer.
LITERAL, TWICE, PRECISE, PURE = 4, 2, 0.05, 0.8
# Candidates that are compared: those that do best alone.
COMPARED = 400


@dataclass(frozen=True)
class _Candidate:
    elements: Elements
    positions: np.ndarray  # where it matches, int64
    cost: float


def choose_rule(
    graph: Mapping[str, Any],
    held: Evidence[Texts],
    top: Sequence[int],
    spelling: Spelling,
    character: float = CHARACTER,
) -> Rule:
    """The patterns that together give the best F1 on these documents for the characters that they take.

    Candidates are the patterns of the graph that fire, written out token by token, and the literal texts that end at
    firing tokens. One after the other is taken that gains most, until none gains more than its characters cost.

    Args:
        graph: in the form of `NeuronGraph.to_dict()`.
        held: the neuron on training and validation documents.
        top: the documents among these with its largest activations.
        spelling: how tokens are written.
        character: what a character costs.
    """
    found = list(_candidates(graph, held, spelling, character))
    taken = _greedy(found, held, top)
    return _shorter(Rule(tuple(one.elements for one in taken)), spelling)


def mean_activation(rule: Rule, held: Evidence[Texts]) -> float:
    """The mean activation of the tokens that the rule matches, 0 where it matches none."""
    found = [match_pattern(held.texts, elements)[0] for elements in rule.patterns]
    positions = np.unique(np.concatenate(found)) if found else np.zeros(0, dtype=np.int64)
    return float(held.at(positions).astype(np.float64).mean()) if len(positions) else 0.0


def half_graphs(block: FittingBlock, unit: Unit) -> Iterator[tuple[dict[str, Any], Evidence[Texts]]]:
    """For each half of the training and validation documents the graph that it gives alone, without asking the model,
    and the neuron there. Only the firing threshold is that of all training documents. Nothing where the documents
    cannot be halved."""
    for half in block.halves:
        graph = fit_unit(half, unit, fired=[], alone={}, background={})
        yield graph.to_dict(), half.evidence(unit, half.both)


def half_rules(block: FittingBlock, unit: Unit, spelling: Spelling) -> list[Rule]:
    """The rules of these graphs."""
    return [
        choose_rule(graph, held, unit.top_documents, spelling) for graph, held in half_graphs(block, unit)
    ]


def _candidates(
    graph: Mapping[str, Any], held: Evidence[Texts], spelling: Spelling, character: float
) -> Iterator[_Candidate]:
    known: set[Elements] = set()
    for candidate in chain(_literals(held), _verified(graph, held)):
        elements, positions, hits = candidate
        if elements not in known and hits and hits >= PRECISE * len(positions):
            length = len(spelling.write(Rule((elements,)))) + 1
            yield _Candidate(elements, positions, character * length)
        known.add(elements)


def _verified(graph: Mapping[str, Any], held: Evidence[Texts]) -> Iterator[tuple[Elements, np.ndarray, int]]:
    """The patterns of the graph that fire, where they match, and how often they are right."""
    for pattern in verified(graph):
        elements = tuple(_element(code) for code in pattern)
        positions, _ = match_pattern(held.texts, elements)
        yield elements, positions, int(np.count_nonzero(held.at(positions) >= held.threshold))


def _literals(held: Evidence[Texts]) -> Iterator[tuple[Elements, np.ndarray, int]]:
    """The same of the texts of up to LITERAL tokens that end at firing tokens: those of several tokens if they fire
    TWICE, and if the text without their first token is not PURE already."""
    texts, left = held.texts, held.firing
    for length in range(1, LITERAL + 1):
        if len(left):
            left = left[left - texts.begins_of(left) >= length - 1]
        read = texts.tokens[left[:, None] - np.arange(length)]
        kinds, inverse, counts = np.unique(read, axis=0, return_inverse=True, return_counts=True)
        mixed = np.zeros(len(kinds), dtype=bool)
        for row, (tokens, count) in enumerate(zip(kinds.tolist(), counts.tolist(), strict=True)):
            if length == 1 or count >= TWICE:
                elements = tuple(exactly(token) for token in tokens)
                positions, _ = match_pattern(texts, elements)
                mixed[row] = count < PURE * len(positions)
                yield elements, positions, count
        left = left[mixed[inverse.ravel()]]


def _element(code: int | str) -> Any:
    if is_gap(code):
        return gap(GAP - code)
    return {ANY: WILDCARD, START_CODE: START}.get(code) or exactly(int(code))


def _greedy(found: Sequence[_Candidate], held: Evidence[Texts], top: Sequence[int]) -> list[_Candidate]:
    if not found:
        return []
    places, inverse = np.unique(np.concatenate([one.positions for one in found]), return_inverse=True)
    columns = np.split(inverse, np.cumsum([len(one.positions) for one in found])[:-1])
    fires = held.at(places) >= held.threshold
    near = np.isin(held.texts.numbers[held.texts.rows(places)], top)
    kinds = np.stack([fires, np.ones_like(fires), fires & near, near], axis=1).astype(np.int64)
    rows = held.texts.rows(held.firing)
    firing = np.array([len(rows), np.count_nonzero(np.isin(held.texts.numbers[rows], top))])
    costs = np.array([one.cost for one in found])
    counts = np.array([kinds[column].sum(axis=0) for column in columns])

    order = np.argsort(-(_score(counts, firing) - costs), kind="stable")[:COMPARED]
    found, columns = [found[row] for row in order], [columns[row] for row in order]
    counts, costs = counts[order], costs[order]
    holders = _holders(columns, len(places))
    total, score, taken = np.zeros(4, dtype=np.int64), 0.0, []
    covered = np.zeros(len(places), dtype=bool)
    while True:
        gains = _score(total + counts, firing) - score - costs
        gains[counts[:, 0] == 0] = -1.0
        best = int(np.argmax(gains))
        if gains[best] <= 0:
            return taken
        taken.append(found[best])
        total = total + counts[best]
        score = float(_score(total[None], firing)[0])
        for place in columns[best][~covered[columns[best]]].tolist():
            counts[holders[place]] -= kinds[place]
        covered[columns[best]] = True


def _holders(columns: Sequence[np.ndarray], size: int) -> list[np.ndarray]:
    """For each place the candidates that match there."""
    every = np.concatenate(columns)
    owners = np.repeat(np.arange(len(columns)), [len(column) for column in columns])
    order = np.argsort(every, kind="stable")
    return np.split(owners[order], np.searchsorted(every[order], np.arange(1, size)))


def _score(counts: np.ndarray, firing: np.ndarray) -> np.ndarray:
    """F1 on all documents and, weighted by TOP, on the top ones: float64 [row].

    counts: int [row, 4], tokens that fire and tokens that match, on all documents and on the top ones.
    """
    hits, said = counts[:, 0::2], counts[:, 1::2]
    f1 = 2 * hits / np.maximum(said + firing, 1)
    return (f1[:, 0] + TOP * f1[:, 1]) / (1 + TOP)


def _shorter(rule: Rule, spelling: Spelling) -> Rule:
    """The rule with patterns that differ in one token joined, if its line is then shorter; words stand side by side,
    where they take a character less, before or after the other patterns."""
    rank = {elements: number for number, elements in enumerate(rule.patterns)}
    contexts = [
        Pattern(elements, End(1.0), (1.0,) * len(elements)) for elements in rule.patterns if len(elements) > 1
    ]
    joined = [one.elements for one in merge_classes(contexts)]
    joined += [elements for elements in rule.patterns if len(elements) == 1]

    def first(elements: Elements) -> int:
        return min(number for known, number in rank.items() if _holds(elements, known))

    other = Rule(tuple(sorted(joined, key=first)))
    found = min(rule, other, key=lambda one: len(spelling.write(one)))
    several = {elements: " " in spelling.write(Rule((elements,))) for elements in found.patterns}
    return Rule(tuple(sorted(several, key=lambda one: several[one] != several[found.patterns[0]])))


def _holds(elements: Elements, known: Elements) -> bool:
    return len(elements) == len(known) and all(
        set(b.tokens) <= set(a.tokens) if a.tokens and b.tokens else a == b
        for a, b in zip(elements, known, strict=True)
    )
