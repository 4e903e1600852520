"""What neurons do: places are held out and fixed, and a planted neuron's one token comes first."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import planted
import pytest
import rewritable
import torch
from planted import BOS
from rewritable import NEURONS, WORDS

from n2g.method.observations import Observations
from n2g.model.engine import Engine
from n2g.results.effects import NEGLIGIBLE, effects_of, measurable
from n2g.scores.effect_places import SETS, Places, choose_places
from n2g.scores.effects import effect_rows, means, measure
from n2g.scores.evaluate import hold_out
from n2g.scores.rewrite import resampled
from n2g.texts.documents import Documents

PUSHER, TOKEN, IDLE = 5, 7, 6  # a neuron that raises the logit of a token alone, and one that does nothing
LAYER = 1

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def engine() -> Engine:
    """In the last layer a neuron writes what the unembedding of one token reads and no other token's does."""
    engine = rewritable.open_model()
    weights = engine.bridge.state_dict()
    out = weights["blocks.1.mlp.out.weight"]
    rows = out if out.shape[0] == NEURONS else out.T
    read = engine.bridge.W_U.double()
    read = read - read.mean(0)  # the norm takes the mean off
    target = torch.zeros(WORDS, dtype=torch.float64)
    target[TOKEN] = 1
    rows[PUSHER] = 3 * torch.linalg.lstsq(read.T, target).solution.float()
    rows[IDLE] = 0
    engine.bridge.load_state_dict(weights)
    return engine


@pytest.fixture(scope="module")
def documents(engine: Engine) -> Documents:
    return rewritable.sampled_texts(engine)


@pytest.fixture(scope="module")
def known(engine: Engine, documents: Documents) -> dict[int, np.ndarray]:
    return rewritable.activations(engine, documents, LAYER)


def observed(documents: Documents, known: dict[int, np.ndarray], neurons: range | list[int]) -> Observations:
    """What the pass over the corpus finds of neurons of the model, numbered from 0."""
    texts = {documents.ids(number).tobytes(): values for number, values in known.items()}

    def rule(neuron: int) -> Any:
        return lambda ids: texts[np.array(ids, dtype=np.int32).tobytes()][:, neuron].tolist()

    return planted.observations(documents, [rule(neuron) for neuron in neurons])


def always(neuron: int) -> dict[str, Any]:
    """A graph that fires on some words."""
    graph = rewritable.token_graph(dict.fromkeys((1, 2, 3), 1.0)).to_dict()
    return {"graph": graph, "method": "atlas", "neuron": neuron}


@pytest.fixture(scope="module")
def places(documents: Documents, known: dict[int, np.ndarray]) -> list[Places]:
    return chosen(documents, observed(documents, known, range(NEURONS)))


def chosen(documents: Documents, observations: Observations, seed: int = 0) -> list[Places]:
    graphs = {(neuron, "positive"): {"atlas": always(neuron)} for neuron in range(NEURONS)}
    return list(choose_places(hold_out(documents, observations), observations, graphs, 0.5, seed))


@pytest.fixture(scope="module")
def rows(
    engine: Engine, documents: Documents, known: dict[int, np.ndarray], places: list[Places]
) -> dict[tuple[int, str], dict]:
    set_to = means(documents, observed(documents, known, range(NEURONS)))
    found = measure(engine, documents, LAYER, [one.some(0, 12) for one in places], set_to)
    return {(row["neuron"], row["set"]): row for row in effect_rows(found)}


def test_a_neuron_that_pushes_one_token_has_it_first(rows: dict[tuple[int, str], dict]) -> None:
    row = rows[PUSHER, "firing"]
    assert row["places"] == 12
    assert row["promoted"][0] == TOKEN
    assert row["promoted_by"][0] > 10 * max(row["promoted_by"][1:], default=0)
    assert row["promoted_by"][0] > 0 > row["suppressed_by"][0]
    assert TOKEN not in row["suppressed"]
    assert measurable(effects_of([row])["firing"])


def test_a_neuron_that_writes_nothing_does_nothing(rows: dict[tuple[int, str], dict]) -> None:
    row = rows[IDLE, "firing"]
    assert row["places"] > 1
    for name in ("loss", "loss_low", "loss_high", "entropy", "divergence"):
        assert row[name] == 0, name
    assert row["promoted"] == row["suppressed"] == []
    assert not measurable(effects_of([row])["firing"])


def test_places_are_held_out_firings_with_a_next_token(
    documents: Documents, known: dict[int, np.ndarray], places: list[Places]
) -> None:
    train = [known[number][1:] for number in documents.of("train")]
    assert [(one.key[0], one.set) for one in places] == [(n, name) for n in range(NEURONS) for name in SETS]
    for (neuron, _), name, numbers, positions in places:
        assert np.isin(numbers, documents.of("test")).all()
        assert ((positions > 0) & (positions < documents.lengths[numbers] - 1)).all()
        assert len({*zip(numbers.tolist(), positions.tolist(), strict=True)}) == len(numbers)
        firing = 0.5 * max(float(values[:, neuron].max()) for values in train)
        values = np.array(
            [known[n][p, neuron] for n, p in zip(numbers.tolist(), positions.tolist(), strict=True)]
        )
        tokens = np.array(
            [documents.ids(n)[p] for n, p in zip(numbers.tolist(), positions.tolist(), strict=True)]
        )
        if name == "firing":
            assert (values >= firing * 0.999).all()
        else:
            assert (values < firing * 1.001).all() and np.isin(tokens, (1, 2, 3)).all()


