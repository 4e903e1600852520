"""Saliency: how much of the activation each token carries (paper, section 3.3), and which tokens are needed
when all others are masked at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from n2g.engine import Prompt, Steps
from n2g.prune import Pruned
from n2g.settings import Settings


@dataclass(frozen=True)
class Salient:
    """A pruned example with what is known of its tokens, each in the order of the text.

    importances: 1 - activation(masked) / activation, clipped to [0, 1]. needed: the tokens that a pattern must
    name. gap: how many tokens may stand between the pivot's nearest needed context token and what follows it
    (0: none; the distance is fixed). activation: median with everything else masked. verified: whether that is
    enough.
    """

    tokens: tuple[int, ...]
    importances: tuple[float, ...]
    needed: tuple[bool, ...]
    gap: int
    activation: float
    start: bool
    verified: bool


def saliency(
    pruned: Pruned, prefixes: Sequence[tuple[int, ...]], fillers: Sequence[int], settings: Settings
) -> Steps:
    """Steps that measure a pruned example; gives a `Salient`.

    fillers: token ids put in place of what is masked. With method "paper" a token is needed where its
    importance is at least `importance_threshold`, and nothing is checked jointly. With "atlas" the least
    important tokens are masked together as long as `keep` of the activation holds in the median.
    """
    tokens = pruned.tokens
    before = [() if settings.bos is None else (settings.bos,)] if pruned.start else list(prefixes)
    inner = range(len(tokens) - 1)
    single = [[_masked(tokens, {i}, filler, j) for j, filler in enumerate(fillers)] for i in range(len(tokens))]
    values = yield [Prompt(prefix, text) for texts in single for text in texts for prefix in before[:1]]
    masked = np.median(np.reshape(values, (len(tokens), len(fillers))), axis=1)
    importances = np.clip(1 - masked / pruned.kept, 0, 1) if pruned.kept > 0 else np.ones(len(tokens))
    if settings.method == "paper":
        needed = importances >= settings.importance_threshold
        needed[-1] = True
        return Salient(
            tokens, tuple(importances.tolist()), tuple(needed.tolist()), 0, pruned.kept, pruned.start, True
        )
    droppable = sorted((i for i in inner if importances[i] < settings.importance_threshold), key=lambda i: importances[i])
    dropped, activation = yield from _drop(tokens, droppable, before, fillers, settings.keep * pruned.kept)
    needed = [i not in dropped for i in range(len(tokens))]
    gap = 0
    if sum(needed) > 1 and not pruned.start:
        gap = yield from _gap(tokens, needed, before, fillers, settings.keep * pruned.kept, settings.gaps)
    return Salient(
        tokens,
        tuple(importances.tolist()),
        tuple(needed),
        gap,
        activation if dropped else pruned.kept,
        pruned.start,
        True,
    )


def _drop(
    tokens: tuple[int, ...], droppable: list[int], prefixes: Sequence[tuple[int, ...]], fillers: Sequence[int], least: float
) -> Steps:
    """The longest run of `droppable` that can be masked jointly, and the activation that is left."""
    if not droppable:
        return set(), 0.0
    trials = [set(droppable[: n + 1]) for n in range(len(droppable))]
    values = yield [
        Prompt(prefix, _masked(tokens, trial, filler, j))
        for trial in trials
        for j, filler in enumerate(fillers)
        for prefix in prefixes
    ]
    held = np.median(np.reshape(values, (len(trials), -1)), axis=1)
    for trial, value in reversed(list(zip(trials, held, strict=True))):
        if value >= least:
            return trial, float(value)
    return set(), 0.0


def _gap(
    tokens: tuple[int, ...],
    needed: list[bool],
    prefixes: Sequence[tuple[int, ...]],
    fillers: Sequence[int],
    least: float,
    gaps: Sequence[int],
) -> Steps:
    """How many tokens may stand between the pivot and the context, 0 where the distance is fixed."""
    inner = [i for i, need in enumerate(needed[:-1]) if need]
    left = tokens[: inner[-1] + 1]
    found = 0
    for longest in sorted(gaps):
        texts = [
            (*left, *(fillers[(j + k) % len(fillers)] for k in range(longest)), tokens[-1])
            for j in range(len(fillers))
        ]
        values = yield [Prompt(prefix, text) for text in texts for prefix in prefixes]
        if np.median(values) < least:
            break
        found = longest
    return max(found, 0)


def _masked(tokens: tuple[int, ...], places: set[int], filler: int, shift: int) -> tuple[int, ...]:
    return tuple(filler if i in places else token for i, token in enumerate(tokens))
