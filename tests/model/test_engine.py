"""The engine's shortcuts give what a plain pass over the whole prompt gives, whatever is asked beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch

from n2g.model import engine as engine_module
from n2g.model.checkpoint import boot
from n2g.model.conversion import convert
from n2g.model.engine import Engine, filled
from n2g.model.prompts import Prompt

HF = {"llama": tiny.save_llama, "gpt2": tiny.save_gpt2, "neox": tiny.save_neox, "opt": tiny.save_opt}
HOOK = "blocks.{}.mlp.hook_post"
N_CTX = 64

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module", params=[*tiny.NATIVE, *HF])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A bridge booted from files; `kind` says of which model."""
    folder = tmp_path_factory.mktemp(request.param)
    return booted(request.param, folder)


def booted(kind: str, folder: Path) -> Any:
    if kind in HF:
        HF[kind](folder / "model")
    else:
        tiny.save_native_model(folder / "model", **tiny.NATIVE[kind])
    convert(sorted((folder / "model").iterdir()), folder / "checkpoint")
    bridge = boot(folder / "checkpoint")
    bridge.kind = kind
    return bridge


def draw(seed: int) -> tuple[list[Prompt], list[int]]:
    """Prompts of all lengths that the model takes, many identical except for the last token; a neuron for each."""
    random = np.random.default_rng(seed)

    def ids(count: int) -> tuple[int, ...]:
        return tuple(random.integers(2, tiny.VOCABULARY - 20, count).tolist())

    prefixes = [(), (0,), *((0, *ids(12)) for _ in range(3))]
    prompts = [Prompt(prefixes[length % 5], ids(length)) for length in (*range(1, 13), 17, 24, 40, 51)]
    prompts += [Prompt(prefixes[-length % 3], ids(length)) for length in (4, 8, 10, 11)]
    prompts += [Prompt((), ids(N_CTX)), Prompt((0,), ids(N_CTX - 1))]
    prompts += [Prompt(p.prefix, p.suffix[:-1] + ids(1)) for p in prompts[:20] for _ in range(4)]
    prompts += prompts[::9]  # asked twice, of other neurons
    return prompts, random.integers(0, 24, len(prompts)).tolist()


def plainly(bridge: Any, prompt: Prompt) -> list[np.ndarray]:
    """For each layer the last token's activations [neuron] of one whole forward pass."""
    _, cache = bridge.run_with_cache(torch.tensor([[*prompt.prefix, *prompt.suffix]]))
    return [cache[HOOK.format(layer)].flatten(0, -2)[-1].numpy() for layer in range(bridge.cfg.n_layers)]


@pytest.fixture(scope="module")
def plain(model: Any) -> dict[Prompt, list[np.ndarray]]:
    """What plain passes give for the prompts of `draw(0)`."""
    return {prompt: plainly(model, prompt) for prompt in set(draw(0)[0])}


def assert_equal(found: np.ndarray, expected: np.ndarray) -> None:
    """To a few units in the last place of the largest activation; what is exactly 0 must stay so."""
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * np.abs(expected).max())
    np.testing.assert_array_equal(found == 0, expected == 0)


@pytest.mark.parametrize("shared", [False, True])
def test_answers_are_those_of_a_plain_pass(model: Any, plain: dict, shared: bool) -> None:
    prompts, neurons = draw(0)
    for layer in (0, model.cfg.n_layers - 1):
        expected = np.array([plain[p][layer][neuron] for p, neuron in zip(prompts, neurons, strict=True)])
        found = Engine(model).ask(layer, prompts, neurons, shared)
        assert found.dtype == np.float32
        assert_equal(found, expected)
        assert (expected == 0).any() == (model.kind in ("relu", "opt"))


def test_a_sweep_reads_several_layers_at_once(model: Any, plain: dict) -> None:
    columns = {layer: [5, 3, 17][: layer + 1] for layer in range(model.cfg.n_layers)}
    seen, found = [], {layer: [] for layer in columns}
    for chunk, values in Engine(model).sweep(columns, plain):
        seen += chunk
        for layer in columns:
            found[layer].append(values[layer])
    assert sorted(seen) == sorted(plain)  # each once
    for layer, chosen in columns.items():
        assert_equal(np.concatenate(found[layer]), np.stack([plain[p][layer][chosen] for p in seen]))


