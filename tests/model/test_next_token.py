"""Logits after a change at one token are those of a whole run with the same hook, whatever is run with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tiny
import torch

from n2g.model import next_token
from n2g.model.checkpoint import boot
from n2g.model.conversion import convert
from n2g.model.engine import Engine
from n2g.model.next_token import Change, NextToken

HF = {"llama": tiny.save_llama, "gpt2": tiny.save_gpt2, "neox": tiny.save_neox, "opt": tiny.save_opt}
Wanted = dict[int, dict[int, list[Change]]]

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module", params=["gelu", "gated", *HF])
def bridge(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param in HF:
        HF[request.param](folder / "model")
    else:
        tiny.save_native_model(folder / "model", **tiny.NATIVE[request.param])
    convert(sorted((folder / "model").iterdir()), folder / "checkpoint")
    return boot(folder / "checkpoint")


@pytest.fixture(scope="module")
def texts() -> list[list[int]]:
    random = np.random.default_rng(0)
    lengths = (5, 17, 18, 33, 40, 52, 52, 60)
    return [[0, *random.integers(2, tiny.VOCABULARY - 20, length).tolist()] for length in lengths]


@pytest.fixture(scope="module")
def wanted(texts: list[list[int]]) -> Wanted:
    """Some places of each text, the first and the last among them, with up to 12 changes."""
    random = np.random.default_rng(1)
    found: Wanted = {}
    for text, ids in enumerate(texts):
        for place in (1, len(ids) - 1, *random.integers(1, len(ids), 3).tolist()):
            neurons = random.integers(0, 24, random.integers(1, 13)).tolist()
            changes = [Change(text * 100 + i, n, float(random.normal())) for i, n in enumerate(neurons)]
            found.setdefault(text, {})[place] = changes
    return found


def logits(engine: Engine, layer: int, texts: list[list[int]], wanted: Wanted) -> dict[tuple, torch.Tensor]:
    """(text, place, change) -> logits; None instead of a change: as the model is."""
    found: dict[tuple, torch.Tensor] = {}
    for one in NextToken(engine, layer, texts).changed(wanted):
        found[one.text, one.place, None] = one.before
        found |= {
            (one.text, one.place, change): row for change, row in zip(one.changes, one.after, strict=True)
        }
    return found


@pytest.mark.parametrize("layer", [0, 1])
def test_logits_are_those_of_a_whole_run_with_the_hook(
    bridge: Any, texts: list[list[int]], wanted: Wanted, layer: int
) -> None:
    found = logits(Engine(bridge), layer, texts, wanted)
    assert len(found) == sum(1 + len(changes) for places in wanted.values() for changes in places.values())
    for (text, place, change), row in found.items():

        def hook(value: torch.Tensor, hook: Any, place: int = place, change: Any = change) -> torch.Tensor:
            if change:
                value.reshape(1, -1, value.shape[-1])[0, place, change.neuron] = change.value
            return value

        ids = torch.tensor([texts[text]])
        hooks = [(f"blocks.{layer}.mlp.hook_post", hook)]
        expected = bridge.run_with_hooks(ids, fwd_hooks=hooks, return_type="logits")[0, place]
        assert torch.allclose(row, expected, rtol=1e-3, atol=1e-4), (text, place, change)


def test_what_else_is_run_does_not_matter(
    bridge: Any, texts: list[list[int]], wanted: Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = logits(Engine(bridge), 1, texts, wanted)
    for text, places in wanted.items():
        for place, changes in places.items():
            alone = logits(Engine(bridge), 1, texts, {text: {place: changes[:1]}})
            assert all(torch.equal(row, together[key]) for key, row in alone.items())
    monkeypatch.setitem(next_token.HELD_BYTES, "cpu", 1)
    small = logits(Engine(bridge), 1, texts, wanted)
    assert small.keys() == together.keys()
    assert all(torch.equal(row, together[key]) for key, row in small.items())


def test_a_model_that_cannot_continue_is_run_on_whole_texts(
    bridge: Any, texts: list[list[int]], wanted: Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    continued = logits(Engine(bridge), 0, texts, wanted)
    monkeypatch.setattr(next_token, "ALIKE", -1.0)
    whole = logits(Engine(bridge), 0, texts, wanted)
    assert whole.keys() == continued.keys()
    for key, row in whole.items():
        assert torch.allclose(row, continued[key], rtol=1e-3, atol=1e-4), key


def test_nothing_wanted_runs_nothing(bridge: Any, texts: list[list[int]]) -> None:
    engine = Engine(bridge)
    before = engine.tokens
    assert not logits(engine, 0, texts, {}) and not logits(engine, 0, texts, {0: {}})
    assert engine.tokens == before
