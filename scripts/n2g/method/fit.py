"""From verified examples to a neuron's graph: candidates, their evidence, selection on validation, classes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from n2g.graphs.elements import START, WILDCARD, Element, End, Pattern, gap, one_of
from n2g.graphs.matching import gathered, match_pattern
from n2g.graphs.trie import NeuronGraph
from n2g.method.evidence import Evidence, text_until
from n2g.method.saliency import Salient
from n2g.metrics import f1_score
from n2g.settings import Settings

# Least weight of a class member: the prediction of a match is never 0.
FAINT = 1e-3
# Tokens that are added to a pattern, at most, where it matches too much.
RESTORED = 3
# The longest literal text that may stand for a firing token of which the model was not asked.
LITERAL = 4
# By how much validation must be better before the smaller graph is left; and, divided by the square root of the number
# of its firing tokens, but at most 1, before the usual precision is left, and likewise the usual decision threshold.
LARGER = 0.01
OTHER = 2.0


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
        """Share of matches that fire, the model's word counting as `trust` further matches."""
        return (self.fired + trust * (self.model >= threshold)) / (self.matches + trust)

    def activation(self, trust: float) -> float:
        """Mean activation of the matches, the model's word counting as `trust` further matches."""
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
        elements.append(one_of([salient.tokens[place]]) if salient.needed[place] else WILDCARD)
        importances.append(salient.importances[place] if salient.needed[place] else 0.0)
    if salient.start:
        elements += [WILDCARD] * skipped + [START]
        importances += [0.0] * skipped + [1.0]
    return tuple(elements), tuple(importances)


def _restored(salient: Salient) -> Iterator[Salient]:
    """The example with more and more of the tokens that are not needed, the most important first."""
    needed = list(salient.needed)
    masked = (place for place, need in enumerate(needed) if not need)
    for place in sorted(masked, key=lambda place: -salient.importances[place])[:RESTORED]:
        needed[place] = True
        yield replace(salient, needed=tuple(needed))


def place_of(salient: Salient, place: int, elements: Sequence[Element]) -> int:
    """Index in `elements` of the token at `place` of the example."""
    rank = sum(salient.needed[place:])  # which of the named tokens, counted from the right
    named = [i for i, element in enumerate(elements) if element.kind in ("token", "class")]
    return named[rank - 1]


class Selection:
    """Candidates of one neuron under one body of evidence.

    representative: whether the evidence is a fair sample of text. Only then can it speak for a pattern that
    the model, asked with neutral text around it, does not confirm.
    """

    def __init__(self, evidence: Evidence, settings: Settings, representative: bool = True):
        self.evidence, self.settings, self.representative = evidence, settings, representative
        self._known: dict[tuple, Candidate] = {}

    def candidate(
        self, elements: tuple[Element, ...], model: float, importances: tuple[float, ...] = ()
    ) -> Candidate:
        """The candidate with its evidence counted (once)."""
        known = self._known.get(elements)
        if known is None:
            matches, fired, total = self.evidence.count(elements)
            known = Candidate(elements, model, importances or (1.0,) * len(elements), matches, fired, total)
        if known.model < model:
            known = replace(known, model=model)
        self._known[elements] = known
        return known

    def choose(self, fired: Sequence[Fired], sweep: Mapping[int, float], least: float) -> list[Candidate]:
        """Patterns whose precision is at least `least`: single tokens first, then for each example that is not
        yet accounted for the most general candidate that passes, then verified substitutes, and for firing tokens
        that still nothing accounts for the shortest literal text that passes."""
        chosen: dict[tuple, Candidate] = {}
        known = self.evidence.rows
        covered = np.zeros(len(self.evidence.positions) + 1, dtype=bool)  # the last one: what is not known

        def take(candidate: Candidate) -> None:
            chosen[candidate.elements] = candidate
            covered[known(match_pattern(self.evidence.texts, candidate.elements)[0])] = True

        for candidate in self._single_tokens(fired, sweep):
            if self._passes(candidate, least):
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
            yield self.candidate((one_of([token]),), alone.get(token, 0.0))

    def _general_to_specific(self, example: Fired) -> Iterable[Candidate]:
        if example.salient is not None:
            for with_gaps in (True, False):
                elements, importances = elements_of(example.salient, with_gaps)
                yield self.candidate(elements, example.salient.activation, importances)
            for restored in _restored(example.salient):
                elements, importances = elements_of(restored, with_gaps=False)
                yield self.candidate(elements, example.salient.activation, importances)

    def _literal(self, position: int) -> Iterable[Candidate]:
        before = text_until(self.evidence.texts, position, LITERAL)[::-1]
        for length in range(2, len(before) + 1):
            yield self.candidate(tuple(one_of([token]) for token in before[:length]), 0.0)

    def _substituted(self, example: Fired) -> Iterable[Candidate]:
        for place, token, activation in example.substitutes:
            elements, importances = elements_of(example.salient)
            at = place_of(example.salient, place, elements)
            yield self.candidate(
                (*elements[:at], one_of([token]), *elements[at + 1 :]), activation, importances
            )


def to_patterns(candidates: Iterable[Candidate], trust: float) -> list[Pattern]:
    """Patterns with aggregated activations, merged into classes where the accepted language stays the same."""
    patterns = [
        Pattern(
            c.elements,
            End(c.activation(trust), c.fired, c.fired / c.matches if c.matches else None),
            c.importances,
        )
        for c in candidates
    ]
    return merge_classes(patterns)


