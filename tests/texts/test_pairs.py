"""Pairs of tokens: which are listed for the sweep, in which order."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from planted import BOS
from test_corpus import letters, sentences

from n2g.texts.corpus import Limits, build, split_of
from n2g.texts.pairs import PairCounts, within
from n2g.texts.readers import Text


def as_dict(columns: dict[str, np.ndarray]) -> dict[tuple[int, int], int]:
    return {
        (a, b): n
        for a, b, n in zip(*(columns[k].tolist() for k in ("before", "token", "count")), strict=True)
    }


@pytest.mark.parametrize("pending", [1, 7, 10_000])
def test_pairs_are_counted_the_most_common_first(pending: int) -> None:
    documents = np.random.default_rng(0).integers(0, 2**31 - 1, 6)[
        np.random.default_rng(1).integers(0, 6, (40, 5))
    ]
    counts = PairCounts(pending)
    for ids in [*documents, np.zeros(0), np.array([3])]:
        counts.add(ids)
    columns = counts.columns()
    assert as_dict(columns) == Counter(pair for ids in documents.tolist() for pair in pairwise(ids))
    order = list(zip(-columns["count"], columns["before"], columns["token"], strict=True))
    assert order == sorted(order)


def test_a_smaller_budget_asks_the_beginning_of_what_a_larger_one_asks() -> None:
    assert [within(10, budget, 3) for budget in (0, 2, 3, 29, 31, 1000)] == [0, 0, 1, 9, 10, 10]


@pytest.mark.parametrize("further", [0, 400, 10**6])
def test_pairs_of_test_texts_are_never_listed(tmp_path: Path, further: int) -> None:
    """Neither of those in the corpus, nor of those that a larger corpus would test on."""
    texts = [Text(number, "", text) for number, text in enumerate(sentences(60))]
    made = build(
        texts, letters, BOS, Limits(1000, further_tokens=further, near_duplicates=None), tmp_path / "t.npy"
    )
    taken = {row["text"] for row in made.documents.to_pylist()}
    ordered = sorted(texts, key=lambda text: text.digest)
    room = -(-further // 40)
    read = [text for text in ordered if text.number in taken] + [t for t in ordered if t.number not in taken][
        :room
    ]
    expected: Counter[tuple[int, int]] = Counter()
    for text in read:
        if split_of(text.digest) != "test":
            expected.update(pairwise(letters([text.text])[0]))
    assert as_dict(made.pairs) == expected
    assert made.counts["tokens"]["further"] == 40 * (len(read) - len(taken))
