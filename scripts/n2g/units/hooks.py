"""Hooks that encoders read: their names in TransformerLens, and those of modules that stand for the same."""

from __future__ import annotations

import re
from typing import NamedTuple

from n2g.errors import InputError

# What comes after `blocks.3.`, in the order in which a model computes them.
KNOWN = (
    "hook_resid_pre",
    "ln1.hook_normalized",
    "attn.hook_z",
    "attn.hook_out",
    "hook_attn_out",
    "hook_resid_mid",
    "ln2.hook_normalized",
    "mlp.hook_in",
    "mlp.hook_post",
    "mlp.hook_out",
    "hook_mlp_out",
    "hook_resid_post",
)
RESIDUAL = ("hook_resid_pre", "hook_resid_mid", "hook_resid_post")  # states of the residual stream
ADDED = ("hook_attn_out", "hook_mlp_out")  # what is added to it
# The outputs of the modules, before the norm that some models, such as Gemma 2, have behind them.
MODULES = {"attn.hook_out": "hook_attn_out", "mlp.hook_out": "hook_mlp_out"}
AFTER_MLP = ("mlp.hook_post", "mlp.hook_out", "hook_mlp_out")  # made by the MLP alone

_SAME = {"hook_in": "hook_resid_pre", "hook_out": "hook_resid_post"}
_SAME |= {"ln2.hook_in": "hook_resid_mid", "ln2.hook_out": "mlp.hook_in"}

# Modules of `transformers`: of their outputs, or for a transcoder of their inputs.
_LAYER = r"(?:^|\.)(?:layers|h|blocks)\.(\d+)"
_MODULES = {
    rf"{_LAYER}$": ("hook_resid_pre", "hook_resid_post"),
    rf"{_LAYER}\.(?:mlp|feed_forward)$": ("mlp.hook_in", "mlp.hook_out"),
    rf"{_LAYER}\.(?:self_attn|attn|attention)$": (None, "attn.hook_out"),
    rf"{_LAYER}\.pre_feedforward_layernorm$": (None, "mlp.hook_in"),
    rf"{_LAYER}\.post_feedforward_layernorm$": (None, "hook_mlp_out"),
    rf"{_LAYER}\.self_attn\.o_proj$": ("attn.hook_z", "attn.hook_out"),
}


class Places(NamedTuple):
    """Where an encoder reads and writes, and the name of its model, as far as its files say.

    transcodes: it does not write what it reads, so that without a word about it, nobody knows where it writes.
    """

    reads: str | None = None
    writes: str | None = None
    model: str | None = None
    transcodes: bool = False


def parse_hook(name: str) -> tuple[int, str]:
    """Layer and kind of a hook by its name in TransformerLens, the kind as in `KNOWN`.

    >>> parse_hook("blocks.3.hook_out")
    (3, 'hook_resid_post')

    Raises:
        InputError: no layer has such a hook, or latents cannot be read there.
    """
    match = re.fullmatch(r"blocks\.(\d+)\.(.+)", name)
    kind = _SAME.get(match[2], match[2]) if match else None
    if not match or kind not in KNOWN:
        raise InputError(
            f"{name} is not a hook at which latents can be read: it must be blocks.LAYER. and one of "
            f"{', '.join(KNOWN)}."
        )
    return int(match[1]), kind


def hook_name(layer: int, kind: str) -> str:
    """The name that `parse_hook` reads."""
    return f"blocks.{layer}.{kind}"


def known_module(module: str, side: str = "output") -> str | None:
    """The hook that gives the same as the `input` or `output` of a module of `transformers`, if one is known to.

    >>> known_module("model.layers.3.mlp", "input")
    'blocks.3.mlp.hook_in'
    """
    for pattern, sides in _MODULES.items():
        kind = sides[side == "output"]
        if kind and (match := re.search(pattern, module)):
            return hook_name(int(match[1]), kind)
    return None
