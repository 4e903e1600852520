"""Candidate patterns of a neuron: the corpus evidence for each, and which of them the graph accepts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType

import numpy as np

from n2g.graphs.elements import START, WILDCARD, Element, exactly, gap
from n2g.method.evidence import Evidence, text_until
from n2g.method.saliency import Salient
from n2g.settings import Settings

# The longest literal text that may stand for a firing token of which the model was not asked.
LITERAL = 4
# Pairs of the sweep that are candidates, at most.
PAIRS = 1000


@dataclass(frozen=True)
class Fired:
    """A training token at which the neuron fires, and what pruning and saliency made of it.

    position: in the corpus, as the evidence's texts give their origin. activation: there. salient: None where no
    suffix kept the activation. substitutes: (place in `salient.tokens`, token id, activation with that token there).
    """

    position: int
    activation: float
    salient: Salient | None
    substitutes: tuple[tuple[int, int, float], ...] = ()


@dataclass(frozen=True)
class Candidate:
    """A pattern with its evidence: the model's activation for it (median over neutral surroundings, 0 where it
    did not keep the activation), its matches in the evidence, how many fire, and the sum of their activations."""

    elements: tuple[Element, ...]
    model: float
    importances: tuple[float, ...]
    matches: int
    fired: int
    total: float

    def precision(self, threshold: float, trust: float) -> float:
        """Fraction of matches that fire, the model's answer counting as `trust` more matches."""
        return (self.fired + trust * (self.model >= threshold)) / (self.matches + trust)

    def activation(self, trust: float) -> float:
        """Mean activation of the matches, the model's answer counting as `trust` more matches."""
        return (self.total + trust * self.model) / (self.matches + trust)


def elements_of(salient: Salient, with_gaps: bool = True) -> tuple[tuple[Element, ...], tuple[float, ...]]:
    """The pattern that a salient example stands for, and the importance of each element."""
    elements: list[Element] = []
    importances: list[float] = []
    skipped = 0
    for place in range(len(salient.tokens) - 1, -1, -1):
        if not salient.needed[place] and elements:
            skipped += 1
            continue
        if with_gaps and salient.gaps[place] and elements:
            elements.append(gap(max(salient.gaps[place], skipped)))
        else:
            elements += [WILDCARD] * skipped
        importances += [0.0] * (len(elements) - len(importances))
        skipped = 0
        elements.append(exactly(salient.tokens[place]) if salient.needed[place] else WILDCARD)
        importances.append(salient.importances[place] if salient.needed[place] else 0.0)
    if salient.start:
        elements += [WILDCARD] * skipped + [START]
        importances += [0.0] * skipped + [1.0]
    return tuple(elements), tuple(importances)


def place_of(salient: Salient, place: int, elements: Sequence[Element]) -> int:
    """Index in `elements` of the token at `place` of the example."""
    rank = sum(salient.needed[place:])  # which of the named tokens, counted from the right
    named = [i for i, element in enumerate(elements) if element.kind in ("token", "class")]
    return named[rank - 1]


