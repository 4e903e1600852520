"""Rewriting a layer: what is recovered where the right answer is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import rewritable
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import BOS
from rewritable import NEURONS

from n2g.graphs.elements import Element, End, Pattern
from n2g.graphs.matching import TokenIndex
from n2g.graphs.trie import NeuronGraph
from n2g.model.engine import Engine
from n2g.scores.layer_predictions import predict_layer, shuffled
from n2g.scores.neuron_effects import kept_rows, squared_slopes
from n2g.scores.passage import Passage
from n2g.scores.rewrite import Outcome, outcome_rows, outcomes, predicted_tokens
from n2g.scores.rewrite_conditions import Conditions, measure, rewritten
from n2g.scores.training_means import TrainingMeans, training_means
from n2g.texts.documents import Documents, WithheldError

EVERY = range(NEURONS)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def engine() -> Engine:
    return rewritable.open_model()


@pytest.fixture(scope="module")
def documents(engine: Engine) -> Documents:
    return rewritable.sampled_texts(engine)


@pytest.fixture(scope="module")
def passage(documents: Documents) -> Passage:
    return Passage.of(documents, documents.of("test"))


def means_of(
    engine, documents, passage, graphs, neurons: Sequence[int] = EVERY, budget: int = 10**6
) -> TrainingMeans:
    blind = documents.without_test()
    return training_means(engine, blind, 0, neurons, passage.index.tokens, graphs, budget)


@pytest.fixture(scope="module")
def rows(engine: Engine, documents: Documents, passage: Passage) -> dict[str, dict]:
    exact = rewritable.exact_graphs(engine)
    graphs = {"shuffled": shuffled(exact, EVERY), "graph": exact}
    means = means_of(engine, documents, passage, graphs)
    nothing = np.zeros((len(passage.index.tokens), NEURONS), dtype=np.float32)
    found = measure(engine, documents, 0, Conditions(passage, EVERY, means, nothing, graphs))
    return {row["condition"]: row for row in outcome_rows(found, predicted_tokens(documents, passage))}


def test_graphs_that_describe_every_neuron_exactly_recover_everything(rows: dict[str, dict]) -> None:
    assert rows["model"]["recovered"] == 1
    assert rows["mean"]["recovered"] == 0
    for end in ("recovered", "recovered_low", "recovered_high"):
        assert rows["graph"][end] == pytest.approx(1, abs=1e-4)
    for end in ("kept", "kept_low", "kept_high"):
        assert (rows["model"][end], rows["mean"][end]) == (1, 0)
        assert rows["graph"][end] == pytest.approx(1, abs=1e-4)
    assert rows["graph"]["divergence"] == pytest.approx(0, abs=1e-5)


def test_controls_recover_less(rows: dict[str, dict]) -> None:
    for name in ("zero", "shuffled", "token_lookup_calibrated"):  # here this lookup knows nothing
        assert rows[name]["recovered_high"] < 0.5, name
        assert rows[name]["kept_high"] < 0.5, name
    assert rows["zero"]["loss"] == rows["token_lookup_calibrated"]["loss"]
    # One imagined occurrence at the mean keeps the means of tokens from being exact.
    assert 0.9 < rows["token_mean"]["recovered"] < 1.0001
    assert rows["model"]["tokens"] == rows["model"]["documents"] * (18 - 1)


def test_the_loss_is_that_of_the_model_with_the_same_activations(
    engine: Engine, documents: Documents, passage: Passage
) -> None:
    known = rewritable.activations(engine, documents)
    own = np.concatenate([known[number] for number in passage.numbers.tolist()])
    changed = own.copy()
    changed[passage.bounds[:-1]] = 100  # at BOS the model's own activations stay
    found = outcomes(engine, documents, passage, 0, EVERY, {"own": own, "changed": changed})
    ids = torch.tensor(documents.ids(int(passage.numbers[0])).astype(np.int64))[None]
    logits = engine.bridge(ids, return_type="logits")[0, 1:-1]
    expected = float(torch.nn.functional.cross_entropy(logits, ids[0, 2:], reduction="sum"))
    assert found["model"].losses[0] == pytest.approx(expected, 1e-5)
    some = [3, 5, 20]
    found |= {"some": outcomes(engine, documents, passage, 0, some, {"some": own[:, some]})["some"]}
    for one in found.values():
        assert np.allclose(one.losses, found["model"].losses, atol=1e-4)
        assert np.allclose(one.divergences, 0, atol=1e-4)


def test_the_divergence_is_that_of_the_predictions(
    engine: Engine, documents: Documents, passage: Passage
) -> None:
    zero = np.zeros((len(passage.index.tokens), 1), dtype=np.float32)
    found = outcomes(engine, documents, passage, 0, [6], {"zero": zero})["zero"]
    ids = torch.tensor(documents.ids(int(passage.numbers[2])).astype(np.int64))[None]
    kept = torch.ones(len(ids[0]), NEURONS)
    kept[1:, 6] = 0
    before, after = (
        engine.logits(ids, 0, one)[0, 1:-1] for one in (lambda value: value, lambda value: value * kept)
    )
    divergence = torch.distributions.kl_divergence(
        torch.distributions.Categorical(logits=before), torch.distributions.Categorical(logits=after)
    )
    assert found.divergences[2] == pytest.approx(float(divergence.sum()), 1e-4)
    assert found.divergences[2] > 0


def test_batches_and_order_do_not_matter(engine: Engine, documents: Documents, passage: Passage) -> None:
    other = Engine(engine.bridge, batch_tokens=512)
    back = Passage.of(documents, passage.numbers[::-1].copy())
    values = np.random.default_rng(0).normal(size=(len(passage.index.tokens), 2)).astype(np.float32)
    order = np.concatenate(
        [np.arange(*ends) for ends in zip(passage.bounds[:-1], passage.bounds[1:], strict=True)][::-1]
    )
    found = outcomes(engine, documents, passage, 0, [1, 7], {"some": values})["some"]
    again = outcomes(other, documents, back, 0, [1, 7], {"some": values[order]})["some"]
    assert np.allclose(found.losses[::-1], again.losses, atol=1e-4)
    assert np.allclose(found.divergences[::-1], again.divergences, atol=1e-4)


def test_means_are_those_of_training_documents_alone(
    engine: Engine, documents: Documents, passage: Passage
) -> None:
    exact = rewritable.exact_graphs(engine)
    one = {key: graph for key, graph in exact.items() if key == (4, "positive")}
    known = rewritable.activations(engine, documents)
    train = documents.of("train")
    values = np.concatenate([known[number][1:] for number in train.tolist()]).astype(np.float64)
    tokens = np.concatenate([documents.ids(number)[1:] for number in train.tolist()])
    means = means_of(engine, documents, passage, {"graph": one}, [4, 9])
    assert np.allclose(means.mean, values[:, [4, 9]].mean(0), atol=1e-6)
    word = int(means.tokens[-1])
    mine = tokens == word
    expected = (values[mine][:, [4, 9]].sum(0) + means.mean) / (mine.sum() + 1)
    assert np.allclose(means.of_tokens(np.array([word]))[0], expected, atol=1e-6)
    free = values[:, 4] <= 0  # where the positive pole has no pattern
    assert means.background["graph"][0] == pytest.approx(values[free, 4].mean(), abs=1e-6)
    assert means.background["graph"][1] == pytest.approx(means.mean[1])  # without a graph it is the mean
    known_tokens = np.unique(passage.index.tokens)
    by_token = means.background_of_tokens("graph", known_tokens)
    assert np.allclose(by_token[:, 1], means.of_tokens(known_tokens)[:, 1])
    for at, token in enumerate(known_tokens.tolist()):
        rest = values[free & (tokens == token), 4]
        expected = (rest.sum() + means.background["graph"][0]) / (len(rest) + 1)
        assert by_token[at, 0] == pytest.approx(expected, abs=1e-6)
    with pytest.raises(WithheldError):
        documents.without_test().of("test")


def test_fewer_training_documents(engine: Engine, documents: Documents, passage: Passage) -> None:
    first = rewritable.activations(engine, documents)[int(documents.of("train")[0])][1:]
    means = means_of(engine, documents, passage, {}, budget=1)
    assert np.allclose(means.mean, first.mean(0), atol=1e-6)
    unseen = ~np.isin(means.tokens, documents.ids(int(documents.of("train")[0]))[1:])
    assert np.allclose(means.by_token[unseen], means.mean)


def graph_of(values: dict[tuple[int, ...], float]) -> NeuronGraph:
    """Patterns of tokens, in reading order, with their activations."""
    patterns = [
        Pattern(tuple(Element("token", (token,), (1.0,)) for token in reversed(tokens)), End(value, 1, None))
        for tokens, value in values.items()
    ]
    return NeuronGraph(patterns, scale=max(values.values()), bos=BOS)


def test_both_poles_make_one_activation() -> None:
    graphs = {(2, "positive"): graph_of({(5, 6): 3.0}), (2, "negative"): graph_of({(6,): 1.0, (7,): 2.0})}
    index = TokenIndex.of([[BOS, 5, 6, 7], [BOS, 6, 8]], BOS)
    predicted, decided = predict_layer(graphs, [2, 3], index)
    assert predicted[:, 0].tolist() == [0, 0, 2, -2, 0, -1, 0]
    assert decided[:, 0].tolist() == [False, False, True, True, False, True, False]
    assert not decided[:, 1].any() and predicted.dtype == np.float32


def test_a_rewritten_neuron_has_its_background_where_no_pattern_matches() -> None:
    text = np.array([BOS, 6, 8])
    passage = Passage(np.array([0]), np.array([0, 3]), TokenIndex.of([text], BOS), np.arange(3))
    (found,) = rewritten({(0, "positive"): graph_of({(6,): 2.0})}, [0, 1], passage, np.array([0.25, -0.5]))
    assert found.tolist() == [[0.25, -0.5], [2.0, -0.5], [0.25, -0.5]]


def test_shuffled_graphs_are_others_in_proportion() -> None:
    graphs = {(n, "positive"): graph_of({(n + 1,): float(n + 1)}) for n in range(6)}
    found = shuffled(graphs, range(6), seed=1)
    index = TokenIndex.of([[BOS, *range(1, 7)]], BOS)
    for neuron in range(6):
        values, _ = found[neuron, "positive"].predict_index(index)
        assert values.max() == pytest.approx(neuron + 1)
        assert values[neuron + 1] == 0
    assert shuffled(graphs, [3]) == {}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0.5, 3), min_size=2, max_size=12), st.floats(0, 1))
def test_recovered_is_the_share_of_the_gap(loss: list[float], share: float) -> None:
    model = np.array(loss)
    found = {
        "model": Outcome(model, 0 * model),
        "mean": Outcome(model + 1, model),
        "graph": Outcome(model + 1 - share, share * model),
    }
    row = list(outcome_rows(found, np.ones(len(loss), dtype=np.int64)))[-1]
    for end in ("", "_low", "_high"):
        assert row[f"recovered{end}"] == pytest.approx(share, abs=2e-6)
        assert row[f"kept{end}"] == pytest.approx(1 - share, abs=2e-6)


def test_where_means_do_no_harm_there_is_nothing_to_recover() -> None:
    model = np.array([1.0, 2.0, 3.0, 2.0])
    found = {"model": Outcome(model, 0 * model), "graph": Outcome(model, 0 * model)}
    found["mean"] = Outcome(model + np.array([0.1, -0.1, 0.1, -0.2]), np.full(4, 0.01))
    rows = list(outcome_rows(found, np.ones(4, dtype=np.int64)))
    assert np.isnan(
        [row[end] for row in rows for end in ("recovered", "recovered_low", "recovered_high")]
    ).all()
    assert [row["kept"] for row in rows] == [1, 1, 0]
    assert rows[0]["loss"] == 2


def test_in_parts_the_conditions_are_the_same(
    engine: Engine, documents: Documents, passage: Passage, monkeypatch: pytest.MonkeyPatch
) -> None:
    graphs = {"graph": rewritable.exact_graphs(engine)}
    means = means_of(engine, documents, passage, graphs)
    lookup = np.random.default_rng(0).normal(size=(len(passage.index.tokens), NEURONS)).astype(np.float32)
    whole = Conditions(passage, EVERY, means, lookup, graphs)
    monkeypatch.setattr("n2g.scores.rewrite_conditions.VALUES", 100 * NEURONS)
    parts = list(whole.parts(documents))
    assert len(parts) > 3
    for name, values in whole.values().items():
        assert np.array_equal(values, np.concatenate([part.values()[name] for part in parts])), name


@pytest.fixture(scope="module")
def squares(engine: Engine, documents: Documents, passage: Passage) -> dict[str, np.ndarray]:
    """Of every neuron of layer 0: to its mean, to its own activations, and halfway between the two."""
    known = rewritable.activations(engine, documents)
    own = np.concatenate([known[number] for number in passage.numbers.tolist()])
    mean = np.broadcast_to(own.mean(0), own.shape)
    half = (own + mean) / 2
    values = {"mean": mean, "graph": own, "token_mean": half, "graph_token_mean": half}
    return squared_slopes(engine, documents, passage, 0, EVERY, values, draws=8)


def test_a_neuron_keeps_all_of_its_effect_if_it_is_described_exactly(
    documents: Documents, passage: Passage, squares: dict[str, np.ndarray]
) -> None:
    tokens = predicted_tokens(documents, passage)
    for row in kept_rows(squares, list(EVERY), tokens):
        assert row["kept"] == row["kept_low"] == row["kept_high"] == 1
        assert row["graph_effect"] == pytest.approx(0, abs=1e-12)
        assert row["token_mean_kept"] == pytest.approx(
            0.75, abs=1e-4
        )  # half of the change has a quarter of the effect
    same = kept_rows({**squares, "graph": squares["mean"]}, list(EVERY), tokens)
    assert all(row["kept"] == row["kept_low"] == row["kept_high"] == 0 for row in same)
    dead = {name: np.zeros_like(found) for name, found in squares.items()}
    assert all(np.isnan(row["kept"]) for row in kept_rows(dead, list(EVERY), tokens))


def test_the_second_order_is_close_to_the_divergence(
    engine: Engine, documents: Documents, passage: Passage
) -> None:
    """Of each neuron set to its mean a tenth of the way, exactly: a pass for each."""
    known = rewritable.activations(engine, documents)
    own = np.concatenate([known[number] for number in passage.numbers.tolist()])
    values = (own + 0.1 * (own.mean(0) - own)).astype(np.float32)
    found = squared_slopes(engine, documents, passage, 0, EVERY, {"near": values}, draws=32)["near"].sum(0)
    ids = torch.tensor(np.stack([documents.ids(number) for number in passage.numbers]).astype(np.int64))
    exact = []
    with torch.no_grad():
        before = engine.logits(ids, 0, lambda value: value).double().log_softmax(-1)
        for neuron in EVERY:
            new = torch.from_numpy(values[:, neuron].reshape(ids.shape))

            def change(value: torch.Tensor, neuron: int = neuron, new: torch.Tensor = new) -> torch.Tensor:
                value = value.clone()
                value[:, 1:, neuron] = new[:, 1:]
                return value

            after = engine.logits(ids, 0, change).double().log_softmax(-1)
            exact.append(float((before.exp() * (before - after))[:, 1:-1].sum()))
    ratio = found / np.array(exact)
    assert np.median(ratio) == pytest.approx(1, abs=0.1)
    assert np.corrcoef(np.log(found), np.log(exact))[0, 1] > 0.95


def test_drawn_tokens_are_those_of_a_document_whatever_its_batch(
    engine: Engine, documents: Documents, passage: Passage
) -> None:
    values = {"zero": np.zeros((len(passage.index.tokens), 2), dtype=np.float32)}
    found = squared_slopes(engine, documents, passage, 0, [2, 8], values)["zero"]
    alone = Passage.of(documents, passage.numbers[5:6])
    values = {"zero": np.zeros((len(alone.index.tokens), 2), dtype=np.float32)}
    again = squared_slopes(engine, documents, alone, 0, [2, 8], values)["zero"]
    assert np.allclose(found[5], again[0], rtol=1e-3)
