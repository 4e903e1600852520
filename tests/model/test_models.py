"""Models of several families, from their files to the atlas; and models that are refused in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tiny
import tiny_stages as stages
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch.nn import functional

from n2g.errors import InputError
from n2g.graphs.trie import NeuronGraph
from n2g.model.checkpoint import boot
from n2g.texts.corpus_files import load_documents
from n2g.texts.documents import Documents

BLOCK = "0/00000-00001"
PLANTED = 0


@dataclass(frozen=True)
class Family:
    """How to make a model, and in its file the names of the embedding, of what enters the neurons of layer 0, and of
    what they enter."""

    save: Callable[[Path], Path]
    embedding: str
    entry: str
    exit: str

    @property
    def native(self) -> bool:
        return self.exit.startswith("blocks")


def native(kind: str) -> Family:
    save = partial(tiny.save_native_model, **tiny.NATIVE[kind])
    return Family(save, "embed", "blocks.0.mlp.in", "blocks.0.mlp.out")


FAMILIES = {
    "gpt2": Family(
        tiny.save_gpt2, "transformer.wte", "transformer.h.0.mlp.c_fc", "transformer.h.0.mlp.c_proj"
    ),
    "neox": Family(
        tiny.save_neox,
        "gpt_neox.embed_in",
        "gpt_neox.layers.0.mlp.dense_h_to_4h",
        "gpt_neox.layers.0.mlp.dense_4h_to_h",
    ),
    "opt": Family(
        tiny.save_opt,
        "model.decoder.embed_tokens",
        "model.decoder.layers.0.fc1",
        "model.decoder.layers.0.fc2",
    ),
    "gelu": native("gelu"),
    "solu": native("solu"),
    "relu": native("relu"),
}


def plant(folder: Path, family: Family, token: int) -> None:
    """Make neuron 0 of layer 0 fire on one token, whatever comes before it."""
    path = folder / "model.safetensors"
    weights = load_file(path)
    direction = torch.tensor([1.0, -1.0] * 8)
    weights[f"{family.embedding}.weight"][token] = 3 * direction
    entry = weights[f"{family.entry}.weight"]
    (entry if entry.shape[1] == len(direction) else entry.T)[PLANTED] = direction / 2
    weights[f"{family.entry}.bias"][PLANTED] = -6.0  # below the 8 of the direction itself
    save_file(weights, path, metadata={"format": "pt"})


def plainly(folder: Path, family: Family, kind: str) -> Callable[[list[int]], torch.Tensor]:
    """Token ids -> activations [position, neuron] of layer 0: what enters the output projection, by the model's own
    code. For native models, which have no other code, by their formulas from the sum of a neuron's inputs.
    """
    seen: list[torch.Tensor] = []
    if family.native:
        model = boot(folder.parent / "checkpoint")
        weights = load_file(folder / "model.safetensors")

        def sums(ids: list[int]) -> torch.Tensor:
            return model.run_with_cache(torch.tensor([ids]))[1]["blocks.0.mlp.in.hook_out"][0]

        def solu(x: torch.Tensor) -> torch.Tensor:
            norm = [weights[f"blocks.0.mlp.ln.{name}"] for name in ("weight", "bias")]
            return functional.layer_norm(x * x.softmax(-1), x.shape[-1:], *norm)

        activate = solu if kind == "solu" else getattr(functional, kind)
        return lambda ids: activate(sums(ids))
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    model.get_submodule(family.exit).register_forward_pre_hook(lambda _, given: seen.append(given[0]))

    @torch.no_grad()
    def activations(ids: list[int]) -> torch.Tensor:
        model(torch.tensor([ids]))
        return seen.pop().flatten(0, -2)

    return activations


def frequent_token(documents: Documents) -> int:
    """A token that is neither rare nor everywhere."""
    return int(np.argsort(-np.bincount(documents.tokens))[12])


@pytest.mark.parametrize("hook", ["post", "mid"])
def test_solu_neurons_are_read_on_either_side_of_their_layer_norm(hook: str, tmp_path: Path) -> None:
    FAMILIES["solu"].save(tmp_path / "model")
    checkpoint = stages.describe_model(tmp_path, hook)
    corpus = stages.make_corpus(tmp_path / "texts", checkpoint)
    poles = "positive,negative"
    output = stages.run(checkpoint, corpus, tmp_path / "out", [BLOCK], poles)
    documents, model = load_documents(corpus), boot(checkpoint)
    weights = load_file(tmp_path / "model" / "model.safetensors")
    for row in stages.rows(output / BLOCK, "examples"):
        ids = torch.tensor([documents.ids(row["document"]).tolist()])
        sums = model.run_with_cache(ids)[1]["blocks.0.mlp.in.hook_out"][0]
        expected = sums * sums.softmax(-1)
        if hook == "post":
            norm = [weights[f"blocks.0.mlp.ln.{name}"] for name in ("weight", "bias")]
            expected = functional.layer_norm(expected, expected.shape[-1:], *norm)
        sign = -1 if row["pole"] == "negative" else 1
        np.testing.assert_allclose(
            row["activations"], sign * expected[:, row["neuron"]], rtol=0, atol=1e-5, err_msg=row["pole"]
        )


@pytest.mark.parametrize("kind", ["gelu", "gpt2"])
def test_without_a_layer_norm_there_is_nothing_before_it(kind: str, tmp_path: Path) -> None:
    FAMILIES[kind].save(tmp_path / "model")
    with pytest.raises(InputError, match=r"^model\.hook: .* has no LayerNorm .*: set post\.$"):
        stages.describe_model(tmp_path, "mid")


@pytest.mark.parametrize("kind", FAMILIES)
def test_from_the_files_to_the_atlas(kind: str, tmp_path: Path) -> None:
    family, folder = FAMILIES[kind], tmp_path / "model"
    family.save(folder)
    # All these models have one tokenizer, so that the token to plant is known from the corpus of the bare one.
    corpus = stages.make_corpus(tmp_path / "texts", stages.describe_model(tmp_path))
    documents = load_documents(corpus)
    token = frequent_token(documents)
    plant(folder, family, token)
    checkpoint = stages.describe_model(tmp_path)
    poles = "positive,negative" if kind == "solu" else "positive"
    output = stages.run(checkpoint, corpus, tmp_path / "out", [BLOCK], poles)
    pages = stages.atlas(checkpoint, corpus, output, [BLOCK], poles)

    plain = plainly(folder, family, kind)
    for row in stages.rows(output / BLOCK, "examples"):
        expected = plain(documents.ids(row["document"]).tolist())[:, row["neuron"]]
        sign = -1 if row["pole"] == "negative" else 1
        np.testing.assert_allclose(row["activations"], sign * expected, rtol=0, atol=1e-5)

    records = stages.records(output / BLOCK)
    assert set(records) == {"L0.N0", "L0.N1"} | ({"L0.N0-", "L0.N1-"} if kind == "solu" else set())
    found = records["L0.N0"]
    assert found["status"] == "ok" and found["provenance"]["hook"] == "blocks.0.mlp.hook_post"
    graph = NeuronGraph.from_dict(found["graph"])
    fires = [pattern for pattern in graph.patterns() if pattern.end.activation >= graph.decision_threshold]
    assert [[element.tokens for element in pattern.elements] for pattern in fires] == [[(token,)]]
    assert found["metrics"]["random"]["graph"]["firing"] > 0
    assert found["metrics"]["random"]["graph"]["f1"] == 1
    for name in records:
        page = pages / "neurons" / "L0" / name.removeprefix("L0.") / "index.html"
        assert "blocks.0.mlp.hook_post" in page.read_text()


def config(**changes: object) -> dict[str, object]:
    """Sizes of a small model, by the names that most configurations of `transformers` have for them."""
    given = {"vocab_size": tiny.VOCABULARY, "bos_token_id": 0, "eos_token_id": 1, "hidden_size": 16}
    given |= {"intermediate_size": 24, "num_hidden_layers": 3, "num_attention_heads": 2}
    return given | changes


EXPERTS = {"num_experts_per_tok": 1, "num_key_value_heads": 1}
REFUSED = {
    "MixtralForCausalLM": (config(**EXPERTS, num_local_experts=2), "is a mixture of experts"),
    "Qwen2MoeForCausalLM": (  # experts in some layers only
        config(**EXPERTS, num_experts=2, mlp_only_layers=[0]),
        r"is a mixture of experts, which has no neurons to read \(blocks\.1\.",
    ),
    "BertForMaskedLM": (config(), "also attends to later tokens"),
    "DistilBertForMaskedLM": ({"vocab_size": tiny.VOCABULARY, "n_layers": 1}, "supported architecture"),
    "T5ForConditionalGeneration": (
        {
            "vocab_size": tiny.VOCABULARY,
            "d_model": 16,
            "d_kv": 8,
            "d_ff": 24,
            "num_layers": 1,
            "num_heads": 2,
        },
        "has no MLP neurons to read",
    ),
    "Lfm2ForCausalLM": (
        config(num_key_value_heads=1, layer_types=["conv", "full_attention", "conv"]),
        "keys and values",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_models_are_refused_in_one_sentence(name: str, tmp_path: Path) -> None:
    values, reason = REFUSED[name]
    made = getattr(transformers, name)
    torch.manual_seed(0)
    model = made(made.config_class(**values))
    with torch.no_grad():
        for weights in model.parameters():
            weights.normal_(std=0.3)
    model.save_pretrained(tmp_path / "model")
    tiny.save_tokenizer(tmp_path / "model")
    with pytest.raises(InputError, match=reason) as caught:
        stages.describe_model(tmp_path)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
    assert not (tmp_path / "checkpoint" / "checkpoint.json").exists()
