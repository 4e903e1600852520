"""Prune: the shortest text that ends at the pivot token and keeps the activation (paper, section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from n2g.model.prompts import Prompt, Steps
from n2g.settings import Settings


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

    prefixes: what stands before the suffix; the median over them counts. Lengths up to `max_context` are all
    tried; beyond, lengths grow by half, and between the last that fails and the first that holds every length
    is tried. Method "paper" stops at the whole text, "atlas" at twice `max_context`, and then, where the pivot
    lies that close to it, tries the whole beginning of the document after BOS alone. Gives a `Pruned`.
    """
    threshold = settings.keep * example.activation
    until = example.tokens[: example.pivot + 1]
    furthest = len(until) if settings.method == "paper" else min(len(until), 2 * settings.max_context)
    tried = 0
    while tried < furthest:
        if tried < settings.max_context:
            lengths = list(range(tried + 1, min(furthest, max(2, 2 * tried), settings.max_context) + 1))
        else:
            lengths = [min(furthest, max(tried + 1, tried * 3 // 2))]
        held = yield from _first_that_holds(until, lengths, prefixes, threshold)
        if held is not None and held[0] > tried + 1 and len(lengths) == 1:
            between = list(range(tried + 1, held[0]))
            held = (yield from _first_that_holds(until, between, prefixes, threshold)) or held
        if held is not None:
            return Pruned(until[-held[0] :], held[1])
        tried = lengths[-1]
    if settings.method != "paper" and furthest == len(until):
        (value,) = yield from medians([[Prompt(bare(settings), until)]])
        if value >= threshold:
            return Pruned(until, value, start=True)
    return Pruned((), 0.0, failed=True)


def _first_that_holds(
    until: tuple[int, ...], lengths: Sequence[int], prefixes: Sequence[tuple[int, ...]], threshold: float
) -> Steps:
    """(length, median) of the first of `lengths` whose suffix reaches the threshold, or None."""
    texts = [[Prompt(prefix, until[-length:]) for prefix in prefixes] for length in lengths]
    kept = yield from medians(texts, threshold)
    return next(((n, value) for n, value in zip(lengths, kept, strict=True) if value >= threshold), None)


def medians(texts: Sequence[Sequence[Prompt]], least: float = -inf) -> Steps:
    """Query every text in each of its ways; returns the median of each (float).

    Where more than half of the ways stay below `least`, so does the median: the others are not asked, and the
    largest answer stands for it.
    """
    if not texts:
        return []
    most = len(texts[0]) // 2 + 1
    first = yield [prompt for ways in texts for prompt in ways[:most]]
    answers = np.reshape(first, (len(texts), most)).tolist()
    near = [i for i, values in enumerate(answers) if max(values) >= least]
    others = [prompt for i in near for prompt in texts[i][most:]]
    rest = iter((yield others) if others else ())
    for i in near:
        answers[i] += [next(rest) for _ in texts[i][most:]]
    return [
        float(np.median(values)) if len(values) == len(ways) else max(values)
        for values, ways in zip(answers, texts, strict=True)
    ]


def bare(settings: Settings) -> tuple[int, ...]:
    """The prefix at which a document begins: BOS, where the model has one."""
    return () if settings.bos is None else (settings.bos,)
