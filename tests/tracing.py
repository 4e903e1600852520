"""A model in which one prediction is known to go through two neurons, one behind the other."""

from __future__ import annotations

import torch
from planted import BOS
from transformer_lens.model_bridge import TransformerBridge

from n2g.model.engine import Engine

WORDS, NEURONS, WIDTH = 10, 24, 16
PIVOT, TARGET, OTHER = 3, 7, 8  # after the first the second is predicted, not the third
FIRST, SECOND = (0, 5), (1, 11)  # layer and neuron of the circuit
PROMPT = (BOS, 4, 2, PIVOT)


def open_circuit(noise: float = 0.02) -> Engine:
    """The pivot makes the first neuron fire, what that writes makes the second fire, and that writes the target.

    Every token and every message has a direction of its own in the residual stream. All other weights are small.
    """
    config = {"d_model": WIDTH, "d_mlp": NEURONS, "d_head": 8, "n_heads": 2, "n_layers": 2, "n_ctx": 16}
    bridge = TransformerBridge.boot_native(
        config | {"d_vocab": WORDS, "act_fn": "gelu", "normalization_type": "LN", "seed": 0}
    )
    draw = torch.Generator().manual_seed(1)
    weights = bridge.state_dict()
    for name, value in weights.items():
        if not name.endswith(("ln1.weight", "ln2.weight", "ln_final.weight")):
            small = noise * torch.randn(value.shape, generator=draw)
            weights[name] = small if value.ndim > 1 else torch.zeros_like(value)
    # Directions without a mean, which a LayerNorm would take away.
    basis = torch.linalg.qr(
        torch.cat([torch.ones(WIDTH, 1), torch.randn(WIDTH, WIDTH - 1, generator=draw)], 1)
    )
    directions = basis.Q.T[1:]
    message, answer = directions[WORDS], directions[WORDS + 1]
    weights["embed.weight"] += directions[:WORDS]
    for (layer, neuron), reads, writes in ((FIRST, directions[PIVOT], message), (SECOND, message, answer)):
        weights[f"blocks.{layer}.mlp.in.weight"][neuron] += reads
        weights[f"blocks.{layer}.mlp.out.weight"][:, neuron] += writes
    weights["blocks.1.mlp.in.bias"][SECOND[1]] -= 2.5  # so that the average message does not make it fire
    weights["unembed.weight"][TARGET] += 3 * answer
    bridge.load_state_dict(weights)
    bridge.eval().requires_grad_(False)
    return Engine(bridge, batch_tokens=64)
