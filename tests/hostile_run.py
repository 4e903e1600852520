"""A run of the whole workflow on texts that are meant to do harm or are hard to show, with a neuron for each token."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import tiny
import torch
from fake_records import HOSTILE
from safetensors.torch import load_file, save_file
from tiny_run import checkout, configure, snakemake
from tokenizers import Tokenizer

# Tokens that nobody sees, marks without their letter, halves of words, bytes of characters.
ODD = ["\ufe0f", "\u3164", "\u2800", "\u0e34", "\u093f"]
# Of scripts that are written from the right, and of those whose letters join with what follows: each word is several
# tokens, and one of them is a mark alone.
FROM_THE_RIGHT = [" שלום", " עולם", "الس", "لام", " مرحبا"]
COMBINING = ["नम", "स्", "ते", "ที", "่"]
BYTE = "<0xB4>"  # the last of 水, which the tokenizer splits
NAMES = [*HOSTILE[:9], *HOSTILE[10:11], *HOSTILE[11:13], *ODD, *FROM_THE_RIGHT, *COMBINING, "x" * 10_000]
TITLES = [
    "../../x",
    "/etc/passwd",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(1+1)",
    "\t=1",
    "שלום עולם",
    *HOSTILE,
]
# A text of each script, in which tokens join or stack.
HEBREW, ARABIC = "שלום עולם שלום", "السلام مرحبا السلام"
CHINESE, HINDI = "水是生命之源", "कि\u093f"
GREETING, HERE = "नमस्ते नमस्ते नमस्ते", "ที่ ที่ที่ ที่"
SCRIPTS = (HEBREW, ARABIC, GREETING, HERE)
WIDTH, MARGIN = 64, 5.0


def make(folder: Path) -> Path:
    """The finished checkout; the model's neuron number n of layer 0 fires on the token NAMES[n], the last on BYTE."""
    checkout(folder)
    known = _save_model(folder / "model")
    _save_texts(folder / "texts.jsonl")
    configure(
        folder,
        corpus={
            "source": "texts.jsonl",
            "title": "title",
            "max_length": 48,
            "further_tokens": 0,
            "licence": "<b>",
        },
        layers="0",
        neurons=f"0-{len(known) - 1}",
        block_size=len(known),
    )
    status, said = snakemake(folder, "all", "export")
    assert status == 0, said
    return folder


def _save_model(folder: Path) -> list[int]:
    """A ReLU model that looks at single tokens; gives those of its neurons."""
    path = tiny.save_tokenizer(folder)
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.add_tokens(NAMES)
    size = tokenizer.get_vocab_size()
    known = [*map(tokenizer.token_to_id, NAMES), tokenizer.encode("水").ids[-1]]
    shape = {"d_vocab": size, "d_model": WIDTH, "d_mlp": len(known), "n_layers": 1}
    tiny.save_native_model(folder, **tiny.NATIVE["relu"], **shape)
    tokenizer.save(str(path))
    weights = load_file(folder / "model.safetensors")
    random = torch.Generator().manual_seed(0)
    embedding = torch.randn(size, WIDTH, generator=random)
    weights["embed.weight"] = embedding
    for name in ("pos_embed.weight", "blocks.0.attn.o.weight", "blocks.0.attn.o.bias"):
        weights[name] = torch.zeros_like(weights[name])
    centred = embedding[known] - embedding[known].mean(1, keepdim=True)
    weights["blocks.0.mlp.in.weight"] = centred / centred.norm(dim=1, keepdim=True)
    weights["blocks.0.mlp.in.bias"] = torch.full((len(known),), -MARGIN)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return known


def _save_texts(path: Path) -> None:
    """Random sentences with tokens and texts of all kinds in between."""
    random = np.random.default_rng(0)
    words = sorted({word for text in tiny.TEXTS for word in text.split()})
    inserted = [*NAMES, HEBREW, ARABIC, CHINESE, HINDI, "水", "生"]
    lines = []
    for number in range(8 * len(inserted)):
        odd = inserted[number % len(inserted)]
        before, after = (" ".join(random.choice(words, int(random.integers(2, 6)))) for _ in range(2))
        # Texts of such scripts begin with their own words.
        script = next((f"{text} " for text in SCRIPTS if odd in text), "")
        text = f"{script}{before}{odd} {after}"
        lines.append(
            json.dumps({"title": TITLES[number % len(TITLES)], "text": text}, ensure_ascii=number % 2 == 0)
        )
    path.write_text("\n".join(lines))
