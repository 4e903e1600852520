"""Which firing tokens of the corpus serve as examples."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from n2g.method.evidence import Evidence, text_until
from n2g.method.fitting_data import FittingBlock, Unit
from n2g.method.prune import Example

# Tokens that two examples must share, up to and including the pivot, to count as the same.
SAME = 3


def distinct_examples(evidence: Evidence, count: int, top: int) -> list[int]:
    """Positions of at most `count` firing tokens: the `top` strongest, the rest spread evenly over the others.

    Examples that end in the same tokens are taken once. Strongest first, equal activations in the order of the text.
    """
    firing = evidence.firing
    order = firing[np.argsort(-evidence.at(firing), kind="stable")]
    seen: set[tuple[int, ...]] = set()
    distinct = []
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


def chosen_examples(block: FittingBlock) -> Iterator[tuple[Unit, int, Example]]:
    """(unit, corpus position, example) of everything that is to be pruned, unit by unit: training tokens."""
    settings = block.settings
    for unit in block.units:
        if settings.method == "paper":
            for document, pivot, activation in unit.top.get("train", [])[: settings.top_examples]:
                if activation > 0:
                    tokens = tuple(block.documents.ids(document)[1 : pivot + 1].tolist())
                    position = int(block.documents.offsets[document]) + pivot
                    yield unit, position, Example(tokens, pivot - 1, activation)
            continue
        evidence = block.evidence(unit, block.train)
        picked = distinct_examples(evidence, settings.train_examples, settings.top_examples)
        values = evidence.at(np.array(picked, dtype=np.int64)).tolist()
        for position, activation in zip(picked, values, strict=True):
            tokens = text_until(evidence.texts, position, position + 1)
            yield unit, position, Example(tokens, len(tokens) - 1, activation)