def merge_classes(patterns: Sequence[Pattern]) -> list[Pattern]:
    """Join patterns that differ in a single token or class into one with a class there, the largest group
    first, until none is left. A member's weight is its share of the group's largest activation."""
    patterns = sorted(patterns, key=_order)
    while True:
        groups: dict[tuple, list[int]] = {}
        for i, pattern in enumerate(patterns):
            for slot, element in enumerate(pattern.elements):
                if element.kind in ("token", "class"):
                    rest = tuple(e.key for j, e in enumerate(pattern.elements) if j != slot)
                    groups.setdefault((slot, rest), []).append(i)
        slot, members = max(
            ((key[0], ids) for key, ids in groups.items() if len(ids) > 1),
            key=lambda group: (len(group[1]), -group[0], [-i for i in group[1]]),
            default=(0, []),
        )
        if not members:
            return patterns
        joined = _joined([patterns[i] for i in members], slot)
        patterns = sorted([p for i, p in enumerate(patterns) if i not in set(members)] + [joined], key=_order)


def _order(pattern: Pattern) -> tuple:
    return ([element.key for element in pattern.elements], pattern.end.activation, pattern.end.support)


def _joined(patterns: Sequence[Pattern], slot: int) -> Pattern:
    largest = max(pattern.end.activation for pattern in patterns)
    tokens, weights = [], []
    for pattern in patterns:
        element = pattern.elements[slot]
        share = max(FAINT, pattern.end.activation / largest)
        tokens += element.tokens
        weights += [round(weight * share, 4) for weight in element.weights]
    support = sum(pattern.end.support for pattern in patterns)
    known = [(p.end.precision, p.end.support) for p in patterns if p.end.precision is not None]
    precision = float(np.average([k[0] for k in known], weights=[k[1] + 1 for k in known])) if known else None
    elements = patterns[0].elements
    importances = tuple(float(v) for v in np.mean([p.importances for p in patterns], axis=0))
    return Pattern(
        (*elements[:slot], one_of(tokens, weights), *elements[slot + 1 :]),
        End(largest, support, precision),
        importances,
    )


@dataclass(frozen=True)
class Choice:
    """What validation decides: the least precision of a pattern, the decision threshold as a share of the firing
    threshold, and the most nodes."""

    least: float
    decision_threshold: float
    nodes: int


def usual(settings: Settings) -> Choice:
    """What is chosen where validation has nothing to say: the first of each."""
    return Choice(settings.precisions[0], settings.decision_thresholds[0], settings.max_nodes[0])


def background_class(
    known: Iterable[Pattern], background: Mapping[int, float], below: float
) -> list[Pattern]:
    """One class of the tokens that no pattern names alone, each with its mean activation, all below the decision
    threshold.

    It never fires; it tells the level of the activation where nothing else is known.
    """
    named = {token for p in known if len(p.elements) == 1 for token in p.elements[0].tokens}
    means = {token: min(mean, below) for token, mean in sorted(background.items()) if token not in named}
    if not means or below <= 0:
        return []
    largest = max(means.values())
    weights = [max(FAINT, round(mean / largest, 2)) for mean in means.values()]
    return [Pattern((one_of(means, weights),), End(largest, 0, 0.0))]


def build(
    selection: Selection, fired: Sequence[Fired], sweep: Mapping[int, float], maximum: float, choice: Choice
) -> NeuronGraph:
    """The graph of method "atlas" for a given choice."""
    settings = selection.settings
    patterns = to_patterns(selection.choose(fired, sweep, choice.least), settings.trust)
    kept = best_supported(patterns, choice.nodes)
    threshold = choice.decision_threshold * selection.evidence.threshold
    return NeuronGraph(kept, decision_threshold=threshold, scale=maximum, bos=settings.bos, method="atlas")


def best_supported(patterns: Sequence[Pattern], nodes: int) -> list[Pattern]:
    """The patterns with the most support (then activation) that together have at most `nodes` elements; always the
    first one."""
    kept, used = [], 0
    for pattern in sorted(patterns, key=lambda p: (-p.end.support, -p.end.activation, _order(p))):
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
    `top_documents`; the first of `settings.precisions`, `decision_thresholds` and `max_nodes` unless another is clearly
    better, which takes the more, the fewer firing tokens the validation documents hold.
    """
    settings = train.settings
    first = best = usual(settings)
    texts, firing = validation.texts, validation.firing
    if not len(firing):
        return best
    near = np.isin(texts.numbers, top_documents)
    firing_near = np.count_nonzero(near[texts.rows(firing)])
    lead = min(1.0, OTHER / len(firing) ** 0.5)
    most = -1.0
    for least in settings.precisions:
        patterns = to_patterns(train.choose(fired, sweep, least), settings.trust)
        for nodes in settings.max_nodes:
            graph = NeuronGraph(best_supported(patterns, nodes), bos=settings.bos, method="atlas")
            matches, places = gathered(graph.matches(texts))
            predicted, _ = graph.decide(matches, len(places))
            hit, close = validation.at(places) >= validation.threshold, near[texts.rows(places)]
            for share in settings.decision_thresholds:
                fires = predicted >= share * train.evidence.threshold
                hits, said = np.count_nonzero(fires & hit), np.count_nonzero(fires)
                hits_near, said_near = np.count_nonzero(fires & hit & close), np.count_nonzero(fires & close)
                gain = f1_score(hits, said, len(firing))
                gain += settings.top_weight * f1_score(hits_near, said_near, firing_near)
                gain += lead * ((least == first.least) + (share == first.decision_threshold)) + LARGER * (
                    nodes == first.nodes
                )
                if gain > most:
                    most, best = gain, Choice(least, share, nodes)
    return best
