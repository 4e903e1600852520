"""Encoders of every maker's files give what their formulas give, whichever latents are asked for together."""

from __future__ import annotations

import json
from pathlib import Path

import foreign_encoder_files as foreign
import numpy as np
import pytest
import torch
from foreign_encoder_files import FORMATS, LATENTS, LAYER, WIDTH
from safetensors.torch import save_file

from n2g.errors import InputError
from n2g.units.converted import convert_encoders, load_encoder
from n2g.units.description import read_latents
from n2g.units.encoder import TILE, Encoder
from n2g.units.hooks import known_module, parse_hook
from n2g.units.sources import Subject, find_encoders

SUBJECT = Subject(n_layers=3, d_model=WIDTH, names=("tiny",))


def converted(folder: Path, name: str, weights: foreign.Weights | None = None) -> Encoder:
    FORMATS[name][0](folder / "made", weights or foreign.weights())
    convert_encoders(folder / "made", "auto", Subject(3, WIDTH), folder / "units" / "units.json")
    return load_encoder(folder / "units" / "units.json", LAYER, decoder=True)


@pytest.mark.parametrize("name", FORMATS)
def test_encodes_as_its_maker_says(tmp_path: Path, name: str) -> None:
    weights, x = foreign.weights(), foreign.inputs()
    encoder = converted(tmp_path, name)
    expected = FORMATS[name][1](x, weights)
    assert encoder.hook == FORMATS[name][2]
    assert (encoder.width, encoder.latents) == (WIDTH, LATENTS)
    assert 0 < (expected > 0).mean() < 0.9
    np.testing.assert_allclose(encoder.encode(torch.from_numpy(x)), expected, rtol=1e-6, atol=1e-5)
    assert torch.equal(encoder.decoder, torch.from_numpy(weights.dec))


@pytest.mark.parametrize("name", FORMATS)
def test_columns_are_the_same_bits_whatever_is_asked_with_them(tmp_path: Path, name: str) -> None:
    latents = 6 * 100  # the last tile is narrower
    encoder = converted(tmp_path, name, foreign.weights(latents))
    x = torch.from_numpy(foreign.inputs(24)).reshape(3, 8, WIDTH)
    whole = encoder.encode(x)
    assert whole.shape == (3, 8, latents)
    for columns in ([], [0], [TILE - 1, TILE], [latents - 1, 3, 3, TILE + 7], list(range(latents))):
        assert torch.equal(encoder.encode_columns(x, columns), whole[..., columns])


@pytest.mark.parametrize("name", FORMATS)
def test_a_change_of_a_latent_is_written_by_its_row(tmp_path: Path, name: str) -> None:
    """As its maker decodes, less what it decodes without the change: that of an input is scaled back."""
    weights, x = foreign.weights(), foreign.inputs().astype(np.float64)
    change = np.zeros((len(x), LATENTS), np.float32)
    change[np.arange(len(x)), np.arange(len(x)) % LATENTS] = np.linspace(-1, 1, len(x))
    expected = change @ weights.dec
    if "rescaled" in name:
        expected = change / np.linalg.norm(weights.dec, axis=-1) @ weights.dec
    elif "constant norm" in name:
        expected *= np.linalg.norm(x, axis=-1, keepdims=True) / WIDTH**0.5
    elif "layer norm" in name:
        expected *= x.std(-1, ddof=1, keepdims=True)
    encoder = converted(tmp_path, name)
    found = encoder.shift(torch.from_numpy(change), torch.from_numpy(x.astype(np.float32)))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert encoder.can_be_changed == ("cross-layer" not in name)


def test_many_rows_are_encoded_in_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = converted(tmp_path, "saelens topk")
    x = torch.from_numpy(foreign.inputs(40))
    whole = encoder.encode(x)
    monkeypatch.setattr("n2g.units.encoder.CHUNK", 16 * LATENTS)
    assert torch.equal(encoder.encode(x), whole)


