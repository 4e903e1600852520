"""Where encoders read and write, as far as their files say, and whether the model has that."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import foreign_encoder_files as foreign
import numpy as np
import pytest
import torch
import yaml
from foreign_encoder_files import HOOK, LAYER, MLP_IN, WIDTH

from n2g.errors import InputError
from n2g.units import weight_files
from n2g.units.converted import convert_encoders, load_encoder
from n2g.units.description import read_latents
from n2g.units.encoder import Encoder
from n2g.units.sources import Subject, find_encoders
from n2g.weights.logits import Weights, latent_weights


def converted(folder: Path, hook: str = "auto", subject: Subject | None = None) -> Encoder:
    output = folder / "units" / "units.json"
    convert_encoders(folder / "made", hook, subject or Subject(3, WIDTH), output)
    return load_encoder(output, *read_latents(output).numbers, decoder=True)


def narrower(width: int) -> foreign.Weights:
    """Weights of a decoder that writes so many numbers."""
    w = foreign.weights()
    return replace(w, dec=w.dec[:, :width], b_dec=w.b_dec[:width])


@pytest.mark.parametrize("kind", ["mlp.hook_post", "attn.hook_z"])
def test_a_width_that_divides_the_models_is_wrong_too(tmp_path: Path, kind: str) -> None:
    hook = f"blocks.{LAYER}.{kind}"
    foreign.save_saelens(tmp_path / "made", "standard", foreign.weights(), hook_name=hook)
    sentence = f"reads {WIDTH} numbers of a token, but {hook} of the model has {2 * WIDTH}: choose"
    with pytest.raises(InputError, match=sentence):
        converted(tmp_path, subject=Subject(3, WIDTH, hooks={kind: 2 * WIDTH}))
    assert converted(tmp_path, subject=Subject(3, 99, hooks={kind: WIDTH})).hook == hook


def test_a_decoder_that_writes_another_width(tmp_path: Path) -> None:
    foreign.save_circuit_tracer(tmp_path / "made", narrower(8))
    sentence = (
        f"writes 8 numbers of a token, but blocks.{LAYER}.mlp.hook_out of the model has {WIDTH}: choose"
    )
    with pytest.raises(InputError, match=sentence):
        converted(tmp_path)


@pytest.mark.parametrize(("lacks", "verb"), [("mlp.hook_in", "reads"), ("hook_mlp_out", "writes")])
def test_a_hook_that_the_model_lacks_is_one_sentence_before_weights_are_read(
    tmp_path: Path, lacks: str, verb: str
) -> None:
    folder = foreign.save_saelens(tmp_path / "made", "transcoder", foreign.weights(), hook_name=MLP_IN)
    (folder / "sae_weights.safetensors").write_bytes(b"never read")
    hooks = dict.fromkeys({"mlp.hook_in", "hook_mlp_out", "hook_resid_post"} - {lacks}, WIDTH)
    with pytest.raises(
        InputError, match=rf"{verb} blocks\.{LAYER}\.{lacks}, which the model lacks: choose .*resid"
    ):
        converted(tmp_path, subject=Subject(3, WIDTH, hooks=hooks))


def save_without_output(folder: Path, maker: str) -> None:
    """A transcoder whose files do not say where it writes."""
    if maker == "saelens":
        foreign.save_saelens(folder, "transcoder", foreign.weights(), hook_name=MLP_IN, hook_name_out=None)
    elif maker == "circuit-tracer":
        foreign.save_circuit_tracer(folder, foreign.weights())
        given = yaml.safe_load((folder / "config.yaml").read_text())
        given.pop("feature_output_hook")
        (folder / "config.yaml").write_text(yaml.safe_dump(given))
    elif maker == "sparsify":
        foreign.save_sparsify(folder, foreign.weights(), f"layer_{LAYER}", transcode=True)
    elif maker == "gemma scope":
        foreign.save_gemma_scope(folder, foreign.weights()).rename(folder / f"layer_{LAYER}")
    else:
        made = foreign.save_gemma_scope_2(folder, foreign.weights())
        given = json.loads((made / "config.json").read_text())
        given.pop("hf_hook_point_out")
        (made / "config.json").write_text(json.dumps(given))


@pytest.mark.parametrize("maker", ["saelens", "circuit-tracer", "sparsify", "gemma scope", "gemma scope 2"])
def test_a_transcoder_that_does_not_say_where_it_writes_is_not_taken_for_an_autoencoder(
    tmp_path: Path, maker: str
) -> None:
    save_without_output(tmp_path / "made", maker)
    encoder = converted(tmp_path, "blocks.{layer}.mlp.hook_in")
    assert (encoder.hook, encoder.writes, encoder.can_be_changed) == (MLP_IN, None, False)
    known = read_latents(tmp_path / "units" / "units.json").layers[LAYER]
    assert known.summary.endswith(f"reads {MLP_IN}, writes where its files do not say")
    ones = torch.ones(WIDTH)
    model = Weights(*[torch.ones(WIDTH, WIDTH)] * 4, scale_in=ones, scale_out=ones, centred=False)
    assert latent_weights(model, encoder) is None
    assert latent_weights(model, replace(encoder, writes=f"blocks.{LAYER}.hook_mlp_out"))


@pytest.mark.parametrize("writes", [f"blocks.{LAYER}.hook_resid_mid", "blocks.0.hook_mlp_out"])
def test_nothing_is_written_before_it_is_read(tmp_path: Path, writes: str) -> None:
    names = {"hook_name": MLP_IN, "hook_name_out": writes}
    foreign.save_saelens(tmp_path / "made", "transcoder", foreign.weights(), **names)
    with pytest.raises(
        InputError, match=rf"writes {writes}, which the model computes before {MLP_IN}, where"
    ):
        find_encoders(tmp_path / "made")


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("gemma-v3-1b-pt", "hf:google/gemma-3-1b-pt@abc"),
        ("gpt2-small", "hf:openai-community/gpt2@abc"),
        ("gpt2-small", "gpt2"),
    ],
)
def test_other_names_of_one_model(tmp_path: Path, theirs: str, ours: str) -> None:
    foreign.save_saelens(tmp_path / "made", "standard", foreign.weights(), model_name=theirs)
    converted(tmp_path, subject=Subject(3, WIDTH, (ours,)))
    other = ours.replace("1b-pt", "1b-it").replace("gpt2", "gpt2-medium")
    with pytest.raises(InputError, match=f"is of the model {theirs}, not of {other}"):
        converted(tmp_path, subject=Subject(3, WIDTH, (other,)))


def save_mlp_in(folder: Path, module: str | None) -> None:
    folder = foreign.save_saelens(
        folder, "transcoder", foreign.weights(), hook_name=f"blocks.{LAYER}.hook_mlp_in"
    )
    given = json.loads((folder / "cfg.json").read_text())
    given["metadata"]["hf_hook_name"] = module
    (folder / "cfg.json").write_text(json.dumps(given))


def test_saelens_calls_the_mlps_input_by_a_name_of_its_own(tmp_path: Path) -> None:
    save_mlp_in(tmp_path / "made", f"model.layers.{LAYER}.pre_feedforward_layernorm.output")
    assert converted(tmp_path).hook == MLP_IN
    save_mlp_in(tmp_path / "made", None)
    with pytest.raises(
        InputError, match=r"hook_mlp_in is before the MLP's norm for some .*: set hook_name to"
    ):
        converted(tmp_path)


@pytest.mark.parametrize(
    ("kind", "centred"),
    [("hook_resid_pre", True), ("hook_mlp_out", True), ("mlp.hook_post", False), ("attn.hook_z", False)],
)
def test_centred_writing_weights_change_the_stream_and_what_is_added_to_it(
    tmp_path: Path, kind: str, centred: bool
) -> None:
    changes: dict[str, Any] = {"model_from_pretrained_kwargs": {"center_writing_weights": True}}
    weights = foreign.weights()
    foreign.save_old_saelens(tmp_path / "made", weights, hook_point=f"blocks.{LAYER}.{kind}", **changes)
    encoder, x = converted(tmp_path), foreign.inputs()
    assert encoder.centred == centred
    expected = (foreign.centred if centred else foreign.relu)(x, weights)
    np.testing.assert_allclose(encoder.encode(torch.from_numpy(x)), expected, rtol=1e-6, atol=1e-5)


def save_nameless(folder: Path) -> None:
    """An encoder whose layer stands in names of folders alone."""
    made = foreign.save_gemma_scope(folder / "elsewhere", foreign.weights())
    (made / "params.npz").rename(folder / "params.npz")


@pytest.mark.parametrize(
    ("above", "below", "layer"),
    [
        ("josh_2", "layer_1", 1),
        ("layer_2", "layers.1/epoch_10", 1),
        ("h.2", "some_layer_1/width_16k", 1),
        ("layer_2/runs", "", None),
        ("josh_2", "epoch_10", None),
        ("runs/layer_1", "", 1),
    ],
)
def test_the_layer_is_what_folders_of_the_source_say(
    tmp_path: Path, above: str, below: str, layer: int | None
) -> None:
    source = tmp_path / above
    (source / below).mkdir(parents=True)
    save_nameless(source / below)
    hook = "blocks.{layer}.hook_resid_post"
    if layer is None:
        with pytest.raises(
            InputError, match=r"does not say of which layer it is: put it into a folder such as"
        ):
            find_encoders(source, hook)
    else:
        assert [*find_encoders(source, hook)] == [layer]


def test_the_layer_may_stand_in_the_part_of_the_source_that_is_wanted(tmp_path: Path) -> None:
    part = f"layer_{LAYER}/width_16k"
    (tmp_path / part).mkdir(parents=True)
    save_nameless(tmp_path / part)
    assert [*find_encoders(tmp_path / part, "blocks.{layer}.hook_resid_post", part)] == [LAYER]


def test_a_hook_with_its_layer_says_which_layer(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    save_nameless(tmp_path / "made")
    assert converted(tmp_path, "blocks.2.hook_resid_post").hook == "blocks.2.hook_resid_post"
    foreign.save_saelens(tmp_path / "other", "standard", foreign.weights())
    with pytest.raises(InputError, match=re.escape(f"reads {HOOK}, not blocks.2.hook_resid_post: set auto")):
        find_encoders(tmp_path / "other", "blocks.2.hook_resid_post")


def test_layers_of_gemma_scope_stand_after_the_release(tmp_path: Path) -> None:
    foreign.save_gemma_scope(tmp_path / "layer_2" / "made", foreign.weights())
    assert converted(tmp_path / "layer_2").hook == HOOK


def test_folders_above_the_source_may_be_called_anything(tmp_path: Path) -> None:
    foreign.save_gemma_scope(tmp_path / "embedding" / "made", foreign.weights())
    assert converted(tmp_path / "embedding").hook == HOOK


def test_module_outputs_are_before_a_norm_behind_them(tmp_path: Path) -> None:
    foreign.save_sparsify(tmp_path / "made", foreign.weights(), f"layers.{LAYER}.mlp")
    assert converted(tmp_path).hook == f"blocks.{LAYER}.mlp.hook_out"


def said_of(folder: Path, name: str, **changes: Any) -> None:
    """Change what a configuration says, in JSON or YAML; None removes a key."""
    (path,) = folder.rglob(name)
    given = yaml.safe_load(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in given.items() if value is not None}))


def test_modules_are_hooks_for_saelens_too(tmp_path: Path) -> None:
    foreign.save_saelens(
        tmp_path / "made", "standard", foreign.weights(), hook_name=f"model.layers.{LAYER}.mlp"
    )
    assert converted(tmp_path).hook == f"blocks.{LAYER}.mlp.hook_out"


def test_an_unknown_module_leaves_it_to_the_configuration(tmp_path: Path) -> None:
    foreign.save_gemma_scope_2(tmp_path / "made", foreign.weights())
    said_of(tmp_path / "made", "config.json", hf_hook_point_in=f"model.layers.{LAYER}.laurel.output")
    with pytest.raises(InputError, match=r"params\.safetensors does not say where it reads: set units\.hook"):
        converted(tmp_path)
    assert converted(tmp_path, "blocks.{layer}.mlp.hook_in").hook == MLP_IN


def test_gemma_scope_2_without_settings_needs_only_the_hook(tmp_path: Path) -> None:
    made = foreign.save_gemma_scope_2(tmp_path / "made", foreign.weights())
    (made / "config.json").unlink()
    with pytest.raises(InputError, match=r"params\.safetensors does not say where it reads: set units\.hook"):
        converted(tmp_path)
    assert converted(tmp_path, "blocks.{layer}.hook_mlp_out").writes == f"blocks.{LAYER}.hook_mlp_out"


def save_crosscoder(folder: Path) -> None:
    made = foreign.save_cross_layer_gemma_scope_2(folder, foreign.weights())
    made.rename(folder / "layer_7_13_17_22_width_65k_l0_medium")


def save_embedding(folder: Path) -> None:
    made = foreign.save_gemma_scope(folder, foreign.weights())
    made.parent.parent.rename(folder / "embedding")


def save_folded(folder: Path) -> None:
    foreign.save_saelens(
        folder,
        "standard",
        foreign.weights(),
        hook_name=f"blocks.{LAYER}.attn.hook_z",
        model_from_pretrained_kwargs={"fold_value_biases": True},
    )


def save_list(folder: Path) -> None:
    folder.mkdir()
    listed = ["hf://someone/transcoders/layer_0/params.npz?revision=abc"]
    (folder / "config.yaml").write_text(
        yaml.safe_dump({"model_kind": "transcoder_set", "transcoders": listed})
    )


def save_with(**said: Any) -> Any:
    """A set of circuit-tracer whose configuration says something else."""
    return lambda folder: foreign.save_circuit_tracer(folder, foreign.weights(), **said)


REFUSED = {
    "crosscoder": (save_crosscoder, "is a crosscoder, whose latents read several layers at once: choose"),
    "embedding": (save_embedding, "reads embeddings before they are scaled: choose an encoder of a layer"),
    "folded": (save_folded, r"reads attn\.hook_z of a model that fold_value_biases has changed: choose"),
    "list": (save_list, "has no transcoders beside it, but lists those of elsewhere, such as hf://someone/"),
    "name": (save_with(model_name=3), "is of the model 3, which is no text: correct its settings"),
    "activation": (save_with(activation="gelu"), "activation 'gelu' is not known: choose transcoders with"),
    "no k": (save_with(activation="topk"), "k is None, which 48 latents cannot have: correct it"),
    "large k": (save_with(stored_k=49), "k is 49, which 48 latents cannot have: correct it"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_read_is_one_sentence(tmp_path: Path, kind: str) -> None:
    save, sentence = REFUSED[kind]
    save(tmp_path / "made")
    with pytest.raises(InputError, match=sentence):
        converted(tmp_path)


def test_rows_for_all_layers_are_never_read_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign.save_cross_layer_gemma_scope_2(tmp_path / "made", foreign.weights())
    read, plain = [], weight_files.safe_open

    class Opened:
        def __init__(self, *given: Any, **named: Any) -> None:
            self.opened = plain(*given, **named)

        def __enter__(self) -> Opened:
            self.opened.__enter__()
            return self

        def __exit__(self, *given: Any) -> None:
            self.opened.__exit__(*given)

        def get_tensor(self, name: str) -> torch.Tensor:
            read.append(name)
            return self.opened.get_tensor(name)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.opened, name)

    monkeypatch.setattr(weight_files, "safe_open", Opened)
    encoder = converted(tmp_path)
    assert sorted(read) == ["b_dec", "b_enc", "threshold", "w_enc"]
    assert torch.equal(encoder.decoder, torch.from_numpy(foreign.weights().dec))
