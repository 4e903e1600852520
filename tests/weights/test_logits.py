"""Tokens from the weights: equal to what the model computes."""

from __future__ import annotations

import pytest
import tiny
import torch

from n2g.weights.logits import Weights, lens, weights_of


def planted() -> Weights:
    """Four tokens, two of them pushed; neuron 1 likes token 2."""
    embed = torch.eye(4, 3)
    w_in = torch.zeros(3, 2)
    w_in[2, 1] = 5.0
    w_out = torch.zeros(2, 3)
    w_out[1] = torch.tensor([2.0, -1.0, 0.0])
    return Weights(embed, torch.eye(3, 4), w_in, w_out, torch.ones(3), torch.tensor([3.0, 1.0, 1.0]), False)


def test_directions_and_signs():
    up, down = lens(planted(), [1, 1], [1.0, -1.0], top=1)
    assert up == {"promoted": [(0, 6.0)], "suppressed": [(1, -1.0)], "input_aligned": [(2, 5.0)]}
    assert down["promoted"] == [(1, 1.0)]
    assert down["suppressed"] == [(0, -6.0)]


@pytest.mark.parametrize("save", [tiny.save_llama, tiny.save_gpt2])
def test_weights_are_those_of_the_model(tmp_path, save):
    from n2g.model.checkpoint import load

    bridge = load(save(tmp_path / "model"), "transformers", "cpu", "float32")
    weights = weights_of(bridge, 0)
    stream, hidden = torch.randn(1, 1, bridge.cfg.d_model), torch.randn(1, 1, bridge.cfg.d_mlp)
    mlp = bridge.blocks[0].mlp
    entry = mlp.gate if hasattr(mlp, "gate") else getattr(mlp, "in")
    given = torch.zeros_like(stream)
    assert torch.allclose(entry(stream) - entry(given), stream @ weights.w_in, atol=1e-5)
    assert torch.allclose(mlp.out(hidden) - mlp.out(hidden * 0), hidden @ weights.w_out, atol=1e-5)
    assert torch.allclose(bridge.unembed(stream), stream @ weights.unembed, atol=1e-4)