def test_a_span_holds_the_answers_of_all_its_beginnings(model: Any) -> None:
    prompts = sorted({prompt for prompt in draw(0)[0] if len(prompt.suffix) < 5})[::3]
    columns = {0: list(range(12)), model.cfg.n_layers - 1: list(range(23, -1, -1))}
    seen = []
    for chunk, values in Engine(model).spans(columns, prompts):
        seen += chunk
        for row, (prefix, suffix) in enumerate(chunk):
            plain = [plainly(model, Prompt(prefix, suffix[: end + 1])) for end in range(len(suffix))]
            for layer, chosen in columns.items():
                assert_equal(values[layer][row], np.stack([one[layer][chosen] for one in plain]))
    assert sorted(seen) == prompts


def test_reading_whole_texts_does_not_see_their_padding(model: Any) -> None:
    random = np.random.default_rng(2)
    texts = [random.integers(2, 300, length) for length in (N_CTX, 3, 17, 40, 1)]
    tokens = torch.zeros(len(texts), N_CTX, dtype=torch.long)
    for row, text in enumerate(texts):
        tokens[row, : len(text)] = torch.as_tensor(text)
    layers = list(range(model.cfg.n_layers))
    found = Engine(model).read(tokens, layers)
    assert sorted(found) == layers
    for row, text in enumerate(texts):
        _, cache = model.run_with_cache(torch.as_tensor(text)[None])
        for layer in layers:
            assert_equal(
                found[layer][row, : len(text)].numpy(), cache[HOOK.format(layer)].flatten(0, -2).numpy()
            )


@pytest.mark.parametrize("shared", [False, True])
def test_answers_do_not_depend_on_what_else_is_asked(model: Any, shared: bool) -> None:
    prompts, neurons = draw(3)
    layer = model.cfg.n_layers - 1
    first = Engine(model).ask(layer, prompts, neurons, shared)

    def ask(order: list[int], **options: int) -> np.ndarray:
        """Bits that differ from those of the first time."""
        found = Engine(model, **options).ask(
            layer, [prompts[i] for i in order], [neurons[i] for i in order], shared
        )
        return np.flatnonzero(found.view(np.int32) != first[order].view(np.int32))

    everything = list(range(len(prompts)))
    for i in everything[::7]:
        assert not len(ask([i])), prompts[i]
    for begin in range(0, len(prompts), 28):
        assert not len(ask(everything[begin : begin + 7]))
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(prompts))[: 20 + 31 * seed].tolist()
        assert not len(ask(order, batch_tokens=(24, 100, 100_000)[seed]))
    engine = Engine(model)  # one that has been used before, for another layer too
    engine.ask(0, prompts[::-2], neurons[::-2], shared)
    assert np.array_equal(engine.ask(layer, prompts, neurons, shared), first)
    torch.set_num_threads(2)
    assert not len(ask(everything[::-2], batch_tokens=64))


def test_nor_in_a_model_as_wide_as_real_ones(tmp_path: Path) -> None:
    """Matrix kernels choose by all sizes how they add: widths of a few dozen numbers show little of it."""
    sizes = {
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
    }
    tiny.save_llama(tmp_path / "model", num_hidden_layers=2, **sizes)
    convert(sorted((tmp_path / "model").iterdir()), tmp_path / "checkpoint")
    bridge = boot(tmp_path / "checkpoint")
    prompts, neurons = draw(9)
    together = Engine(bridge).ask(1, prompts, neurons)
    for threads, count in ((1, 1), (2, 1), (1, 9), (2, 20), (1, 31), (2, 200)):
        torch.set_num_threads(threads)  # the fixture sets it back
        for begin in range(0, len(prompts), 2 * count + 5):
            some = slice(begin, begin + count)
            apart = Engine(bridge).ask(1, prompts[some], neurons[some])
            np.testing.assert_array_equal(apart.view(np.int32), together[some].view(np.int32))


