"""Pairs of tokens: what the sweep finds of them, and what the fitting makes of that."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from planted import BOS, after, observations, random_corpus, save

from n2g.method import sweep as sweeping
from n2g.method.activations import Units
from n2g.method.fitting_data import FittingBlock
from n2g.method.graph import fit_unit
from n2g.model.checkpoint import boot
from n2g.model.conversion import convert
from n2g.model.engine import Engine
from n2g.settings import Settings

Found = dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]]


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
