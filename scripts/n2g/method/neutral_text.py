"""Neutral text: what is put before a pattern and in place of what is masked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from n2g.errors import InputError
from n2g.method.evidence import Texts, text_until
from n2g.method.prune import Example, bare
from n2g.settings import Settings


@dataclass(frozen=True)
class Neutral:
    """prefixes: token ids, each beginning with BOS where the model has one. fillers: one token id a prefix."""

    prefixes: list[tuple[int, ...]]
    fillers: list[int]


def from_texts(train: Texts, settings: Settings) -> Neutral:
    """Windows and single tokens at random places of the training documents, the same for every neuron.

    Raises InputError where no training document is longer than a prefix.
    """
    draw = np.random.default_rng(settings.seed)
    if not len(train.numbers) or (train.ends - train.begins).max() <= settings.prefix_length:
        raise InputError(
            f"settings.prefix_length: no training document is longer than {settings.prefix_length} tokens: lower it, "
            "or raise corpus.max_length."
        )
    ends = train.drawn(draw, settings.prefixes, after=settings.prefix_length)
    fillers = train.tokens[train.drawn(draw, settings.prefixes)]
    prefixes = [text_until(train, int(end), settings.prefix_length) for end in ends]
    return Neutral([(*bare(settings), *prefix) for prefix in prefixes], fillers.tolist())


def from_examples(examples: Sequence[Example], settings: Settings) -> Neutral:
    """Where there is no corpus: the tokens of the examples that accompany firing least.

    Tokens are ranked by the share of examples in which they stand at or before the pivot; the lower half of
    the vocabulary of the examples serves, at least one token.
    """
    company: Counter[int] = Counter()
    pivots = {example.tokens[example.pivot] for example in examples}
    seen: set[int] = set()
    for example in examples:
        company.update(set(example.tokens[: example.pivot + 1]))
        seen |= set(example.tokens)
    ranked = sorted(seen - pivots, key=lambda token: (company[token], token)) or sorted(seen)
    usual = ranked[: max(1, len(ranked) // 2)]
    draw = np.random.default_rng(settings.seed)
    prefixes = [
        (*bare(settings), *(int(t) for t in draw.choice(usual, settings.prefix_length)))
        for _ in range(settings.prefixes)
    ]
    return Neutral(prefixes, [int(t) for t in draw.choice(usual, settings.prefixes)])


def prefixes_for(neutral: Neutral, settings: Settings) -> list[tuple[int, ...]]:
    """What stands before a prompt: the neutral prefixes, or with method "paper" BOS alone."""
    return [bare(settings)] if settings.method == "paper" else neutral.prefixes
