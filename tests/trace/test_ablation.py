"""What is left of a prediction when only some neurons do what they do."""

from __future__ import annotations

import numpy as np
import planted
import pytest
import torch
import tracing
from tracing import FIRST, NEURONS, OTHER, PIVOT, PROMPT, SECOND, TARGET

from n2g.model.engine import Engine
from n2g.trace.ablation import Case, differences, mean_activations

CASES = [Case(PROMPT, TARGET, OTHER), Case((0, 1, PIVOT), TARGET, OTHER), Case((0, 5, 5, PIVOT), TARGET, 1)]


@pytest.fixture(scope="module")
def engine() -> Engine:
    return tracing.open_circuit()


@pytest.fixture(scope="module")
def documents() -> planted.Documents:
    return planted.random_corpus(24, length=12, vocabulary=tracing.WORDS)


@pytest.fixture(scope="module")
def means(engine: Engine, documents: planted.Documents) -> np.ndarray:
    return mean_activations(engine, documents.without_test(), 10**6)


def only(*neurons: tuple[int, int]) -> np.ndarray:
    kept = np.zeros((2, 1, NEURONS), dtype=bool)
    for layer, neuron in neurons:
        kept[layer, 0, neuron] = True
    return kept


def test_means_are_those_of_training_documents_without_bos(
    engine: Engine, documents: planted.Documents, means: np.ndarray
) -> None:
    expected = [
        engine.read(torch.tensor(documents.ids(number).astype(np.int64))[None], [0, 1])
        for number in documents.of("train")
    ]
    for layer in (0, 1):
        values = torch.cat([one[layer][0, 1:] for one in expected]).double().mean(0).numpy()
        assert means[layer] == pytest.approx(values, abs=1e-6)
    few = mean_activations(engine, documents.without_test(), 1)
    assert few[0] == pytest.approx(expected[0][0][0, 1:].mean(0).numpy(), abs=1e-6)


def test_two_neurons_of_a_planted_circuit_are_enough_and_each_is_needed(
    engine: Engine, means: np.ndarray
) -> None:
    whole = differences(engine, CASES, None, means)
    logits = [engine.bridge(torch.tensor([case.tokens]), return_type="logits")[0, -1] for case in CASES]
    assert whole == pytest.approx(
        [float(one[case.target] - one[case.against]) for one, case in zip(logits, CASES, strict=True)],
        rel=1e-5,
    )
    left = {
        name: differences(engine, CASES, [kept] * len(CASES), means) / whole
        for name, kept in {
            "all": np.ones((2, 1, NEURONS), dtype=bool),
            "circuit": only(FIRST, SECOND),
            "first": only(FIRST),
            "second": only(SECOND),
            "others": ~only(FIRST, SECOND),
        }.items()
    }
    assert left["all"] == pytest.approx(1, abs=1e-5)
    assert left["circuit"] == pytest.approx(1, abs=0.05)
    for name in ("first", "second", "others"):
        assert (left[name] < 0.6).all(), name


def test_a_neuron_can_be_kept_at_one_position(engine: Engine, means: np.ndarray) -> None:
    kept = np.zeros((2, len(PROMPT), NEURONS), dtype=bool)
    for layer, neuron in (FIRST, SECOND):
        kept[layer, -1, neuron] = True
    one = [CASES[0]]
    here = differences(engine, one, [kept], means)
    assert here == pytest.approx(differences(engine, one, [only(FIRST, SECOND)], means), rel=1e-2)
    elsewhere = differences(engine, one, [np.roll(kept, 1, axis=1)], means)
    assert abs(elsewhere) < 0.6 * here


def test_at_bos_nothing_changes(engine: Engine) -> None:
    """BOS alone has no other token before it, so its logits tell whether it was left as it is."""
    case = Case((0,), TARGET, OTHER)
    far = np.full((2, NEURONS), 100, dtype=np.float32)
    assert differences(engine, [case], [only()], far) == differences(engine, [case], None, far)
