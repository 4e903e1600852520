"""Pairs of tokens: which are asked, what the sweep finds of them, and what the fitting makes of that."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from planted import BOS, after, observations, random_corpus, save
from test_corpus import letters, sentences

from n2g.method import sweep as sweeping
from n2g.method.activations import Units
from n2g.method.fitting_data import FittingBlock
from n2g.method.graph import fit_unit
from n2g.model.checkpoint import boot
from n2g.model.conversion import convert
from n2g.model.engine import Engine
from n2g.settings import Settings
from n2g.texts.corpus import Limits, build, split_of
from n2g.texts.pairs import PairCounts, within
from n2g.texts.readers import Text

Found = dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]]


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


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    folder = tmp_path_factory.mktemp("model")
    tiny.save_native_model(folder / "model")
    convert(sorted((folder / "model").iterdir()), folder / "checkpoint")
    torch.set_num_threads(1)
    return Engine(boot(folder / "checkpoint" / "checkpoint.json", "cpu", "float32"))


def ask(engine: Engine, texts: list[tuple[int, ...]], neurons: list[int]) -> dict[tuple, float]:
    """(neuron, text) -> activation of layer 1, with floors that depend on nothing else that is asked."""
    units = {1: Units.of(neurons, ["positive"])}
    found: Found = sweeping.sweep(
        engine, texts, [(0, 5, 9), (0, 7, 2), (0, 3, 3)], units, {1: np.full(len(neurons), 0.1)}
    )
    return {(neurons[u], texts[t]): float(v) for u, t, v in zip(*found[1], strict=True)}


def test_what_is_asked_beside_a_pair_does_not_matter(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    texts = sorted({tuple(pair) for pair in random.integers(1, 40, (150, 2)).tolist()})
    whole = ask(engine, texts, list(range(8)))
    assert whole
    monkeypatch.setattr(sweeping, "CHUNK", 16)
    some = [texts[i] for i in random.permutation(len(texts))[:70]]
    parts = {key: value for neuron in range(8) for key, value in ask(engine, some, [neuron]).items()}
    assert parts == {key: value for key, value in whole.items() if key[1] in some}


def test_pairs_that_no_text_shows_become_patterns(tmp_path: Path) -> None:
    documents = random_corpus()
    block = FittingBlock(
        *save(tmp_path, documents, observations(documents, [after(3, 4)])), Settings(bos=BOS)
    )
    (unit,) = block.units
    asked = {(50, 60): 2.0, (50, 61): 2.0, (51, 60): 0.5, (5, 6): 2.0}
    plain, graph = (fit_unit(block, unit, [], {}, {}, pairs) for pairs in ({}, asked))

    def fires(graph: object, *text: int) -> bool:
        return graph.predict([BOS, *text])[-1] >= graph.decision_threshold

    for text, expected in {
        (3, 4): True,
        (50, 60): True,
        (50, 61): True,
        (51, 60): False,
        (5, 6): False,
    }.items():
        assert fires(graph, *text) == expected, "the texts show 5 6 without firing"
        assert fires(plain, *text) == (text == (3, 4))
    assert graph.trie.number_of_nodes() == 5, "one class for 60 and 61"