class Selection:
    """Candidates of one neuron under one body of evidence.

    representative: whether the evidence is a fair sample of text. Only then can it speak for a pattern that
    the model, asked with neutral text around it, does not confirm. pairs: (token before, token) -> the model's
    activation, of the pairs that the sweep found to fire.
    """

    def __init__(
        self,
        evidence: Evidence,
        settings: Settings,
        representative: bool = True,
        pairs: Mapping[tuple[int, int], float] = MappingProxyType({}),
    ):
        self.evidence, self.settings, self.representative = evidence, settings, representative
        self.pairs = {pair: value for pair, value in pairs.items() if value >= evidence.threshold}
        self._known: dict[tuple, Candidate] = {}
        self._matched: dict[tuple, np.ndarray] = {}

    def candidate(
        self, elements: tuple[Element, ...], model: float, importances: tuple[float, ...] = ()
    ) -> Candidate:
        """The candidate with its evidence counted (once)."""
        known = self._known.get(elements)
        if known is None:
            matches, rows = self.evidence.matched(elements)
            self._matched[elements] = rows
            found = self.evidence.activations[rows]
            fired, total = int((found >= self.evidence.threshold).sum()), float(found.sum())
            known = Candidate(elements, model, importances or (1.0,) * len(elements), matches, fired, total)
        if known.model < model:
            known = replace(known, model=model)
        self._known[elements] = known
        return known

    def choose(self, fired: Sequence[Fired], sweep: Mapping[int, float], least: float) -> list[Candidate]:
        """Patterns whose precision is at least `least`: single tokens first, then pairs of the sweep whose token does
        not stand alone already, for each example that is not yet accounted for the most general candidate that passes,
        verified substitutes, and for firing tokens that still nothing accounts for the shortest literal text that
        passes."""
        chosen: dict[tuple, Candidate] = {}
        known = self.evidence.rows
        covered = np.zeros(len(self.evidence.positions) + 1, dtype=bool)  # the last one: what is not known

        def take(candidate: Candidate) -> None:
            chosen[candidate.elements] = candidate
            covered[self._matched[candidate.elements]] = True

        for candidate in self._single_tokens(fired, sweep):
            if self._passes(candidate, least):
                take(candidate)
        for candidate in self._pairs:
            if candidate.elements[:1] not in chosen and self._passes(candidate, least):
                take(candidate)
        for example in fired:
            if not covered[known(np.array([example.position]))[0]]:
                passing = (c for c in self._general_to_specific(example) if self._passes(c, least))
                best = next(passing, None)
                if best is not None:
                    take(best)
        for example in fired:
            for candidate in self._substituted(example):
                if candidate.elements[:1] not in chosen and self._passes(candidate, least):
                    take(candidate)
        firing = self.evidence.firing if self.representative else np.zeros(0, dtype=np.int64)
        for position, row in zip(firing.tolist(), known(firing).tolist(), strict=True):
            if not covered[row]:
                best = next((c for c in self._literal(position) if self._passes(c, least)), None)
                if best is not None:
                    take(best)
        return list(chosen.values())

    def _passes(self, candidate: Candidate, least: float) -> bool:
        threshold = self.evidence.threshold
        if not self.representative and candidate.model < threshold:
            return False
        trust = self.settings.trust
        return candidate.activation(trust) > 0 and candidate.precision(threshold, trust) >= least

    def _single_tokens(self, fired: Sequence[Fired], sweep: Mapping[int, float]) -> Iterable[Candidate]:
        alone = dict(sweep)
        for example in fired:
            salient = example.salient
            if salient is not None and len(salient.tokens) == 1 and salient.needed[0] and not salient.start:
                token = salient.tokens[0]
                alone[token] = max(alone.get(token, 0.0), salient.activation)
        tokens = (
            set(self.evidence.texts.tokens[self.evidence.firing].tolist()) if self.representative else set()
        )
        for token in sorted(tokens | set(alone)):
            yield self.candidate((exactly(token),), alone.get(token, 0.0))

    @cached_property
    def _pairs(self) -> list[Candidate]:
        """The pairs of the sweep, the strongest `PAIRS` of them."""
        strongest = sorted(self.pairs.items(), key=lambda pair: (-pair[1], pair[0]))[:PAIRS]
        return [
            self.candidate((exactly(token), exactly(before)), activation)
            for (before, token), activation in strongest
        ]

    def _general_to_specific(self, example: Fired) -> Iterable[Candidate]:
        if example.salient is not None:
            for with_gaps in (True, False):
                elements, importances = elements_of(example.salient, with_gaps)
                yield self.candidate(elements, example.salient.activation, importances)

    def _literal(self, position: int) -> Iterable[Candidate]:
        before = text_until(self.evidence.texts, position, LITERAL)[::-1]
        for length in range(2, len(before) + 1):
            yield self.candidate(tuple(exactly(token) for token in before[:length]), 0.0)

    def _substituted(self, example: Fired) -> Iterable[Candidate]:
        salient = example.salient
        if salient is None:
            return
        for place, token, activation in example.substitutes:
            elements, importances = elements_of(salient)
            at = place_of(salient, place, elements)
            yield self.candidate(
                (*elements[:at], exactly(token), *elements[at + 1 :]), activation, importances
            )
