"""Small models, tokenizers and texts made on the spot, in the real file formats."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

TEXTS = [
    f"The {animal} of {place} likes to {verb} in the {time}, but never when it rains heavily outside."
    for animal in ("cat", "dog", "heron", "otter")
    for place in ("Rome", "Cairo", "Lima")
    for verb in ("sleep", "sing")
    for time in ("morning", "evening")
]
VOCABULARY = 320


def save_tokenizer(folder: Path, bos: str | None = "<s>") -> Path:
    """A byte-level BPE tokenizer of at most 320 tokens; ids 0 and 1 are ``<s>`` and ``</s>``."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    path = folder / "tokenizer.json"
    tokenizer.save(str(path))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": bos, "eos_token": "</s>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return path


def _save_random(folder: Path, model: type, **config: object) -> Path:
    """A model of `transformers` with random weights, always the same, and its tokenizer."""
    import torch

    torch.manual_seed(0)
    given = {"vocab_size": VOCABULARY, "bos_token_id": 0, "eos_token_id": 1}
    model(model.config_class(**given, **config)).save_pretrained(folder)
    save_tokenizer(folder)
    return folder


def save_llama(folder: Path, context: int = 64, **sizes: int) -> Path:
    """A gated model: 3 layers of 24 neurons, or of other sizes."""
    from transformers import LlamaForCausalLM

    small = {
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
    }
    return _save_random(folder, LlamaForCausalLM, **small | sizes, max_position_embeddings=context)


def save_gemma(folder: Path) -> Path:
    """A gated model with a norm behind attention and MLP, and heads wider than its stream: 2 layers of 24 neurons."""
    from transformers import Gemma2ForCausalLM

    return _save_random(
        folder,
        Gemma2ForCausalLM,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=12,
        max_position_embeddings=64,
    )


def save_bert(folder: Path) -> Path:
    """A masked language model, whose mask is `</s>`."""
    from transformers import AutoTokenizer, BertForMaskedLM

    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    _save_random(folder, BertForMaskedLM, **small)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"mask_token": "</s>", "pad_token": "<s>"})
    tokenizer.save_pretrained(folder)
    return folder


def save_gpt2(folder: Path) -> Path:
    """A plain GELU model: 2 layers of 64 neurons, whose number its configuration leaves to be inferred."""
    from transformers import GPT2LMHeadModel

    return _save_random(folder, GPT2LMHeadModel, n_embd=16, n_layer=2, n_head=2, n_positions=64)


def save_neox(folder: Path) -> Path:
    """A GELU model with parallel attention and MLP and rotary positions: 2 layers of 40 neurons."""
    from transformers import GPTNeoXForCausalLM

    return _save_random(
        folder,
        GPTNeoXForCausalLM,
        hidden_size=16,
        intermediate_size=40,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
    )


def save_opt(folder: Path) -> Path:
    """A ReLU model whose MLP takes all positions of a batch in one row: 2 layers of 32 neurons."""
    from transformers import OPTForCausalLM

    return _save_random(
        folder,
        OPTForCausalLM,
        hidden_size=16,
        word_embed_proj_dim=16,
        ffn_dim=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
        pad_token_id=1,
    )


# The native models in which neurons differ: what they do with the sum of their inputs.
NATIVE: dict[str, dict[str, object]] = {
    "gelu": {},
    "solu": {"act_fn": "solu_ln"},
    "relu": {"act_fn": "relu"},
    "gated": {"act_fn": "silu", "gated_mlp": True, "normalization_type": "RMS"},
}