def test_several_layers_of_one_folder(tmp_path: Path) -> None:
    for layer in (2, 0):
        hook = f"blocks.{layer}.hook_resid_pre"
        foreign.save_saelens(
            tmp_path / "made" / f"{layer}", "standard", foreign.weights(seed=layer), hook_name=hook
        )
    convert_encoders(tmp_path / "made", "auto", SUBJECT, tmp_path / "units" / "units.json")
    known = read_latents(tmp_path / "units" / "units.json")
    assert (known.numbers, known.latents) == ([0, 2], LATENTS)
    weight = load_encoder(tmp_path / "units" / "units.json", 2).weight
    assert torch.equal(weight.T, torch.from_numpy(foreign.weights(seed=2).enc))
    with pytest.raises(InputError, match=r"layers: 1 has no latents: choose from 0, 2\."):
        load_encoder(tmp_path / "units" / "units.json", 1)


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    foreign.save_saelens(tmp_path / "made", "gated", foreign.weights())
    for name in ("first", "second"):
        convert_encoders(tmp_path / "made", "auto", SUBJECT, tmp_path / name / "units.json")
    for path in (tmp_path / "first").iterdir():
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes()


def test_hook_of_files_that_do_not_say(tmp_path: Path) -> None:
    folder = foreign.save_gemma_scope(tmp_path, foreign.weights())
    moved = folder.rename(tmp_path / f"layer_{LAYER}")
    with pytest.raises(InputError, match=r"does not say where it reads: set units\.hook"):
        find_encoders(moved)
    found = find_encoders(moved, "blocks.{layer}.hook_mlp_out")
    assert found[LAYER].places.reads == f"blocks.{LAYER}.hook_mlp_out"


