"""Models beside the one that is described are checked when the workflow starts, before it computes anything."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny
import tiny_stages
import yaml
from safetensors.torch import load_file, save_file
from tiny_run import checkout, configure, snakemake
from transformers import AutoTokenizer

from n2g.errors import InputError

SAVE = {"masked_lm": tiny.save_bert, "explain.local": lambda folder: tiny.save_llama(folder, context=20_000)}
OPTIONS = {"masked_lm": "--masked-lm", "explain.local": "--local"}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model for each key that nothing is wrong with."""
    return {key: save(tmp_path_factory.mktemp(key)) for key, save in SAVE.items()}


@pytest.fixture(params=SAVE)
def key(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def model(key: str, sound: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of a sound model, to do harm to."""
    return Path(shutil.copytree(sound[key], tmp_path / "model"))


def lacks_a_tensor(model: Path) -> None:
    weights = load_file(model / "model.safetensors")
    del weights[sorted(weights)[-1]]
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})


def has_another_shape(model: Path) -> None:
    weights = load_file(model / "model.safetensors")
    name = next(name for name, value in weights.items() if value.dim() == 2)
    save_file(weights | {name: weights[name][1:]}, model / "model.safetensors", metadata={"format": "pt"})


def is_cut_off(model: Path) -> None:
    file = model / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def has_a_token_more(model: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.add_tokens(["Atlas"])
    tokenizer.save_pretrained(model)


def check(key: str, model: Path) -> None:
    tiny_stages.stage("check_models", OPTIONS[key], model)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lacks_a_tensor, "is not whole: its files lack 1 of"),
        (has_another_shape, "has weights of the shape"),
        (is_cut_off, "(is not a masked language model|cannot be read as a model)"),
        (has_a_token_more, r"has a tokenizer with tokens up to \d+, but its vocabulary ends at 319"),
    ],
)
def test_what_is_wrong_with_a_model_is_one_sentence(
    key: str, model: Path, harm: Callable[[Path], None], said: str
) -> None:
    check(key, model)
    harm(model)
    with pytest.raises(InputError, match=rf"{model}.* {said}") as caught:
        check(key, model)
    assert "\n" not in str(caught.value)


def test_a_chat_model_needs_room_for_the_questions(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"^explain\.local: .* too short a context \(a question takes .* of its 64 tokens"
    ):
        check("explain.local", tiny.save_llama(tmp_path))


@pytest.mark.slow
def test_the_workflow_ends_with_the_sentence_before_any_job(key: str, model: Path, tmp_path: Path) -> None:
    folder = checkout(tmp_path / "run")
    tiny.save_llama(folder / "model")
    (folder / "texts.txt").write_text("\n\n".join(tiny.TEXTS))
    masked = {"proposer": "masked-lm", "masked_lm": str(model)}
    configure(folder, **(masked if key == "masked_lm" else {"explain": {"local": str(model)}}))
    status, said = snakemake(folder, "--dry-run")
    assert status == 0, said
    lacks_a_tensor(model)
    status, said = snakemake(folder)
    assert status != 0 and not (folder / "results").exists()
    assert said.strip().splitlines()[-1].startswith(f"{key}: {model} is not whole: its files lack 1 of")
    assert "Traceback" not in said and "Building DAG" not in said
    used = yaml.safe_load((folder / "config.yaml").read_text()) | {"proposer": "embedding"}
    (folder / "config.yaml").write_text(yaml.safe_dump({**used, "explain": {}}))
    status, said = snakemake(folder, "--dry-run")
    assert status == 0, "a model that is not used is not looked at"
