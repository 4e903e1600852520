"""What a neuron writes and reads, straight from the weights: promoted and suppressed tokens, and input-aligned tokens.

The output side is the logit lens: `W_out[neuron]` goes through the final norm's scale and the unembedding, as if
the neuron wrote into the last residual stream and nothing came after. Of a LayerNorm the centring is done too; the
division by the size of the stream is left out, so that values compare within a neuron, not between layers. The
input side is what a token's embedding alone gives the neuron through the scale of the norm before the MLP: the
pre-activation, or the gate's in a gated MLP. Of the negative pole all values change their sign.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from jaxtyping import Float

from n2g.model.engine import ROWS
from n2g.units.encoder import Encoder
from n2g.units.hooks import ADDED, MODULES, RESIDUAL, hook_name, parse_hook

TOP = 10
DIRECTIONS = ("promoted", "suppressed", "input_aligned")


class Weights(NamedTuple):
    """What the lens reads of a model for one layer; scales are 1 where a norm has none. Of latents, what they read and
    write takes the place of the neurons' weights."""

    embed: Float[torch.Tensor, "d_vocab d_model"]
    unembed: Float[torch.Tensor, "d_model d_vocab"]
    w_in: Float[torch.Tensor, "d_model d_mlp"]
    w_out: Float[torch.Tensor, "d_mlp d_model"]
    scale_in: Float[torch.Tensor, " d_model"]
    scale_out: Float[torch.Tensor, " d_model"]
    centred: bool
    reads_stream: bool = False  # rather than the stream after a norm
    added: tuple[str, ...] = ADDED  # the hooks whose value is added to the stream


def weights_of(bridge: Any, layer: int) -> Weights:
    """The weights of a `TransformerBridge` that the lens reads."""
    block = bridge.blocks[layer]
    gate = getattr(block.mlp, "W_gate", None)
    offset = float(bool(getattr(bridge.cfg, "rmsnorm_uses_offset", False)))
    width = bridge.cfg.d_model
    return Weights(
        embed=_tensor(bridge.W_E),
        unembed=_tensor(bridge.W_U),
        w_in=_tensor(block.mlp.W_in if gate is None else gate),
        w_out=_tensor(block.mlp.W_out),
        scale_in=_scale(block.ln2, width) + offset,
        scale_out=_scale(bridge.ln_final, width) + offset,
        centred=str(bridge.cfg.normalization_type).upper().startswith("LN"),
        added=(*ADDED, *(own for own, added in MODULES.items() if _is_one(bridge, layer, own, added))),
    )


def latent_weights(weights: Weights, encoder: Encoder) -> Weights | None:
    """The same for a layer's latents; None where they do not write into the residual stream.

    Where a token's embedding does not say what they read, as at the outputs of attention and MLP, `w_in` is 0.

    Args:
        weights: of their layer of the model.
        encoder: with its decoder.
    """
    reads, writes = (parse_hook(name)[1] if name else None for name in (encoder.hook, encoder.writes))
    if writes not in (*RESIDUAL, *weights.added) or encoder.decoder is None:
        return None
    scales = {**dict.fromkeys(RESIDUAL, torch.ones_like(weights.scale_in)), "mlp.hook_in": weights.scale_in}
    w_in = encoder.weight.T if reads in scales else torch.zeros_like(encoder.decoder).T
    return weights._replace(
        w_in=w_in,
        w_out=encoder.decoder,
        scale_in=scales.get(reads, weights.scale_in),
        reads_stream=reads in RESIDUAL,
    )


@torch.no_grad()
def lens(
    weights: Weights, neurons: list[int], signs: list[float], top: int = TOP
) -> list[dict[str, list[tuple[int, float]]]]:
    """For each neuron and sign: direction -> the `top` tokens with their values, strongest first; none where a
    weight is not a finite number.

    Args:
        weights: of the neurons' layer.
        neurons: positions in the layer's hidden MLP vector.
        signs: 1 for the positive pole, -1 for the negative one.
        top: tokens of each direction.
    """
    sign = torch.tensor(signs, dtype=torch.float32)[:, None]
    rows = neurons + neurons[:1] * (-len(neurons) % ROWS)  # sums must not depend on who else is asked
    written = weights.w_out[rows]
    unembed = weights.unembed * weights.scale_out[:, None]
    read = weights.w_in[:, rows].T.contiguous() * weights.scale_in
    embed = weights.embed
    if weights.centred:
        written = written - written.mean(-1, keepdim=True)
        embed = embed if weights.reads_stream else embed - embed.mean(-1, keepdim=True)
    count = len(neurons)
    pushed, aligned = sign * (written @ unembed)[:count], sign * (read @ embed.T)[:count]
    found = {
        "promoted": strongest(pushed, top),
        "suppressed": strongest(-pushed, top),
        "input_aligned": strongest(aligned, top) if weights.w_in.any() else [[]] * count,
    }
    found["suppressed"] = [[(token, -value) for token, value in row] for row in found["suppressed"]]
    return [{name: rows[at] for name, rows in found.items()} for at in range(len(neurons))]


def strongest(values: Float[torch.Tensor, "row n"], top: int) -> list[list[tuple[int, float]]]:
    """(index, value) of the largest values of each row, descending; none where one is not a finite number."""
    best = values.topk(min(top, values.shape[-1]), dim=-1)
    known = values.isfinite().all(-1).tolist()
    rows = zip(known, best.indices.tolist(), best.values.tolist(), strict=True)
    return [list(zip(tokens, numbers, strict=True)) if good else [] for good, tokens, numbers in rows]


def _is_one(bridge: Any, layer: int, first: str, second: str) -> bool:
    """Whether two hooks of a layer are one: nothing comes between the module and the stream."""
    points = [bridge.hook_dict.get(hook_name(layer, kind)) for kind in (first, second)]
    return points[0] is not None and points[0] is points[1]


def _tensor(part: Any) -> torch.Tensor:
    return part.detach().float().cpu()


def _scale(norm: Any, size: int) -> torch.Tensor:
    found = getattr(norm, "weight", None)
    return torch.ones(size) if found is None else _tensor(found)