def save_gguf(path: Path) -> Path:
    """A GGUF file of the Llama family: 2 layers of 32 neurons, 8-bit weights where their shape allows."""
    from gguf import GGMLQuantizationType, GGUFWriter, quants

    content = json.loads(save_tokenizer(path.parent / "tokenizer").read_text())
    tokens = sorted(content["model"]["vocab"], key=content["model"]["vocab"].get)
    writer = GGUFWriter(str(path), "llama")
    writer.add_name("Tiny")
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_block_count(2)
    writer.add_feed_forward_length(32)
    writer.add_head_count(2)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10_000.0)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token in ("<s>", "</s>") else 1 for token in tokens])
    writer.add_token_merges([" ".join(pair) for pair in content["model"]["merges"]])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    random = np.random.default_rng(0)
    shapes = {"token_embd": (len(tokens), 32), "output_norm": (32,)}
    for layer in range(2):
        names = (
            "attn_norm",
            "ffn_norm",
            "attn_q",
            "attn_k",
            "attn_v",
            "attn_output",
            "ffn_gate",
            "ffn_up",
            "ffn_down",
        )
        shapes |= {f"blk.{layer}.{name}": (32,) if name.endswith("norm") else (32, 32) for name in names}
    for name, shape in shapes.items():
        weights = random.standard_normal(shape).astype(np.float32)
        if len(shape) == 2:
            packed = quants.quantize(weights, GGMLQuantizationType.Q8_0)
            writer.add_tensor(f"{name}.weight", packed, raw_dtype=GGMLQuantizationType.Q8_0)
        else:
            writer.add_tensor(f"{name}.weight", weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def save_native_model(folder: Path, **changes: object) -> Path:
    """A TransformerLens native model: 2 layers of 24 neurons."""
    from transformer_lens.model_bridge import TransformerBridge

    from n2g.model.checkpoint import save_native

    config = {
        "d_model": 16,
        "d_mlp": 24,
        "d_head": 8,
        "n_heads": 2,
        "n_layers": 2,
        "n_ctx": 64,
        "d_vocab": VOCABULARY,
        "act_fn": "gelu",
        "normalization_type": "LN",
        "seed": 0,
    }
    save_native(TransformerBridge.boot_native(config | changes), folder)
    save_tokenizer(folder)
    return folder


def save_legacy(folder: Path) -> Path:
    """The older TransformerLens format: a one-layer SoLU model with a LayerNorm after the activation."""
    import torch

    config = {
        "d_model": 16,
        "d_mlp": 24,
        "d_head": 8,
        "n_heads": 2,
        "n_layers": 1,
        "n_ctx": 64,
        "d_vocab": VOCABULARY,
        "act_fn": "solu_ln",
        "attn_only": False,
        "normalization": "LN",
        "tokenizer_name": "somewhere/else",
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    shapes = {
        "embed.W_E": (VOCABULARY, 16),
        "pos_embed.W_pos": (64, 16),
        "blocks.0.ln1.w": (16,),
        "blocks.0.ln1.b": (16,),
        "blocks.0.attn.W_Q": (2, 16, 8),
        "blocks.0.attn.W_K": (2, 16, 8),
        "blocks.0.attn.W_V": (2, 16, 8),
        "blocks.0.attn.W_O": (2, 8, 16),
        "blocks.0.attn.b_Q": (2, 8),
        "blocks.0.attn.b_K": (2, 8),
        "blocks.0.attn.b_V": (2, 8),
        "blocks.0.attn.b_O": (16,),
        "blocks.0.ln2.w": (16,),
        "blocks.0.ln2.b": (16,),
        "blocks.0.mlp.W_in": (16, 24),
        "blocks.0.mlp.b_in": (24,),
        "blocks.0.mlp.ln.w": (24,),
        "blocks.0.mlp.ln.b": (24,),
        "blocks.0.mlp.W_out": (24, 16),
        "blocks.0.mlp.b_out": (16,),
        "ln_final.w": (16,),
        "ln_final.b": (16,),
        "unembed.W_U": (16, VOCABULARY),
    }
    generator = torch.Generator().manual_seed(0)
    torch.save(
        {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()},
        folder / "model_final.pth",
    )
    save_tokenizer(folder)
    return folder
