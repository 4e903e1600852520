"""A model and autoencoders whose latents have known rules: one token, or one token right after another.

The residual stream has three parts: the token's direction, that of the token before it, which the one head of layer 0
copies, and the position, by which that head finds it. The MLPs do nothing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from math import pi
from pathlib import Path

import foreign_encoder_files as foreign
import numpy as np
import tiny
import tiny_stages as stages
import torch

from n2g.files.tables import read_table

PART, WIDTH, N_CTX = 16, 34, 64
LATENTS = 20
THRESHOLD = 0.95  # of the cosines of different tokens none is larger


@dataclass(frozen=True)
class Planted:
    """The files, and the tokens and pairs of tokens at which latent 0, 1, ... of layers 0 and 1 fire."""

    checkpoint: Path
    corpus: Path
    units: Path
    tokens: list[int]
    pairs: list[tuple[int, int]]


def make(folder: Path, architecture: str = "jumprelu") -> Planted:
    """A model, texts, and an autoencoder on what enters each of its layers."""
    words = directions()
    save_model(folder / "model", words)
    checkpoint = stages.describe_model(folder)
    corpus = stages.make_corpus(folder / "texts", checkpoint, count=400)
    tokens, pairs = common(corpus)
    rows = {
        0: [(words[token], np.zeros(PART)) for token in tokens],
        1: [(words[b], words[a]) for a, b in pairs],
    }
    for layer, parts in rows.items():
        encoder = np.stack([np.concatenate([here, before, np.zeros(2)]) for here, before in parts])
        bias = np.full(LATENTS, -1.0 * layer)  # of a pair, both must be there
        if architecture == "topk":
            encoder, bias = 20 * encoder, 20 * (bias - THRESHOLD)
        weights = foreign.Weights(
            enc=encoder.T.astype(np.float32),
            dec=encoder.astype(np.float32),
            b_enc=bias.astype(np.float32),
            b_dec=np.zeros(WIDTH, np.float32),
            threshold=np.full(LATENTS, THRESHOLD, np.float32),
            b_gate=np.zeros(LATENTS, np.float32),
            r_mag=np.zeros(LATENTS, np.float32),
        )
        hook = f"blocks.{layer}.hook_resid_pre"
        foreign.save_saelens(folder / "encoders" / f"layer_{layer}", architecture, weights, hook_name=hook)
    units = folder / "units" / "units.json"
    stages.stage("units", "--checkpoint", checkpoint, "--source", folder / "encoders", "--output", units)
    return Planted(checkpoint, corpus, units, tokens, pairs)


def directions() -> np.ndarray:
    """A unit vector for each token."""
    found = np.random.default_rng(0).standard_normal((tiny.VOCABULARY, PART))
    found /= np.linalg.norm(found, axis=-1, keepdims=True)
    assert np.triu(found @ found.T, 1).max() < THRESHOLD
    return found


def common(corpus: Path) -> tuple[list[int], list[tuple[int, int]]]:
    """The most common tokens of the texts, and pairs of which the second token is mostly somewhere else."""
    stream = np.load(corpus / "tokens.npy")
    singles: Counter = Counter()
    pairs: Counter = Counter()
    for row in read_table(corpus / "documents.parquet", "documents").to_pylist():
        text = stream[row["offset"] : row["offset"] + row["length"]][1:].tolist()
        singles.update(text)
        pairs.update(pairwise(text))
    ordered = [[one for one, _ in sorted(c.items(), key=lambda i: (-i[1], i[0]))] for c in (singles, pairs)]
    rare = [pair for pair in ordered[1] if pairs[pair] < 0.2 * singles[pair[1]]]
    return ordered[0][:LATENTS], rare[:LATENTS]


def save_model(folder: Path, words: np.ndarray) -> None:
    """A native model of two layers without norms."""
    from transformer_lens.model_bridge import TransformerBridge

    from n2g.model.checkpoint import save_native

    model = TransformerBridge.boot_native(
        {
            "d_model": WIDTH,
            "d_mlp": 4,
            "d_head": PART,
            "n_heads": 1,
            "n_layers": 2,
            "n_ctx": N_CTX,
            "d_vocab": tiny.VOCABULARY,
            "act_fn": "relu",
            "normalization_type": None,
            "seed": 0,
        }
    )
    weights = {name: torch.zeros_like(value) for name, value in model.state_dict().items()}
    weights["embed.weight"][:, :PART] = torch.from_numpy(words)
    weights["unembed.weight"] = weights["embed.weight"].clone()
    step = 2 * pi / N_CTX
    angles = step * torch.arange(N_CTX)
    weights["pos_embed.weight"][:, -2:] = torch.stack([angles.cos(), angles.sin()], -1)
    sharp = 200.0  # so that the head sees the token before and no other
    turn = torch.tensor([[np.cos(step), -np.sin(step)], [np.sin(step), np.cos(step)]], dtype=torch.float32)
    weights["blocks.0.attn.q.weight"][:2, -2:] = sharp * torch.eye(2)
    weights["blocks.0.attn.k.weight"][:2, -2:] = sharp * turn
    weights["blocks.0.attn.v.weight"][:, :PART] = torch.eye(PART)
    weights["blocks.0.attn.o.weight"][PART : 2 * PART, :] = torch.eye(PART)
    model.load_state_dict(weights)
    save_native(model, folder)
    tiny.save_tokenizer(folder)