WRONG = {
    "unknown architecture": ({"kind": "temporal"}, "architecture 'temporal' is not known: choose"),
    "missing b_dec rule": ({"apply_b_dec_to_input": None}, "does not say whether b_dec is subtracted"),
    "unknown norm": ({"normalize_activations": "strange"}, "normalize_activations 'strange' is not known"),
    "single head": ({"hook_head_index": 3}, "reads a single head, which is not supported"),
    "no hook": ({"hook_name": None}, r"does not say where it reads: set units\.hook"),
    "unreadable hook": (
        {"hook_name": "blocks.1.attn.hook_pattern"},
        "is not a hook at which latents can be read",
    ),
    "embedding": ({"hook_name": "hook_embed"}, "is not a hook at which latents can be read"),
    "deeper layer": (
        {"hook_name": "blocks.7.hook_resid_post"},
        "reads layer 7, but the model has layers 0-2",
    ),
    "other model": (
        {"model_name": "gpt2-small"},
        r"is of the model gpt2-small, not of tiny: choose .* set units\.model",
    ),
    "no k": ({"kind": "topk", "k": None}, "has no k, which topk needs"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_settings_are_one_sentence_before_weights_are_read(tmp_path: Path, name: str) -> None:
    changes, sentence = WRONG[name]
    kind = changes.get("kind", "standard")
    changes = {key: value for key, value in changes.items() if key != "kind"}
    folder = foreign.save_saelens(tmp_path / "made", kind, foreign.weights(), **changes)
    (folder / "sae_weights.safetensors").write_bytes(b"never read")
    with pytest.raises(InputError, match=sentence):
        convert_encoders(folder, "auto", SUBJECT, tmp_path / "units" / "units.json")


def test_hook_against_the_files(tmp_path: Path) -> None:
    folder = foreign.save_saelens(tmp_path, "standard", foreign.weights())
    with pytest.raises(
        InputError, match=r"units\.hook: .* reads blocks\.1\.hook_resid_post, not blocks\.1\.hook_mlp_out"
    ):
        find_encoders(folder, "blocks.{layer}.hook_mlp_out")


def test_names_of_one_model(tmp_path: Path) -> None:
    folder = foreign.save_saelens(
        tmp_path / "made", "standard", foreign.weights(), model_name="SmolLM2-135M-Instruct"
    )
    output = tmp_path / "units" / "units.json"
    for same in (
        "hf:HuggingFaceTB/SmolLM2-135M-Instruct@abc",
        "SmolLM2-135M-Instruct (Q4_1)",
        "SmolLM2-135M-Instruct.Q4_1.gguf",
    ):
        convert_encoders(folder, "auto", Subject(3, WIDTH, (same,)), output)
    with pytest.raises(InputError, match="is of the model SmolLM2-135M-Instruct, not of SmolLM2-135M:"):
        convert_encoders(folder, "auto", Subject(3, WIDTH, ("SmolLM2-135M",)), output)


def test_wrong_width(tmp_path: Path) -> None:
    folder = foreign.save_saelens(tmp_path / "made", "standard", foreign.weights())
    with pytest.raises(
        InputError, match=r"reads 16 numbers of a token, but blocks\.1\.hook_resid_post of the model has 32"
    ):
        convert_encoders(folder, "auto", Subject(3, 32), tmp_path / "units" / "units.json")


def test_two_encoders_of_a_layer(tmp_path: Path) -> None:
    for name in ("a", "b"):
        foreign.save_saelens(tmp_path / name, "standard", foreign.weights())
    with pytest.raises(InputError, match="are both of layer 1: give a folder with only one of them"):
        find_encoders(tmp_path)


def test_layers_of_different_size(tmp_path: Path) -> None:
    for layer in (0, 1):
        hook = f"blocks.{layer}.hook_resid_post"
        foreign.save_saelens(
            tmp_path / "made" / str(layer), "standard", foreign.weights(40 + layer), hook_name=hook
        )
    with pytest.raises(InputError, match="has 40 latents in layer 0 and 41 in layer 1"):
        convert_encoders(tmp_path / "made", "auto", SUBJECT, tmp_path / "units" / "units.json")
    assert not (tmp_path / "units" / "units.json").exists()


@pytest.mark.parametrize("name", ["ae.pt", "layer3.sae.pt", "pytorch_model.bin"])
def test_pickles_are_refused(tmp_path: Path, name: str) -> None:
    torch.save({"weight": torch.zeros(2)}, tmp_path / name)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match=r"is a pickle, which can run code when it is read: .*\.safetensors"):
        find_encoders(tmp_path)


def test_objects_in_npz_are_refused(tmp_path: Path) -> None:
    folder = foreign.save_gemma_scope(tmp_path / "made", foreign.weights())
    np.savez(folder / "params.npz", W_enc=np.array([{}], dtype=object))
    with pytest.raises(InputError, match="cannot be read as plain weights"):
        convert_encoders(tmp_path / "made", "auto", Subject(3, WIDTH), tmp_path / "units" / "units.json")


def test_folder_without_encoders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no encoders: give a folder with sae_weights\.safetensors"):
        find_encoders(tmp_path)


@pytest.mark.parametrize("name", FORMATS)
def test_missing_tensors_and_wrong_shapes(tmp_path: Path, name: str) -> None:
    FORMATS[name][0](tmp_path / "made", foreign.weights())
    (*_, file) = sorted(p for p in (tmp_path / "made").rglob("*") if p.suffix in (".safetensors", ".npz"))
    output = tmp_path / "units" / "units.json"
    for broken in ({"other": torch.zeros(2)}, {"W_enc": torch.zeros(3), "w_enc": torch.zeros(3)}):
        if file.suffix == ".npz":
            np.savez(file, **{key: value.numpy() for key, value in broken.items()})
        else:
            save_file(broken, file)
        with pytest.raises(InputError, match="has no "):
            convert_encoders(tmp_path / "made", "auto", Subject(3, WIDTH), output)
    weights = foreign.weights()
    FORMATS[name][0](tmp_path / "made", foreign.Weights(**{**vars(weights), "b_enc": weights.b_enc[1:]}))
    with pytest.raises(InputError, match="has the shape"):
        convert_encoders(tmp_path / "made", "auto", Subject(3, WIDTH), output)


@pytest.mark.parametrize("content", ["", "[]", "{", "3", '{"architecture": []}'])
def test_damaged_settings(tmp_path: Path, content: str) -> None:
    folder = foreign.save_saelens(tmp_path, "standard", foreign.weights())
    (folder / "cfg.json").write_text(content)
    with pytest.raises(InputError):
        find_encoders(folder)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("metadata", [1], "metadata is \\[1\\], not a group of keys: correct it"),
        ("normalize_activations", [], "normalize_activations \\[\\] is not known"),
        ("hook_name", 3, "hook_name is 3, not a text: correct it"),
        ("hook_name_out", {}, "hook_name_out is {}, not a text: correct it"),
        ("model_name", 3, "model_name is 3, not a text: correct it"),
        ("model_from_pretrained_kwargs", [1], "model_from_pretrained_kwargs is \\[1\\], not a group of keys"),
        ("activation_fn_kwargs", [1], "activation_fn_kwargs is \\[1\\], not a group of keys"),
    ],
)
@pytest.mark.parametrize("inside", [False, True])
def test_settings_of_the_wrong_kind(tmp_path: Path, key: str, value: object, said: str, inside: bool) -> None:
    folder = foreign.save_saelens(tmp_path, "standard", foreign.weights())
    path = folder / "cfg.json"
    content = json.loads(path.read_bytes())
    metadata = content.setdefault("metadata", {})
    metadata.pop(key, None)
    (metadata if inside and key != "metadata" else content)[key] = value
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=rf"cfg\.json: {said}"):
        find_encoders(folder)


