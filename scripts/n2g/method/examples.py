"""Which firing tokens of the corpus serve as examples."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from n2g.method.evidence import Evidence, text_until
from n2g.method.fitting_data import FittingBlock, Unit
from n2g.method.prune import Example

# Tokens that two examples must share, up to and including the pivot, to count as the same.
SAME = 3


def distinct_examples(
    evidence: Evidence, count: int, top: int, known: frozenset[tuple[int, ...]] = frozenset()
) -> list[int]:
    """Positions of at most `count` firing tokens: the `top` strongest, the rest spread evenly over the others.

    Examples that end in the same tokens are taken once; those in `known` not at all. Strongest first, equal
    activations in the order of the text.
    """
    firing = evidence.firing
    order = firing[np.argsort(-evidence.at(firing), kind="stable")]
    seen, distinct = set(known), []
    for position in order.tolist():
        window = text_until(evidence.texts, position, SAME)
        if window not in seen:
            seen.add(window)
            distinct.append(position)
    if len(distinct) <= count:
        return distinct
    strongest = min(top, count)
    head, rest = distinct[:strongest], distinct[strongest:]
    spread = np.linspace(0, len(rest) - 1, count - len(head)).round().astype(int)
    return head + [rest[i] for i in spread]


def windows(evidence: Evidence, positions: list[int]) -> frozenset[tuple[int, ...]]:
    """The token sequences by which `distinct_examples` tells examples apart."""
    return frozenset(text_until(evidence.texts, position, SAME) for position in positions)


def chosen_examples(block: FittingBlock) -> Iterator[tuple[Unit, str, int, Example]]:
    """(unit, split, corpus position, example) of everything that is to be pruned, unit by unit."""
    settings = block.settings
    for unit in block.units:
        train = block.evidence(unit, block.train)
        if settings.method == "paper":
            for document, pivot, activation in unit.top.get("train", [])[: settings.top_examples]:
                if activation > 0:
                    tokens = tuple(block.documents.ids(document)[1 : pivot + 1].tolist())
                    position = int(block.documents.offsets[document]) + pivot
                    yield unit, "train", position, Example(tokens, pivot - 1, activation)
            continue
        picked = distinct_examples(train, settings.train_examples, settings.top_examples)
        yield from _examples(unit, "train", train, picked)
        missed = block.evidence(unit, block.validation)
        known = windows(train, train.firing.tolist())
        extra = distinct_examples(missed, settings.validation_examples, settings.top_examples, known)
        yield from _examples(unit, "validation", missed, extra)


def _examples(
    unit: Unit, split: str, evidence: Evidence, picked: list[int]
) -> Iterator[tuple[Unit, str, int, Example]]:
    for position, activation in zip(
        picked, evidence.at(np.array(picked, dtype=np.int64)).tolist(), strict=True
    ):
        tokens = text_until(evidence.texts, position, position + 1)
        yield unit, split, position, Example(tokens, len(tokens) - 1, activation)
