"""A model is loaded whole or not at all, and its hooks read what its own code computes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import tiny
import torch
from gguf import GGUFWriter
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
)

from n2g.errors import InputError
from n2g.model.conversion import convert
from n2g.model.conversion_check import OwnCode
from n2g.model.whole import load_whole
from n2g.texts.sources import Source, wanted_files

UP = "model.layers.1.mlp.up_proj.weight"
Weights = dict[str, torch.Tensor]


def converted(model: Path, folder: Path) -> None:
    convert(Source.parse(str(model)).local_files(wanted_files("model")), folder / "checkpoint")


def refused(model: Path, folder: Path, said: str) -> None:
    """The model is not converted; one sentence says why."""
    with pytest.raises(InputError, match=said) as caught:
        converted(model, folder)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
    assert not (folder / "checkpoint" / "checkpoint.json").exists()


def change_config(model: Path, **values: object) -> Path:
    file = model / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))
    return model


def with_weights(model: Path, change: Callable[[Weights], Weights]) -> Path:
    file = model / "model.safetensors"
    save_file(
        {k: v.contiguous() for k, v in change(load_file(file)).items()}, file, metadata={"format": "pt"}
    )
    return model


WRONG: dict[str, tuple[Callable[[Weights], Weights], str]] = {
    "one missing": (
        lambda w: {name: value for name, value in w.items() if name != UP},
        rf"lack 1 of 30 tensors \({UP}\): get all files",
    ),
    "other names": (
        lambda w: {f"language_model.{name}": value for name, value in w.items()},
        r"lack 30 of 30 tensors \(lm_head\.weight, .*, …\)",
    ),
    "no norm": (
        lambda w: {name: value for name, value in w.items() if name != "model.norm.weight"},
        r"lack 1 of 30 tensors \(model\.norm\.weight\)",
    ),
    "another shape": (
        lambda w: w | {UP: torch.zeros(23, 16)},
        rf"of the shape 23 × 16 in {UP}, where its config\.json makes room for 24 × 16",
    ),
    "whole numbers": (
        lambda w: w | {UP: torch.ones(24, 16, dtype=torch.int8)},
        rf"quantised weights \({UP} is I8\)",
    ),
    "8-bit floats": (
        lambda w: w | {UP: torch.ones(24, 16).to(torch.float8_e4m3fn)},
        rf"quantised weights \({UP} is F8_E4M3\)",
    ),
    "a bias": (
        lambda w: w | {"model.layers.0.mlp.up_proj.bias": torch.zeros(24)},
        r"tensors for which its config\.json makes no room \(model\.layers\.0\.mlp\.up_proj\.bias\)",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_weights_that_are_not_those_of_the_configuration(name: str, tmp_path: Path) -> None:
    change, said = WRONG[name]
    refused(with_weights(tiny.save_llama(tmp_path / "model"), change), tmp_path, said)


@pytest.mark.parametrize(("layers", "said"), [(4, "lack 9 of 39 tensors"), (2, "tensors for which")])
def test_another_number_of_layers(layers: int, said: str, tmp_path: Path) -> None:
    refused(change_config(tiny.save_llama(tmp_path / "model"), num_hidden_layers=layers), tmp_path, said)


@pytest.mark.parametrize("name", ["whole numbers", "a bias"])
def test_a_way_to_quantise_that_is_not_known_lets_nothing_through(name: str, tmp_path: Path) -> None:
    change, said = WRONG[name]
    model = with_weights(tiny.save_llama(tmp_path / "model"), change)
    refused(change_config(model, quantization_config={"quant_method": "unheard-of"}), tmp_path, said)


def test_a_model_without_layers(tmp_path: Path) -> None:
    model = change_config(tiny.save_llama(tmp_path / "model"), num_hidden_layers=0)
    with_weights(model, lambda w: {name: value for name, value in w.items() if "layers" not in name})
    refused(model, tmp_path, r"has no layers: correct num_hidden_layers in its config\.json")


@pytest.mark.parametrize("tokens", [0, -1])
def test_a_model_without_a_context(tokens: int, tmp_path: Path) -> None:
    model = change_config(tiny.save_llama(tmp_path / "model"), max_position_embeddings=tokens)
    refused(model, tmp_path, rf"takes texts of {tokens} tokens: correct that in its config\.json")


@pytest.mark.parametrize("content", ["null", "3", "[]", '"model_type"'])
def test_a_configuration_without_keys(content: str, tmp_path: Path) -> None:
    model = tiny.save_llama(tmp_path / "model")
    (model / "config.json").write_text(content)
    refused(model, tmp_path, r"config\.json cannot be read as a model \(it holds no keys\)")


def test_an_adapter_is_not_passed_over(tmp_path: Path) -> None:
    model = tiny.save_llama(tmp_path / "model")
    shutil.copy(model / "model.safetensors", model / "adapter_model.safetensors")
    refused(model, tmp_path, "has an adapter beside its weights, or in their place, which is not applied")


def test_code_of_a_model_is_not_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda question: pytest.fail(question))
    code = {"AutoConfig": "configuration_x.X", "AutoModelForCausalLM": "modeling_x.Y"}
    model = change_config(tiny.save_llama(tmp_path / "model"), auto_map=code, model_type="x")
    refused(model, tmp_path, "contains custom code")
    change_config(tiny.save_llama(tmp_path / "model"))
    (model / "tokenizer.json").unlink()
    (model / "vocab.json").write_text("{}")
    own = {"tokenizer_class": "Mine", "auto_map": {"AutoTokenizer": ["tokenization_x.Mine", None]}}
    (model / "tokenizer_config.json").write_text(json.dumps(own))
    refused(model, tmp_path, "has no tokenizer that can be read")


def test_a_gguf_file_may_have_a_name_in_capitals(tmp_path: Path) -> None:
    converted(tiny.save_gguf(tmp_path / "model.gguf").rename(tmp_path / "MODEL.GGUF"), tmp_path)


def test_an_output_embedding_may_be_tied(tmp_path: Path) -> None:
    model = change_config(tiny.save_llama(tmp_path / "model"), tie_word_embeddings=True)
    with_weights(model, lambda w: {name: value for name, value in w.items() if name != "lm_head.weight"})
    converted(model, tmp_path)
    change_config(model, tie_word_embeddings=False)
    refused(model, tmp_path, r"lack 1 of 30 tensors \(lm_head\.weight\)")


def test_what_old_files_hold_besides(tmp_path: Path) -> None:
    """GPT-2 as on the hub: no prefix before the names, masks beside the weights."""
    masks = {
        "h.0.attn.bias": torch.ones(1, 1, 64, 64).to(torch.uint8),
        "h.0.attn.masked_bias": torch.tensor(-1e4),
    }
    model = tiny.save_gpt2(tmp_path / "model")
    with_weights(
        model, lambda w: {name.removeprefix("transformer."): value for name, value in w.items()} | masks
    )
    converted(model, tmp_path)
    with_weights(model, lambda w: w | {"h.0.mlp.c_fc.weight": torch.ones(16, 64).to(torch.int8)})
    refused(model, tmp_path, r"h\.0\.mlp\.c_fc\.weight is I8")


def test_a_shard_that_is_not_there(tmp_path: Path) -> None:
    model = tiny.save_llama(tmp_path / "model")
    (model / "model.safetensors").unlink()
    AutoModelForCausalLM.from_pretrained(tiny.save_llama(tmp_path / "one")).save_pretrained(
        model, max_shard_size="20KB"
    )
    converted(model, tmp_path)
    sorted(model.glob("model-*.safetensors"))[-1].unlink()
    refused(model, tmp_path, "cannot be read as a model")


def gguf(path: Path, drop: str = "", extra: dict[str, tuple[int, ...]] | None = None, parts: int = 1) -> Path:
    """A GGUF file without one of its tensors, or with more of them, or one of several parts."""
    add, write = GGUFWriter.add_tensor, GGUFWriter.write_header_to_file

    def add_tensor(writer: GGUFWriter, name: str, *given: object, **more: object) -> None:
        if name != drop:
            add(writer, name, *given, **more)

    def header(writer: GGUFWriter) -> None:
        writer.add_uint16("split.count", parts)
        for name, shape in (extra or {}).items():
            add(writer, name, np.ones(shape, np.float32))
        write(writer)

    with (
        patch.object(GGUFWriter, "add_tensor", add_tensor),
        patch.object(GGUFWriter, "write_header_to_file", header),
    ):
        return tiny.save_gguf(path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"drop": "blk.1.ffn_up.weight"}, rf"lack 1 of 21 tensors \({UP}\)"),
        (
            {"extra": {"blk.0.attn_q.bias": (32,)}},
            "tensors without a place: .* 24,768 numbers, of which 24,736",
        ),
        ({"extra": {"blk.2.ffn_up.weight": (32, 32)}}, "tensors without a place"),
        ({"parts": 2}, "is one of the 2 parts of a model: join them with `llama-gguf-split --merge`"),
    ],
    ids=["one missing", "a bias", "a layer", "one of two parts"],
)
def test_gguf_files_that_are_not_whole(changes: dict, said: str, tmp_path: Path) -> None:
    refused(gguf(tmp_path / "model.gguf", **changes), tmp_path, said)


def test_what_a_gguf_file_may_hold_besides(tmp_path: Path) -> None:
    converted(gguf(tmp_path / "model.gguf", extra={"rope_freqs.weight": (8,)}), tmp_path)


@pytest.mark.parametrize("save", [tiny.save_native_model, tiny.save_legacy])
def test_other_loaders_want_all_tensors_too(save: Callable[[Path], Path], tmp_path: Path) -> None:
    model, loader = save(tmp_path / "model"), "auto"
    if save is tiny.save_native_model:
        with_weights(model, lambda w: dict(list(w.items())[1:]))
    else:
        loader, file = "tl_legacy", model / "model_final.pth"
        torch.save({k: v for k, v in torch.load(file).items() if k != "blocks.0.mlp.W_in"}, file)
    with pytest.raises(
        InputError,
        match=r"cannot be read as a model \(.*(Missing key.*: \"|blocks\.0\.mlp\.W_in).*\): check that it is complete",
    ):
        convert(Source.parse(str(model)).local_files(wanted_files("model", loader)), tmp_path / "out", loader)


def test_a_masked_language_model_is_loaded_whole(tmp_path: Path) -> None:
    small = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    model = BertForMaskedLM(BertConfig(vocab_size=20, **small))
    model.save_pretrained(tmp_path)
    pooler = {"bert.pooler.dense.weight": torch.ones(8, 8)}
    load_whole(AutoModelForMaskedLM, with_weights(tmp_path, lambda w: w | pooler))
    with_weights(tmp_path, lambda w: {k: v for k, v in w.items() if "predictions.transform" not in k})
    with pytest.raises(InputError, match=r"^masked_lm: mine is not whole: its files lack 4 of"):
        load_whole(AutoModelForMaskedLM, tmp_path, "masked_lm: mine")


def with_token(model: Path, special: bool) -> Path:
    """The model with one more token in its tokenizer, and none in its embedding."""
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.add_tokens(["Atlas"], special_tokens=special)
    tokenizer.save_pretrained(model)
    return model


def test_added_tokens_need_room_in_the_embedding(tmp_path: Path) -> None:
    refused(
        with_token(tiny.save_llama(tmp_path / "model"), special=False),
        tmp_path,
        r"tokens up to 3\d\d, but its vocabulary ends at 319: name its own tokenizer in model\.tokenizer",
    )


def test_special_tokens_need_none(tmp_path: Path) -> None:
    """They occur in no text: their names are read as plain text."""
    converted(with_token(tiny.save_llama(tmp_path / "model"), special=True), tmp_path)


@pytest.mark.parametrize("save", [tiny.save_llama, tiny.save_gpt2, tiny.save_neox, tiny.save_opt])
def test_the_hooks_read_what_the_models_own_code_computes(
    save: Callable[[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = save(tmp_path / "model")
    converted(model, tmp_path)
    record = OwnCode.record

    def of_other_weights(own: OwnCode, loaded: torch.nn.Module) -> None:
        record(own, loaded)
        for name, weights in loaded.named_parameters():
            if name.endswith(("down_proj.weight", "c_proj.weight", "dense_4h_to_h.weight", "fc2.weight")):
                weights.data.mul_(-3)

    monkeypatch.setattr(OwnCode, "record", of_other_weights)
    refused(model, tmp_path, "does not give what its own code gives")


def test_a_shared_folder_of_models_is_not_looked_into(tmp_path: Path) -> None:
    """The tensors of a GGUF file are its own, whatever lies beside it."""
    shutil.copy(tiny.save_llama(tmp_path / "llama") / "model.safetensors", tmp_path)
    converted(tiny.save_gguf(tmp_path / "model.gguf"), tmp_path)