def test_more_winners_than_latents(tmp_path: Path) -> None:
    folder = foreign.save_saelens(tmp_path / "made", "topk", foreign.weights(), k=LATENTS + 1)
    with pytest.raises(InputError, match=rf"k is {LATENTS + 1}, which {LATENTS} latents cannot have"):
        convert_encoders(folder, "auto", SUBJECT, tmp_path / "units" / "units.json")


@pytest.mark.parametrize("wrong", [0.0, 1e-30, float("nan")])
def test_a_direction_without_length(tmp_path: Path, wrong: float) -> None:
    vectors = {"anger": torch.ones(WIDTH), "none": torch.full((WIDTH,), wrong)}
    made = tmp_path / "made"
    made.mkdir()
    save_file(vectors, made / "directions.safetensors", metadata={"hook": "blocks.1.hook_resid_post"})
    with pytest.raises(InputError, match="the direction 'none' has no length: leave it out"):
        convert_encoders(made, "auto", SUBJECT, tmp_path / "units" / "units.json")


def test_unknown_kind_of_circuit_tracer(tmp_path: Path) -> None:
    folder = foreign.save_circuit_tracer(tmp_path, foreign.weights())
    (folder / "config.yaml").write_text(json.dumps({"model_kind": "crosscoder"}))
    with pytest.raises(InputError, match="is not known: choose a folder with transcoder_set or cross_layer"):
        find_encoders(folder)


def test_cross_layer_transcoder_without_its_decoder(tmp_path: Path) -> None:
    folder = foreign.save_cross_layer(tmp_path / "made", foreign.weights())
    (folder / f"W_dec_{LAYER}.safetensors").unlink()
    with pytest.raises(InputError, match=rf"W_dec_{LAYER}\.safetensors cannot be read"):
        convert_encoders(folder, "auto", Subject(3, WIDTH), tmp_path / "units.json")


def test_hooks_have_one_name() -> None:
    assert parse_hook("blocks.12.hook_in") == (12, "hook_resid_pre")
    assert known_module("gpt_neox.layers.3.attention") == "blocks.3.attn.hook_out"
    assert known_module("h.0.mlp", "input") == "blocks.0.mlp.hook_in"
    assert known_module("embed_tokens") is None


def save_directions(folder: Path, **metadata: str) -> dict[str, torch.Tensor]:
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    vectors = {name: torch.randn(WIDTH) for name in ("probe 10", "probe 9", "anger")}
    save_file(vectors, folder / "directions.safetensors", metadata=metadata)
    return vectors


def test_directions_are_dot_products_in_the_order_of_their_names(tmp_path: Path) -> None:
    vectors = save_directions(tmp_path / "made", hook=f"blocks.{LAYER}.hook_resid_post", model_name="tiny")
    output = tmp_path / "units" / "units.json"
    convert_encoders(tmp_path / "made", "auto", SUBJECT, output)
    known = read_latents(output).layers[LAYER]
    assert list(known.names) == ["anger", "probe 9", "probe 10"]
    assert known.summary == f"Directions, reads blocks.{LAYER}.hook_resid_post"
    encoder = load_encoder(output, LAYER, decoder=True)
    x = torch.from_numpy(foreign.inputs())
    found = encoder.encode(x)
    assert (found < 0).any()
    for at, name in enumerate(known.names):
        np.testing.assert_allclose(found[:, at], x @ vectors[name], rtol=1e-5, atol=1e-5)
        assert torch.equal(encoder.decoder[at], vectors[name])
    assert torch.equal(encoder.encode_columns(x, [2]), found[:, 2:])


def test_directions_without_a_hook_and_of_different_widths(tmp_path: Path) -> None:
    save_directions(tmp_path / "layer_1")
    with pytest.raises(InputError, match=r"does not say where it reads: set units\.hook"):
        find_encoders(tmp_path)
    assert (
        find_encoders(tmp_path, "blocks.{layer}.hook_resid_mid")[1].places.reads == "blocks.1.hook_resid_mid"
    )
    wrong = {"one": torch.zeros(WIDTH), "two": torch.zeros(2, WIDTH)}
    save_file(wrong, tmp_path / "layer_1" / "directions.safetensors")
    with pytest.raises(InputError, match=rf"two has the shape \[2, {WIDTH}\], not \[{WIDTH}\]"):
        convert_encoders(
            tmp_path, "blocks.{layer}.hook_resid_mid", SUBJECT, tmp_path / "units" / "units.json"
        )
