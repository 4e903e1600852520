"""Prune: the shortest text that ends at the pivot token and keeps the activation (paper, section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from n2g.engine import Prompt, Steps
from n2g.settings import Settings

# Suffix lengths are asked for in rounds that grow, each at one-token resolution.
ROUND = 4


@dataclass(frozen=True)
class Example:
    """A text and the token in it at which the neuron fires.

    tokens: ids, BOS left out. pivot: index into `tokens`. activation: at the pivot, in the whole text.
    """

    tokens: tuple[int, ...]
    pivot: int
    activation: float


@dataclass(frozen=True)
class Pruned:
    """What is left of an example.

    tokens: ids up to and including the pivot token. kept: median activation of this text after the neutral
    prefixes (after BOS alone where `start`). start: the text begins where the document begins, and keeps its
    activation only there. failed: no suffix kept the activation; then `tokens` is empty.
    """

    tokens: tuple[int, ...]
    kept: float
    start: bool = False
    failed: bool = False


def prune(example: Example, prefixes: Sequence[tuple[int, ...]], settings: Settings) -> Steps:
    """Steps that find the shortest suffix keeping `settings.keep` of the activation.

    prefixes: what stands before the suffix; the median over them counts. With method "paper" this is BOS
    alone and the suffix may grow to the whole text; with "atlas" it may grow to `max_context` tokens, then
    the whole beginning of the document is tried where the pivot lies that close to it. Gives a `Pruned`.
    """
    threshold = settings.keep * example.activation
    until = example.tokens[: example.pivot + 1]
    longest = len(until) if settings.method == "paper" else min(len(until), settings.max_context)
    tried = 0
    while tried < longest:
        lengths = range(tried + 1, min(longest, max(ROUND, 2 * tried)) + 1)
        suffixes = [until[-length:] for length in lengths]
        kept = yield from medians(suffixes, prefixes)
        for suffix, value in zip(suffixes, kept, strict=True):
            if value >= threshold:
                return Pruned(suffix, value)
        tried = lengths[-1]
    if settings.method != "paper" and len(until) <= settings.max_context:
        bare = () if settings.bos is None else (settings.bos,)
        (value,) = yield from medians([until], [bare])
        if value >= threshold:
            return Pruned(until, value, start=True)
    return Pruned((), 0.0, failed=True)


def medians(suffixes: Sequence[tuple[int, ...]], prefixes: Sequence[tuple[int, ...]]) -> Steps:
    """Ask for every suffix after every prefix; gives the median of each suffix (float)."""
    values = yield [Prompt(prefix, suffix) for suffix in suffixes for prefix in prefixes]
    return np.median(np.reshape(values, (len(suffixes), len(prefixes))), axis=1).tolist() if suffixes else []
