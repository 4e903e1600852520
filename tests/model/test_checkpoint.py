"""Every kind of model in one form, and models that cannot be read."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny
import torch
from transformers import AutoModelForCausalLM

from n2g.errors import InputError
from n2g.ids import Block
from n2g.model.checkpoint import DESCRIPTION, boot, checkpoint_key, pick_device, read_description
from n2g.model.conversion import convert
from n2g.texts.sources import Source, wanted_files

IDS = torch.tensor([[0, 40, 41, 42]])


def files_of(path: Path, loader: str = "auto") -> list[Path]:
    return Source.parse(str(path)).local_files(wanted_files("model", loader))


def neurons(checkpoint: Path, layer: int) -> torch.Tensor:
    """Activations of a layer's neurons, [1, position, neuron]."""
    model = boot(checkpoint)
    _, cache = model.run_with_cache(IDS)
    return cache[read_description(checkpoint).hook.format(layer=layer)]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One model of each kind."""
    folder = tmp_path_factory.mktemp("models")
    tiny.save_llama(folder / "llama")
    tiny.save_gpt2(folder / "gpt2")
    tiny.save_native_model(folder / "native")
    tiny.save_native_model(folder / "gated", act_fn="silu", gated_mlp=True, normalization_type="RMS")
    tiny.save_legacy(folder / "legacy")
    tiny.save_gguf(folder / "model.gguf")
    return folder


@pytest.mark.parametrize(
    ("name", "loader", "shape", "gated", "form"),
    [
        ("llama", "auto", (3, 24), True, "transformers"),
        ("gpt2", "auto", (2, 64), False, "transformers"),
        ("model.gguf", "auto", (2, 32), True, "transformers"),
        ("native", "auto", (2, 24), False, "native"),
        ("gated", "native", (2, 24), True, "native"),
        ("legacy", "tl_legacy", (1, 24), False, "native"),
    ],
)
def test_every_kind_of_model(
    models: Path, tmp_path: Path, name: str, loader: str, shape: tuple[int, int], gated: bool, form: str
) -> None:
    found = convert(files_of(models / name, loader), tmp_path / "a", loader)
    assert (found.n_layers, found.d_mlp, found.gated, found.format) == (*shape, gated, form)
    assert (found.bos, found.eos, found.d_vocab, found.n_ctx) == (0, 1, tiny.VOCABULARY, 64)
    assert read_description(tmp_path / "a") == read_description(tmp_path / "a" / DESCRIPTION) == found
    for layer in range(found.n_layers):
        assert neurons(tmp_path / "a", layer).shape == (1, 4, found.d_mlp)
    again = convert(files_of(models / name, loader), tmp_path / "b", loader)
    assert again == found  # the files' digests are part of it
    assert found.digest == again.digest


def test_weights_survive(models: Path, tmp_path: Path) -> None:
    convert(files_of(models / "llama"), tmp_path / "llama")
    logits = AutoModelForCausalLM.from_pretrained(models / "llama")(IDS).logits
    torch.testing.assert_close(boot(tmp_path / "llama")(IDS), logits, rtol=0, atol=1e-5)
    convert(files_of(models / "model.gguf"), tmp_path / "gguf")
    gguf = AutoModelForCausalLM.from_pretrained(models, gguf_file="model.gguf")
    torch.testing.assert_close(boot(tmp_path / "gguf")(IDS), gguf(IDS).logits, rtol=0, atol=1e-5)


def test_neurons_of_a_gated_model_are_products(models: Path, tmp_path: Path) -> None:
    convert(files_of(models / "llama"), tmp_path)
    layer = AutoModelForCausalLM.from_pretrained(models / "llama").model.layers[0]
    seen = []
    layer.mlp.down_proj.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    model = AutoModelForCausalLM.from_pretrained(models / "llama")
    model.model.layers[0] = layer
    model(IDS)
    torch.testing.assert_close(neurons(tmp_path, 0), seen[0], rtol=0, atol=1e-6)


def test_the_older_format_keeps_its_weights(models: Path, tmp_path: Path) -> None:
    convert(files_of(models / "legacy", "tl_legacy"), tmp_path, "tl_legacy", name="NeelNanda/SoLU_1L")
    weights = torch.load(models / "legacy" / "model_final.pth", weights_only=True)
    model = boot(tmp_path)
    torch.testing.assert_close(model.W_E, weights["embed.W_E"])
    torch.testing.assert_close(model.W_in[0], weights["blocks.0.mlp.W_in"])


def test_pickles_with_code_are_refused(models: Path, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Callable, tuple]:
            return Path.touch, (tmp_path / "ran",)

    shutil.copytree(models / "legacy", tmp_path / "evil")
    torch.save({"embed.W_E": Evil()}, tmp_path / "evil" / "model_final.pth")
    with pytest.raises(InputError, match="cannot be read as a model"):
        convert(files_of(tmp_path / "evil", "tl_legacy"), tmp_path / "out", "tl_legacy")
    assert not (tmp_path / "ran").exists()


def test_another_tokenizer_takes_the_place(models: Path, tmp_path: Path) -> None:
    other = tiny.save_tokenizer(tmp_path / "other", bos="</s>")
    content = json.loads((models / "native" / "config.json").read_text())
    assert "bos_token_id" not in content
    found = convert(
        files_of(models / "native"), tmp_path / "out", tokenizer=sorted((tmp_path / "other").iterdir())
    )
    assert found.bos == 1
    assert (tmp_path / "out" / "tokenizer.json").read_bytes() == other.read_bytes()


@pytest.mark.parametrize(
    ("given", "bos", "said"),
    [
        (1, 1, "names token 1, the tokenizer 0"),
        (-1, 0, ""),
        (999, 0, ""),
        ("0", 0, ""),
        ([], 0, ""),
        (None, 0, ""),
    ],
)
def test_the_begin_token_is_one_that_there_is(
    given: object, bos: int, said: str, models: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    shutil.copytree(models / "native", tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    (tmp_path / "model" / "config.json").write_text(
        json.dumps(config | {"bos_token_id": given, "text_config": None})
    )
    capsys.readouterr()
    assert convert(files_of(tmp_path / "model"), tmp_path / "out").bos == bos
    assert said in capsys.readouterr().out


def test_a_tokenizer_of_a_larger_model_is_refused(models: Path, tmp_path: Path) -> None:
    path = tiny.save_tokenizer(tmp_path)
    content = json.loads(path.read_text())
    content["model"]["vocab"]["new"] = tiny.VOCABULARY
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"tokens up to 320, .* ends at 319: .* model\.tokenizer"):
        convert(files_of(models / "native"), tmp_path / "out", tokenizer=[path])
    assert not (tmp_path / "out" / DESCRIPTION).exists()


@pytest.mark.parametrize("name", ["native", "gpt2"])
def test_a_model_without_a_tokenizer_names_the_key(models: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(models / name, tmp_path / "bare", ignore=shutil.ignore_patterns("tokenizer*"))
    with pytest.raises(InputError, match=r"model\.tokenizer"):
        convert(files_of(tmp_path / "bare"), tmp_path / "out")


def damaged(models: Path, tmp_path: Path, name: str, keep: float) -> list[Path]:
    """A copy of a model whose weights end early."""
    copy = tmp_path / "copy" / name
    copy.parent.mkdir()
    if (models / name).is_dir():
        shutil.copytree(models / name, copy)
        weights = copy / "model.safetensors"
    else:
        weights = Path(shutil.copy(models / name, copy))
    weights.write_bytes(weights.read_bytes()[: int(keep * weights.stat().st_size)])
    return files_of(copy)


@pytest.mark.parametrize("keep", [0, 0.001, 0.5, 0.999])
@pytest.mark.parametrize("name", ["llama", "native", "model.gguf"])
def test_truncated_weights_are_one_sentence(models: Path, tmp_path: Path, name: str, keep: float) -> None:
    files = damaged(models, tmp_path, name, keep)
    with pytest.raises(InputError, match="cannot be read as a model") as caught:
        convert(files, tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out" / DESCRIPTION).exists()


def test_models_that_are_not_whole(models: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no config\.json"):
        convert([models / "llama" / "model.safetensors"], tmp_path / "out")
    with pytest.raises(InputError, match=r"no \.safetensors weights"):
        convert([models / "llama" / "config.json"], tmp_path / "out")
    with pytest.raises(InputError, match=r"several \.gguf"):
        convert([models / "model.gguf", models / "other.gguf"], tmp_path / "out")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"config\.json cannot be read"):
        convert([tmp_path / "config.json", models / "llama" / "model.safetensors"], tmp_path / "out")


def test_a_model_without_mlp_neurons_is_refused(tmp_path: Path) -> None:
    tiny.save_native_model(tmp_path / "model", attn_only=True)
    with pytest.raises(InputError, match="no MLP neurons"):
        convert(files_of(tmp_path / "model"), tmp_path / "out")


def test_a_checkpoint_that_lost_a_file(models: Path, tmp_path: Path) -> None:
    found = convert(files_of(models / "llama"), tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"model\.safetensors is missing"):
        boot(tmp_path)
    (tmp_path / DESCRIPTION).write_text("{}")
    with pytest.raises(InputError, match=r"checkpoint\.json is missing or damaged"):
        read_description(tmp_path)
    with pytest.raises(InputError, match="layers: 3 is out of range: choose from 0-2"):
        found.check(3, Block(0, 5))
    with pytest.raises(InputError, match="neurons: 24 is out of range: choose from 0-23"):
        found.check(0, Block(0, 24))


def test_devices() -> None:
    assert pick_device("cpu").type == "cpu"
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(InputError, match="cuda:99 is not available"):
        pick_device("cuda:99")


def test_a_changed_model_section_has_another_folder() -> None:
    section = {
        "source": "hf:org/m@v1",
        "file": None,
        "sha256": None,
        "loader": "auto",
        "tokenizer": None,
        "name": "x",
    }
    changes = [
        {},
        {"source": "hf:org/m@v2"},
        {"file": "a.gguf"},
        {"loader": "native"},
        {"tokenizer": "t.json"},
        {"hook": "mid"},
    ]
    assert len({checkpoint_key(section | change) for change in changes}) == len(changes)
    assert checkpoint_key(section) == checkpoint_key(section | {"name": "y", "hook": "post"})


def test_a_checkpoint_that_names_no_hook_is_read_behind_the_activation(tmp_path: Path) -> None:
    """As earlier versions wrote them; the workflow makes them anew, but has to read them first."""
    convert(sorted(tiny.save_llama(tmp_path / "llama").iterdir()), tmp_path / "checkpoint")
    file = tmp_path / "checkpoint" / "checkpoint.json"
    content = json.loads(file.read_text())
    written = read_description(file)
    del content["hook"]
    file.write_text(json.dumps(content))
    assert read_description(file) == written
