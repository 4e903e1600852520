"""Saliency: how much of the activation each token carries (paper, section 3.3), which tokens are needed when
all others are masked at once, and over which distances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf

import numpy as np

from n2g.method.prune import Pruned, bare, medians
from n2g.model.prompts import Prompt, Steps
from n2g.settings import Settings

# At most so many runs of least important tokens are masked jointly.
TRIALS = 6
# The distances in examples that need more tokens than this are not varied, nor are their tokens: they are quotations.
LONGEST = 3
# Gaps further apart than this are not refined: the longest that held counts.
FINE = 8


@dataclass(frozen=True)
class Salient:
    """A pruned example with what is known of its tokens, each tuple in the order of the text.

    importances: 1 - activation(masked) / activation, clipped to [0, 1]. needed: the tokens that a pattern must
    name. gaps: for each needed token but the last, how many tokens may stand between it and the next needed one
    (0: their distance is fixed). activation: the median with everything that is not needed masked.
    """

    tokens: tuple[int, ...]
    importances: tuple[float, ...]
    needed: tuple[bool, ...]
    gaps: tuple[int, ...]
    activation: float
    start: bool = False


def saliency(
    pruned: Pruned, prefixes: Sequence[tuple[int, ...]], fillers: Sequence[int], settings: Settings
) -> Steps:
    """Steps that measure a pruned example; returns a `Salient`.

    fillers: token ids put in place of what is masked, one for each prefix. With method "paper" a token is needed
    where its importance is at least `importance_threshold`, and nothing is checked jointly. With "atlas" the
    least important tokens are masked together as long as `keep` of the activation holds in the median; then
    tokens are put between needed ones to see which distances are free.
    """
    tokens, size = pruned.tokens, len(pruned.tokens)
    before = [bare(settings)] * len(fillers) if pruned.start else list(prefixes)
    ways = list(zip(before, fillers, strict=True))
    none: tuple[int, ...] = (0,) * size
    one_by_one = ways if size <= settings.max_context else ways[:1]
    masked = yield from _held([_mask(tokens, {i}) for i in range(size)], one_by_one)
    importances = np.clip(1 - np.array(masked) / pruned.kept, 0, 1) if pruned.kept > 0 else np.ones(size)
    shown = tuple(importances.tolist())
    if settings.method == "paper":
        needed = tuple(i == size - 1 or shown[i] >= settings.importance_threshold for i in range(size))
        return Salient(tokens, shown, needed, none, pruned.kept, pruned.start)
    least = settings.keep * pruned.kept
    last = size if pruned.start else size - 1  # the pivot may be any token only where the start decides
    order = sorted(
        (i for i in range(last) if shown[i] < settings.importance_threshold), key=lambda i: shown[i]
    )
    trials_at_most = TRIALS if size <= settings.max_context else TRIALS // 2
    sizes = sorted({round(n) for n in np.linspace(1, len(order), trials_at_most)}) if order else []
    trials = [set(order[:n]) for n in sizes]
    held = yield from _held([_mask(tokens, trial) for trial in trials], ways, least)
    passed = [n for n, value in enumerate(held) if value >= least]
    dropped = trials[passed[-1]] if passed else set()
    activation = float(held[passed[-1]]) if passed else pruned.kept
    needed = tuple(i not in dropped for i in range(size))
    varied = not pruned.start and sum(needed) <= LONGEST
    gaps = (yield from _gaps(tokens, needed, ways, least, settings)) if varied else none
    return Salient(tokens, shown, needed, gaps, activation, pruned.start)


# A text in which None stands for whatever filler the way of asking has.
_Holes = tuple[int | None, ...]


def _mask(tokens: Sequence[int], places: set[int]) -> _Holes:
    return tuple(None if i in places else token for i, token in enumerate(tokens))


def _held(texts: Sequence[_Holes], ways: Sequence[tuple[tuple[int, ...], int]], least: float = -inf) -> Steps:
    """Median activation of each text over the ways (prefix, filler) of asking, exact from `least` on."""
    prompts = [
        [
            Prompt(prefix, tuple(filler if token is None else token for token in text))
            for prefix, filler in ways
        ]
        for text in texts
    ]
    return (yield from medians(prompts, least))


def _gaps(
    tokens: tuple[int, ...],
    needed: tuple[bool, ...],
    ways: Sequence[tuple[tuple[int, ...], int]],
    least: float,
    settings: Settings,
) -> Steps:
    """For each needed token, the longest verified gap to the next one: `settings.gaps` in ascending order, then
    every length between the longest that holds and the first that fails. Gaps longer than `max_context` are
    asked for in the first way only."""
    places = [i for i, need in enumerate(needed) if need]
    found = [0] * len(tokens)
    for left, right in pairwise(places):
        masked = _mask(tokens, {i for i, need in enumerate(needed) if not need})

        def hold(
            lengths: Sequence[int], masked: _Holes = masked, left: int = left, right: int = right
        ) -> Steps:
            texts = [masked[: left + 1] + (None,) * length + masked[right:] for length in lengths]
            held = yield from _held(
                texts, ways if max(lengths, default=0) <= settings.max_context else ways[:1], least
            )
            return [length for length, value in zip(lengths, held, strict=True) if value >= least]

        low, high = 0, None
        for length in sorted(settings.gaps):
            if not (yield from hold([length])):
                high = length
                break
            low = length
        if not low or (right - left > 1 and not (yield from hold([0]))):
            continue
        between = list(range(low + 1, high)) if high is not None and high - low <= FINE else []
        held = yield from hold(between)
        found[left] = next(
            (length - 1 for length in between if length not in held), between[-1] if between else low
        )
    return tuple(found)
