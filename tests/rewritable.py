"""A small model whose neurons are known exactly: in layer 0 each depends on the token alone. Its texts are its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import planted
import torch
from planted import BOS
from transformer_lens.model_bridge import TransformerBridge

from n2g.graphs.elements import Element, End, Pattern
from n2g.graphs.trie import NeuronGraph
from n2g.model.engine import Engine
from n2g.scores.evaluate import Key
from n2g.scores.layer_predictions import SIGNS
from n2g.texts.documents import Documents

WORDS, NEURONS = 12, 24
CONFIG = {
    "d_model": 16,
    "d_mlp": NEURONS,
    "d_head": 8,
    "n_heads": 2,
    "n_layers": 2,
    "n_ctx": 64,
    "d_vocab": WORDS,
    "act_fn": "gelu",
    "normalization_type": "LN",
    "seed": 0,
}


def open_model() -> Engine:
    """No positions, no attention in layer 0, and an MLP there that matters."""
    bridge = TransformerBridge.boot_native(CONFIG)
    weights = bridge.state_dict()
    draw = torch.Generator().manual_seed(3)
    for name in ("embed.weight", "blocks.0.mlp.in.weight", "blocks.0.mlp.out.weight", "unembed.weight"):
        weights[name] = torch.randn(weights[name].shape, generator=draw)
    for name in ("pos_embed.weight", "blocks.0.attn.o.weight", "blocks.0.attn.o.bias"):
        weights[name] = torch.zeros_like(weights[name])
    bridge.load_state_dict(weights)
    bridge.eval().requires_grad_(False)
    return Engine(bridge, batch_tokens=128)


@torch.no_grad()
def sampled_texts(engine: Engine, count: int = 60, length: int = 18) -> Documents:
    """Texts that the model itself has written, so that it predicts them best as it is."""
    draw = torch.Generator().manual_seed(1)
    ids = torch.full((count, 1), BOS)
    for _ in range(length):
        likely = engine.bridge(ids, return_type="logits")[:, -1].softmax(-1)
        likely[:, BOS] = 0
        ids = torch.cat([ids, torch.multinomial(likely, 1, generator=draw)], 1)
    return planted.corpus(
        ids[:, 1:].tolist(), ["train", "train", "validation", "test", "test", "test"] * (count // 6)
    )


@torch.no_grad()
def activations(engine: Engine, documents: Documents, layer: int = 0) -> dict[int, np.ndarray]:
    """Document -> activations (float32 [token, neuron])."""
    return {
        number: engine.read(torch.tensor(documents.ids(number).astype(np.int64))[None], [layer])[layer][
            0
        ].numpy()
        for number in range(len(documents))
    }


def exact_graphs(engine: Engine) -> dict[Key, NeuronGraph]:
    """For both poles of every neuron of layer 0 the graph that names each token with its activation."""
    with torch.no_grad():
        after = engine.read(torch.tensor([[BOS, word] for word in range(WORDS)]), [0])[0][:, 1].numpy()
    return {
        (neuron, pole): token_graph({word: float(sign * after[word, neuron]) for word in range(1, WORDS)})
        for neuron in range(NEURONS)
        for pole, sign in SIGNS.items()
    }


def token_graph(values: dict[int, float]) -> NeuronGraph:
    """A pattern of one token for each of those with an activation above 0."""
    patterns: list[Any] = [
        Pattern((Element("token", (word,), (1.0,)),), End(value, 1, None))
        for word, value in values.items()
        if value > 0
    ]
    return NeuronGraph(patterns, scale=max(values.values()), bos=BOS)
