"""Latents that the engine reads are those of an encoder after a plain pass, at every hook, whatever is asked beside."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import test_engine
import tiny
import torch

from n2g.errors import InputError
from n2g.explain.block import Runner
from n2g.model.checkpoint import boot, read_description
from n2g.model.conversion import convert
from n2g.model.engine import Engine
from n2g.model.next_token import Change, NextToken
from n2g.model.prompts import Prompt
from n2g.units.encoder import Encoder
from n2g.units.hooks import KNOWN, hook_name
from n2g.weights.logits import latent_weights, weights_of

LATENTS = 300
WIDTHS = {"mlp.hook_post": {"llama": 24, "gpt2": 64, "neox": 40, "opt": 32}}

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module", params=["gated", *test_engine.HF])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return test_engine.booted(request.param, tmp_path_factory.mktemp(request.param))


def encoder(layer: int, kind: str, width: int, activation: str) -> Encoder:
    torch.manual_seed(layer)
    return Encoder(
        hook=hook_name(layer, kind),
        writes=hook_name(layer, kind),
        activation=activation,
        weight=torch.randn(LATENTS, width),
        bias=torch.randn(LATENTS) - 1,
        k=5 if activation == "topk" else None,
        norm="layer_norm",
    )


def encoders(model: Any, kind: str, activation: str) -> dict[int, Encoder]:
    width = WIDTHS.get(kind, {}).get(model.kind, 24 if kind == "mlp.hook_post" else 16)
    return {layer: encoder(layer, kind, width, activation) for layer in range(model.cfg.n_layers)}


def plainly(model: Any, one: Encoder, prompts: list[Prompt]) -> np.ndarray:
    """[prompt, latent] of whole forward passes."""
    found = []
    for prompt in prompts:
        _, cache = model.run_with_cache(torch.tensor([[*prompt.prefix, *prompt.suffix]]))
        found.append(one.encode(cache[one.hook].reshape(-1, one.width)[-1:]))
    return torch.cat(found).numpy()


@pytest.mark.parametrize(
    ("kind", "activation"), [*((kind, "relu") for kind in KNOWN), ("hook_resid_post", "topk")]
)
def test_answers_are_those_of_a_plain_pass(model: Any, kind: str, activation: str) -> None:
    known = encoders(model, kind, activation)
    if known[0].hook not in model.hook_dict:
        pytest.skip(f"{model.kind} has no {kind}")
    prompts = test_engine.draw(0)[0][:22:2]
    latents = np.random.default_rng(3).integers(0, LATENTS, len(prompts)).tolist()
    engine = Engine(model, encoders=known)
    for layer, one in list(known.items())[-1:]:
        expected = plainly(model, one, prompts)
        at = expected[np.arange(len(prompts)), latents]
        for shared in (False, True):
            found = engine.ask(layer, prompts, latents, shared)
            np.testing.assert_allclose(found, at, rtol=0, atol=1e-5 * expected.max())
        assert (expected > 0).mean() < 0.7


def test_one_pass_reads_several_layers(model: Any) -> None:
    known = encoders(model, "hook_resid_post", "relu")
    prompts = sorted(set(test_engine.draw(1)[0][:12]))
    columns = {layer: [280, 3, 17] for layer in known}
    seen, found = [], {layer: [] for layer in known}
    for chunk, values in Engine(model, encoders=known).sweep(columns, prompts):
        seen += chunk
        for layer in known:
            found[layer].append(values[layer])
    for layer, one in known.items():
        expected = plainly(model, one, seen)[:, columns[layer]]
        np.testing.assert_allclose(np.concatenate(found[layer]), expected, rtol=0, atol=1e-5 * expected.max())


@pytest.mark.parametrize("activation", ["relu", "topk"])
def test_nothing_depends_on_what_is_asked_beside(model: Any, activation: str) -> None:
    known = encoders(model, "hook_resid_post", activation)
    layer = model.cfg.n_layers - 1
    prompts, _ = test_engine.draw(2)
    latents = np.random.default_rng(4).integers(0, LATENTS, len(prompts)).tolist()
    together = Engine(model, encoders=known).ask(layer, prompts, latents)
    for at in range(0, len(prompts), 40):
        alone = Engine(model, encoders={layer: known[layer]}).ask(
            layer, prompts[at : at + 1], latents[at : at + 1]
        )
        assert alone[0] == together[at]


@pytest.mark.parametrize("activation", ["relu", "topk"])
def test_reading_texts_in_blocks_gives_the_same_bits(model: Any, activation: str) -> None:
    known = encoders(model, "hook_resid_post", activation)
    tokens = torch.as_tensor(np.random.default_rng(2).integers(2, tiny.VOCABULARY - 20, (4, 20)))
    engine = Engine(model, encoders=known)
    whole = engine.read(tokens, sorted(known))
    parts = [torch.tensor([0, 299]), torch.tensor([5]), torch.arange(250, 260)]
    read = engine.read_columns(tokens, dict.fromkeys(known, parts))
    for layer in known:
        assert whole[layer].shape == (4, 20, LATENTS)
        for part, values in zip(parts, read[layer], strict=True):
            assert torch.equal(values, whole[layer][..., part])


@pytest.mark.parametrize(
    ("reads", "writes"),
    [
        ("hook_resid_pre", "hook_resid_pre"),
        ("hook_resid_post", "hook_resid_post"),
        ("hook_mlp_out", "hook_mlp_out"),
        ("attn.hook_z", "attn.hook_z"),
        ("mlp.hook_in", "hook_mlp_out"),
    ],
)
@pytest.mark.parametrize("activation", ["relu", "topk"])
def test_a_changed_latent_changes_what_its_layer_writes(
    model: Any, reads: str, writes: str, activation: str
) -> None:
    layer, place = model.cfg.n_layers - 1, 7
    one = encoder(layer, reads, 16, activation)
    one = replace(one, writes=hook_name(layer, writes), decoder=torch.randn(LATENTS, 16))
    text = np.random.default_rng(5).integers(2, tiny.VOCABULARY - 20, 12).tolist()
    own = one.encode(model.run_with_cache(torch.tensor([text]))[1][one.hook].reshape(1, -1, 16))[0, place]
    changes = [Change(i, latent, 1.0 - 2 * i) for i, latent in enumerate(own.topk(3).indices.tolist())]
    asked = {0: {place: changes}}
    (found,) = NextToken(Engine(model, encoders={layer: one}), layer, [text]).changed(asked)
    moves = []
    for change, logits in zip(found.changes, found.after, strict=True):
        state = model.run_with_cache(torch.tensor([text]))[1][one.hook].reshape(1, -1, 16)[0, place]
        size = (state - state.mean()).std()  # what the encoder's norm divides by
        move = (change.value - own[change.neuron]) * one.decoder[change.neuron] * size

        def hook(value: torch.Tensor, hook: Any, move: torch.Tensor = move) -> torch.Tensor:
            value = value.clone()
            value.view(1, -1, 16)[0, place] += move
            return value

        ids = torch.tensor([text])
        expected = model.run_with_hooks(ids, fwd_hooks=[(one.writes, hook)], return_type="logits")[0, place]
        assert torch.allclose(logits, expected, rtol=1e-3, atol=1e-4 * expected.abs().max())
        moves.append((expected - found.before).abs().max())
    assert min(moves) > 1e-3


@pytest.mark.parametrize(
    ("one", "other"),
    [("0.hook_resid_post", "1.hook_resid_pre"), ("1.hook_mlp_out", "1.hook_resid_post")],
)
def test_hooks_of_the_residual_stream_change_all_that_follows(model: Any, one: str, other: str) -> None:
    if model.cfg.n_layers != 2:
        pytest.skip("needs two layers")

    def add(value: torch.Tensor, hook: Any) -> torch.Tensor:
        return value + torch.linspace(-2, 2, 16)

    ids = torch.tensor([[0, 5, 3, 8]])
    first, second = (
        model.run_with_hooks(ids, fwd_hooks=[(f"blocks.{name}", add)], return_type="logits")
        for name in (one, other)
    )
    assert torch.allclose(first, second, rtol=1e-3, atol=1e-4 * first.abs().max())
    assert not torch.allclose(first, model(ids, return_type="logits"), rtol=1e-2)


@pytest.fixture(scope="module", params=["gemma", "llama", "neox"])
def described(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A model, and its checkpoint. The first has a norm behind attention and MLP, and heads wider than its stream."""
    folder = tmp_path_factory.mktemp(request.param)
    save = {"gemma": tiny.save_gemma, "llama": tiny.save_llama, "neox": tiny.save_neox}[request.param]
    save(folder / "model")
    convert(sorted((folder / "model").iterdir()), folder / "checkpoint")
    bridge = boot(folder / "checkpoint")
    bridge.kind = request.param
    return bridge, folder / "checkpoint"


