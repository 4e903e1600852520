"""Attribution of a logit to neurons, where the right answer is known."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tiny
import torch
import tracing
from tracing import FIRST, OTHER, PROMPT, SECOND, TARGET

from n2g.errors import InputError
from n2g.model.checkpoint import load
from n2g.model.engine import Engine
from n2g.trace.attribution import PROPAGATIONS, Attribution, attribute, attribute_many
from n2g.trace.neurons import strongest
from n2g.trace.propagation import frozen
from n2g.trace.question import ATTRIBUTIONS

TOKENS = (0, 5, 9, 33, 12, 200)
SAVED = {
    "llama": tiny.save_llama,
    "gpt2": tiny.save_gpt2,
    "neox": tiny.save_neox,
    "opt": tiny.save_opt,
}


@pytest.fixture(scope="module", params=[*SAVED, *tiny.NATIVE])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """Small models of every kind, without biases, which would take a part of the relevance."""
    folder = tmp_path_factory.mktemp("model")
    if request.param in SAVED:
        SAVED[request.param](folder)
    else:
        tiny.save_native_model(folder, **tiny.NATIVE[request.param])
    bridge = load(folder, "transformers" if request.param in SAVED else "native", "cpu", "float32")
    weights = bridge.state_dict()
    bridge.load_state_dict(
        {name: torch.zeros_like(value) if "bias" in name else value for name, value in weights.items()}
    )
    return Engine(bridge)


def logit(engine: Engine) -> float:
    with torch.no_grad():
        last = engine.bridge(torch.tensor([TOKENS]), return_type="logits")[0, -1]
    return float(last[7] - last[8])


def test_all_of_a_logit_flows_through_the_whole_model(engine: Engine) -> None:
    found = attribute(engine, TOKENS, 7, 8)
    assert found.value == pytest.approx(logit(engine), rel=1e-5)
    assert found.start.sum() == pytest.approx(found.value, rel=1e-4)
    assert attribute(engine, TOKENS, 7, 8, "gradient").start.sum() != pytest.approx(found.value, rel=1e-2)


def test_the_neurons_of_the_last_layer_and_the_rest_sum_to_the_logit(engine: Engine) -> None:
    """Behind them there is only the norm, whose denominator is frozen: what they write is theirs, exactly."""
    found = attribute(engine, TOKENS, 7, 8)
    bridge, layer = engine.bridge, engine.bridge.cfg.n_layers - 1
    _, cache = bridge.run_with_cache(torch.tensor([TOKENS]))
    stream, scale = cache["ln_final.hook_in"][0, -1], cache["ln_final.hook_scale"][0, -1]
    written = cache[f"blocks.{layer}.mlp.hook_out"][0, -1]
    norm = bridge.ln_final.weight * (bridge.W_U[:, 7] - bridge.W_U[:, 8])
    centred = str(bridge.cfg.normalization_type).upper().startswith("LN")

    def read(vector: torch.Tensor) -> float:
        return float(((vector - centred * vector.mean()) / scale) @ norm)

    of_neurons = found.relevance[layer].sum()
    assert of_neurons == pytest.approx(read(written), rel=1e-4, abs=1e-6)
    assert of_neurons + read(stream - written) == pytest.approx(found.value, rel=1e-4)
    assert found.relevance[layer, :-1] == pytest.approx(0)


def test_prompts_of_a_batch_do_not_disturb_each_other(engine: Engine) -> None:
    other = (0, 7, 7, 7, 60, 61)
    both = attribute_many(engine, [other, TOKENS], [3, 7], [None, 8])
    for found, alone in zip(
        both, [attribute(engine, other, 3), attribute(engine, TOKENS, 7, 8)], strict=True
    ):
        assert (found.target, found.value) == (alone.target, pytest.approx(alone.value, rel=1e-4))
        assert found.relevance == pytest.approx(alone.relevance, rel=1e-3, abs=1e-6)
        assert found.start == pytest.approx(alone.start, rel=1e-3, abs=1e-6)


@torch.no_grad()
def test_the_logits_after_the_last_token_alone_are_the_same(engine: Engine) -> None:
    ids = torch.tensor([TOKENS, (0, 7, 7, 7, 60, 61)])
    whole = engine.bridge(ids, return_type="logits")[:, -1]
    torch.testing.assert_close(engine.last_logits(ids, {}), whole, rtol=1e-4, atol=1e-5)
    silent = engine.last_logits(ids, {0: torch.zeros_like})
    assert not torch.allclose(silent, whole)
    torch.testing.assert_close(silent, engine.logits(ids, 0, torch.zeros_like)[:, -1], rtol=1e-4, atol=1e-5)


def test_nothing_of_the_freezing_stays(engine: Engine) -> None:
    points = [point for point in engine.bridge.hook_dict.values() if point is not None]
    before, slopes = logit(engine), attribute(engine, TOKENS, 7, 8, "gradient").relevance
    hooks = [(list(point.fwd_hooks), len(point._forward_hooks)) for point in points]
    attribute(engine, TOKENS, 7, 8)
    assert logit(engine) == before
    assert np.array_equal(attribute(engine, TOKENS, 7, 8, "gradient").relevance, slopes)
    assert [(list(point.fwd_hooks), len(point._forward_hooks)) for point in points] == hooks


def test_gradient_times_activation_is_what_autograd_says(tmp_path: Path) -> None:
    """Of the model as `transformers` runs it, with hooks of PyTorch's own."""
    from transformers import AutoModelForCausalLM

    tiny.save_llama(tmp_path)
    found = attribute(Engine(load(tmp_path, "transformers", "cpu", "float32")), TOKENS, 7, 8, "gradient")
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    kept: list[torch.Tensor] = []

    def keep(module: torch.nn.Module, given: tuple[torch.Tensor]) -> None:
        given[0].retain_grad()
        kept.append(given[0])

    for layer in model.model.layers:
        layer.mlp.down_proj.register_forward_pre_hook(keep)
    last = model(torch.tensor([TOKENS])).logits[0, -1]
    (last[7] - last[8]).backward()
    expected = torch.stack([(one * one.grad)[0] for one in kept]).detach().numpy()
    assert found.relevance == pytest.approx(expected, rel=1e-3, abs=1e-8)
    assert found.activations == pytest.approx(torch.cat(kept).detach().numpy(), rel=1e-4, abs=1e-7)
    assert found.logits == pytest.approx(last.detach().numpy(), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("how", ATTRIBUTIONS)
def test_a_planted_circuit_of_two_neurons_is_found(how: str) -> None:
    found = attribute(tracing.open_circuit(), PROMPT, TARGET, OTHER, how)
    first, second, third = strongest(found, 3)
    assert {(one.neuron.layer, one.neuron.neuron) for one in (first, second)} == {FIRST, SECOND}
    assert abs(second.relevance) > 5 * abs(third.relevance)
    for one in (first, second):
        # Norms that see more of a message divide it by more: the bare gradient has the wrong sign here.
        assert (one.relevance > 0 or how == "gradient") and not one.neuron.negative
        assert one.places[0].position == len(PROMPT) - 1 and one.places[0].activation > 0.5
        assert one.relevance == pytest.approx(sum(place.relevance for place in one.places), rel=1e-4)


def test_without_a_target_the_likeliest_token_is_traced() -> None:
    engine = tracing.open_circuit()
    found = attribute(engine, PROMPT)
    assert found.target == TARGET and found.value == pytest.approx(found.logits.max())
    with pytest.raises(InputError, match="--against is the model's own prediction: name the --target, too"):
        attribute(engine, PROMPT, against=TARGET)


def test_a_model_without_a_hook_is_refused_and_left_as_it_was() -> None:
    known = tracing.open_circuit().bridge.hook_dict
    points = {name: point for name, point in known.items() if name != "blocks.1.attn.k.hook_out"}
    bridge = SimpleNamespace(hook_dict=points, cfg=SimpleNamespace(n_layers=2))
    with (
        pytest.raises(InputError, match=r"no hook blocks\.1\.attn\.k\.hook_out.*--attribution gradient"),
        frozen(bridge),
    ):
        pass
    assert not any(point.fwd_hooks or point._forward_hooks for point in points.values())


def test_only_neurons_that_are_asked_for_and_no_bos() -> None:
    relevance = np.zeros((2, 3, 4), dtype=np.float32)
    relevance[0, 0, 1], relevance[0, 1, 2], relevance[1, :, 3] = 9, 1, (0, 2, -5)
    found = Attribution(0, 1.0, np.zeros(3), -np.ones((2, 3, 4)), -relevance, np.zeros(3))
    assert [str(one.neuron) for one in strongest(found, 5)] == ["L1.N3-", "L0.N2-"]
    assert [place.position for place in strongest(found, 1)[0].places] == [2, 1]
    assert [str(one.neuron) for one in strongest(found, 5, {(0, 2), (0, 0)})] == ["L0.N2-"]


def test_both_ways_have_names() -> None:
    assert tuple(PROPAGATIONS) == ATTRIBUTIONS