@pytest.mark.parametrize("shared", [False, True])
def test_on_a_gpu_batches_have_the_same_shape_whatever_is_asked_beside(
    model: Any, shared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "filled", lambda rows, whole, device: filled(rows, whole, "cuda"))
    prompts, neurons = (drawn[::5] for drawn in draw(8))

    def shapes(some: list[Prompt]) -> set[tuple[int, int]]:
        found: set[tuple[int, int]] = set()
        engine = Engine(model, batch_tokens=96)
        watch = model.embed.register_forward_pre_hook(lambda _, given: found.add(tuple(given[0].shape)))
        engine.ask(0, some, neurons[: len(some)], shared)
        watch.remove()
        return found

    assert shapes(prompts) == set().union(*(shapes([prompt]) for prompt in prompts))


def test_activations_of_texts_are_the_same_with_two_threads(model: Any) -> None:
    tokens = torch.as_tensor(np.random.default_rng(4).integers(2, 300, (40, 30)))
    layer = model.cfg.n_layers - 1
    one = Engine(model).read(tokens, [layer])[layer]
    torch.set_num_threads(2)
    assert torch.equal(Engine(model).read(tokens, [layer])[layer], one)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("kind", ["gelu", "gated", "llama"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_an_activation_that_is_no_number_counts_as_none(
    tmp_path: Path, kind: str, shared: bool, bad: float
) -> None:
    bridge = booted(kind, tmp_path)
    layer = bridge.cfg.n_layers - 1
    prompts, neurons = draw(5)
    before = Engine(bridge).ask(layer, prompts, neurons, shared)
    spoil(bridge, layer, 9, bad)
    assert not np.isfinite(plainly(bridge, prompts[0])[layer][9])
    after = Engine(bridge).ask(layer, prompts, neurons, shared)
    hit = np.array(neurons) == 9
    assert hit.any() and not after[hit].any()
    np.testing.assert_array_equal(after[~hit], before[~hit])


def spoil(bridge: Any, layer: int, neuron: int, value: float) -> None:
    """Make a neuron's input weights, and with them its activation, something that is no number."""
    mlp = bridge.blocks[layer].mlp
    entry = mlp.gate if hasattr(mlp, "gate") else getattr(mlp, "in")
    with torch.no_grad():
        entry.weight[neuron] = value


def test_counters_say_what_was_run(model: Any) -> None:
    passed: list[int] = []
    watch = model.embed.register_forward_pre_hook(lambda _, given: passed.append(given[0].numel()))
    try:
        engine = Engine(model)
        prompts, neurons = draw(6)
        engine.ask(0, prompts, neurons)
        assert engine.prompts == len(set(prompts)) < len(prompts)
        for _ in engine.sweep({0: [1], 1: [2, 3]}, set(prompts)):
            pass
        assert engine.prompts == 2 * len(set(prompts))
        engine.read(torch.zeros(3, 5, dtype=torch.long), [0])
        assert engine.prompts == 2 * len(set(prompts))
        assert engine.tokens == sum(passed)
    finally:
        watch.remove()


def test_what_is_shared_is_computed_once(model: Any) -> None:
    prefix = (0, *range(10, 22))
    context = tuple(range(40, 52))
    prompts = [Prompt(prefix, (*context, last)) for last in range(100, 200)]
    engine = Engine(model)
    engine.ask(0, prompts, [0] * 100, shared=True)
    whole = sum(len(p.prefix) + len(p.suffix) for p in prompts)
    assert engine.tokens < 0.2 * whole if engine.caches else engine.tokens >= whole
    assert engine.caches == (model.kind in HF)


def test_logits_follow_changed_activations(model: Any) -> None:
    engine = Engine(model, batch_tokens=128)
    tokens = torch.tensor([[0, 7, 9, 30, 41], [0, 8, 9, 12, 5]])
    with torch.no_grad():
        plain = model(tokens, return_type="logits")
        seen = []
        same = engine.logits(tokens, 0, lambda value: seen.append(value.shape) or value)
        changed = engine.logits(tokens, 0, lambda value: value * (torch.arange(5)[:, None] < 3))
        after = engine.read(tokens, [0])[0]
    assert seen == [after.shape]
    assert torch.allclose(same, plain, atol=1e-5)
    assert torch.allclose(changed[:, :3], plain[:, :3], atol=1e-5)  # nothing looks ahead
    assert not torch.allclose(changed[:, 3:], plain[:, 3:], atol=1e-3)