def test_a_checkpoint_says_which_hooks_its_model_has_and_how_wide_they_are(
    described: tuple[Any, Path],
) -> None:
    bridge, folder = described
    known = read_description(folder).hooks
    _, cache = bridge.run_with_cache(torch.tensor([[0, 5, 3, 8]]))
    for kind in KNOWN:
        names = [hook_name(layer, kind) for layer in range(bridge.cfg.n_layers)]
        if all(name in cache for name in names):
            assert {cache[name].numel() // 4 for name in names} == {known[kind]}
        else:
            assert kind not in known
    assert ("hook_resid_mid" in known) == (bridge.kind != "neox")
    assert known["attn.hook_z"] == (24 if bridge.kind == "gemma" else 16)


def test_descriptions_of_earlier_versions_have_no_hooks(described: tuple[Any, Path], tmp_path: Path) -> None:
    content = json.loads((described[1] / "checkpoint.json").read_text())
    content.pop("hooks")
    (tmp_path / "checkpoint.json").write_text(json.dumps(content))
    assert read_description(tmp_path).hooks == {}


@pytest.mark.parametrize("kind", ["mlp.hook_post", "attn.hook_z", "hook_resid_post"])
def test_a_width_that_divides_the_models_is_not_read(described: tuple[Any, Path], kind: str) -> None:
    bridge, folder = described
    one = encoder(1, kind, 8, "relu")
    engine, width = Engine(bridge, encoders={1: one}), read_description(folder).hooks[kind]
    sentence = f"layer 1 reads 8 numbers of a token, but {one.hook} of the model has {width}: choose"
    tokens = torch.tensor([[0, 5, 3, 8]])
    with pytest.raises(InputError, match=sentence):
        engine.read(tokens, [1])
    with pytest.raises(InputError, match=sentence):
        engine.ask(1, [Prompt((0,), (5, 3))], [0])


def test_outputs_of_modules_are_added_to_the_stream_where_no_norm_follows(
    described: tuple[Any, Path],
) -> None:
    bridge, _ = described
    _, cache = bridge.run_with_cache(torch.tensor([[0, 5, 3, 8]]))
    for kind, added in (("attn.hook_out", "hook_attn_out"), ("mlp.hook_out", "hook_mlp_out")):
        own, whole = (cache[hook_name(1, name)] for name in (kind, added))
        assert torch.equal(own, whole) == (bridge.kind != "gemma")
        one = replace(encoder(1, kind, 16, "relu"), decoder=torch.randn(LATENTS, 16))
        assert (latent_weights(weights_of(bridge, 1), one) is None) == (bridge.kind == "gemma")
        whole = replace(one, writes=hook_name(1, added))
        assert latent_weights(weights_of(bridge, 1), whole)


def test_one_latent_of_a_typed_text_is_computed_alone(
    described: tuple[Any, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = encoders(described[0], "hook_resid_post", "relu")
    engine = Engine(described[0], encoders=known)
    expected = engine.read(torch.tensor([[0, 5, 3, 8]]), [1])[1][0, 1:, 7]
    monkeypatch.delattr(Encoder, "encode")
    words = [str(token) for token in range(tiny.VOCABULARY)]
    run = Runner(engine, 1, lambda texts: [[5, 3, 8] for _ in texts], 0, 64, words).of((7, "negative"))
    assert run("any")[1].tolist() == (-expected.double()).tolist()
