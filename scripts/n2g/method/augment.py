"""Augment: substitutes for the important tokens, each tested on the neuron (paper, section 3.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from n2g.method.prune import bare
from n2g.method.saliency import LONGEST, Salient
from n2g.model.prompts import Prompt, Steps
from n2g.settings import Proposer, Settings


@dataclass(frozen=True)
class Substitute:
    """A token tried at a place of an example: the median activation, and whether it serves there."""

    place: int
    token: int
    activation: float
    kept: bool


def augment(
    salient: Salient,
    candidates: Mapping[int, Sequence[int]],
    prefixes: Sequence[tuple[int, ...]],
    fillers: Sequence[int],
    least: float,
    settings: Settings,
) -> Steps:
    """Steps that put each candidate in its place, everything that is not needed masked.

    candidates: place in `salient.tokens` -> token ids. least: the activation from which a substitute serves; in
    method "atlas" one that fails by far after the first prefix is not tried after the others. Returns a list of
    `Substitute`, in the order of places and candidates.
    """
    before = [bare(settings)] * len(fillers) if salient.start else list(prefixes)
    ways = list(zip(before, fillers, strict=True))
    if settings.method == "paper":
        ways = ways[:1]
    trials = [(place, token) for place, tokens in sorted(candidates.items()) for token in tokens]
    answers: list[list[float]] = [[] for _ in trials]
    open_trials = list(range(len(trials)))
    for prefix, filler in ways:
        values = yield [Prompt(prefix, _with(salient, *trials[i], filler, settings)) for i in open_trials]
        for i, value in zip(open_trials, values, strict=True):
            answers[i].append(float(value))
        open_trials = [i for i in open_trials if answers[i][0] >= 0.6 * least]
    found = []
    for (place, token), values in zip(trials, answers, strict=True):
        whole = len(values) == len(ways)
        median = float(np.median(values)) if whole else values[0]
        found.append(Substitute(place, token, median, whole and median >= least))
    return found


def _with(salient: Salient, place: int, token: int, filler: int, settings: Settings) -> tuple[int, ...]:
    """The example with `token` at `place` and, in method "atlas", fillers where nothing is needed."""
    masks = settings.method != "paper"
    return tuple(
        token if i == place else (filler if masks and not need else old)
        for i, (old, need) in enumerate(zip(salient.tokens, salient.needed, strict=True))
    )


# What to try: (tokens, place) -> token ids, the best first.
Proposed = Mapping[tuple[tuple[int, ...], int], Sequence[int]]


def propose_all(proposer: Proposer | None, salients: Sequence[Salient], settings: Settings) -> Proposed:
    """The proposer's candidates for every needed token of all examples, asked for at once."""
    if proposer is None:
        return {}
    wanted = settings.substitutes if settings.method == "paper" else settings.candidates
    places = {(s.tokens, i): None for s in salients for i, need in enumerate(s.needed) if need}
    return dict(zip(places, proposer.propose_many(list(places), wanted), strict=True))


def distinct(salients: Sequence[tuple[object, int, Salient]]) -> list[tuple[object, int, Salient]]:
    """Examples (unit, number, salient) of which no earlier one of the same unit names the same tokens at the same
    distances: what is verified for the one holds for the other."""
    found: dict[tuple, tuple[object, int, Salient]] = {}
    for unit, number, one in salients:
        first = one.needed.index(True) if any(one.needed) else len(one.needed)
        named = tuple(t if need else None for t, need in zip(one.tokens, one.needed, strict=True))[first:]
        found.setdefault((getattr(unit, "key", unit), named, one.start), (unit, number, one))
    return list(found.values())


def candidates_for(
    salient: Salient, others: Sequence[Salient], proposed: Proposed, settings: Settings
) -> dict[int, list[int]]:
    """Place -> token ids to try for the pivot and, in method "atlas", the nearest needed context (in method
    "paper" for every needed token): tokens that stand in the same place of the neuron's other examples
    (`others`, method "atlas" only), then the proposed ones."""
    paper = settings.method == "paper"
    if not paper and sum(salient.needed) > LONGEST:
        return {}
    places = [i for i, need in enumerate(salient.needed) if need][::-1]
    found: dict[int, list[int]] = {}
    for rank, place in enumerate(places if paper else places[:2]):
        tokens: dict[int, None] = {}
        for other in () if paper else others:
            theirs = [t for t, need in zip(other.tokens, other.needed, strict=True) if need]
            if len(theirs) > rank and len(tokens) < settings.candidates:
                tokens[theirs[-1 - rank]] = None
        tokens |= dict.fromkeys(proposed.get((salient.tokens, place), ()))
        tokens.pop(salient.tokens[place], None)
        found[place] = list(tokens)
    return found