def test_every_document_has_its_turn_before_any_has_a_second_one(places: list[Places]) -> None:
    for one in places:
        turns: dict[int, int] = {}
        seen = []
        for number in one.documents.tolist():
            turns[number] = turns.get(number, 0) + 1
            seen.append((turns[number], number))
        assert seen == sorted(seen)


def test_the_seed_draws_and_other_neurons_do_not(
    documents: Documents, known: dict[int, np.ndarray], places: list[Places]
) -> None:
    again = chosen(documents, observed(documents, known, range(NEURONS)))
    other = chosen(documents, observed(documents, known, range(NEURONS)), seed=1)
    alone = chosen(documents, observed(documents, known, [0]))
    assert all(np.array_equal(a.positions, b.positions) for a, b in zip(places, again, strict=True))
    assert not all(np.array_equal(a.positions, b.positions) for a, b in zip(places, other, strict=True))
    for one, same in zip(alone, places, strict=False):
        assert np.array_equal(one.documents, same.documents)
        assert np.array_equal(one.positions, same.positions)


def test_figures_are_those_of_the_plain_predictions(
    engine: Engine, documents: Documents, places: list[Places], known: dict[int, np.ndarray]
) -> None:
    set_to = means(documents, observed(documents, known, range(NEURONS)))
    one = next(one.some(0, 1) for one in places if one.key[0] == 3 and len(one.documents))
    (found,) = measure(engine, documents, LAYER, [one], set_to)
    ids = torch.tensor(documents.ids(int(one.documents[0])).astype(np.int64))[None]
    at = int(one.positions[0])

    def change(value: torch.Tensor, hook: Any) -> torch.Tensor:
        value[0, at, 3] = set_to[one.key]
        return value

    hook = [(f"blocks.{LAYER}.mlp.hook_post", change)]
    before = engine.bridge(ids, return_type="logits")[0, at]
    after = engine.bridge.run_with_hooks(ids, fwd_hooks=hook, return_type="logits")[0, at]
    own, new = (torch.distributions.Categorical(logits=logits) for logits in (before, after))
    loss, entropy, divergence = found.figures[0]
    following = ids[0, at + 1]
    assert loss == pytest.approx(float(new.log_prob(following) - own.log_prob(following)), abs=1e-4)
    assert entropy == pytest.approx(float(own.entropy() - new.entropy()), abs=1e-4)
    assert divergence == pytest.approx(float(torch.distributions.kl_divergence(own, new)), abs=1e-4)
    assert found.probabilities == pytest.approx((own.probs - new.probs).numpy(), abs=1e-4)


def test_the_mean_is_that_of_validation_documents(documents: Documents, known: dict[int, np.ndarray]) -> None:
    observations = observed(documents, known, range(NEURONS))
    values = np.concatenate([known[number][1:] for number in documents.of("validation")])
    found = means(documents, observations)
    assert [found[n, "positive"] for n in range(NEURONS)] == pytest.approx(values.mean(0), abs=1e-3)


def test_intervals_are_over_documents(rows: dict[tuple[int, str], dict], engine: Engine) -> None:
    for row in rows.values():
        if row["documents"] > 1:
            assert row["loss_low"] <= row["loss"] <= row["loss_high"]
    assert resampled(3, 0).sum(1).tolist() == [3] * len(resampled(3, 0))


def test_without_a_place_nothing_is_said(engine: Engine, documents: Documents) -> None:
    nothing = np.zeros(0, dtype=np.int64)
    places = Places((2, "negative"), "firing", nothing, nothing)
    (row,) = effect_rows(measure(engine, documents, LAYER, [places], {(2, "negative"): 0.0}))
    assert (row["neuron"], row["pole"], row["places"], row["documents"]) == (2, "negative", 0, 0)
    assert all(math.isnan(row[name]) for name in ("loss", "loss_low", "entropy_high", "divergence"))
    assert row["promoted"] == row["promoted_by"] == row["suppressed"] == []
    assert BOS == 0


@pytest.mark.parametrize(
    ("low", "high", "divergence", "expected"),
    [
        (-0.1, 0.1, NEGLIGIBLE / 2, False),
        (0.1, 0.2, NEGLIGIBLE / 2, True),
        (-0.1, 0.1, 2 * NEGLIGIBLE, True),
        (None, None, NEGLIGIBLE / 2, False),
    ],
)
def test_an_effect_is_not_measurable_if_it_is_small_and_of_no_clear_sign(
    low: float | None, high: float | None, divergence: float, expected: bool
) -> None:
    assert measurable({"loss_low": low, "loss_high": high, "divergence": divergence}) is expected
