"""Hooks that encoders read: their names in TransformerLens, and those of modules that stand for the same."""

from __future__ import annotations

import re

from n2g.errors import InputError

# What comes after `blocks.3.`; of the first ones the value is a state of the residual stream, or is added to it.
RESIDUAL = ("hook_resid_pre", "hook_resid_mid", "hook_resid_post")
ADDED = ("hook_attn_out", "hook_mlp_out")
OTHER = ("attn.hook_z", "ln1.hook_normalized", "ln2.hook_normalized", "mlp.hook_in", "mlp.hook_post")
AFTER_MLP = ("mlp.hook_post", "hook_mlp_out")  # made by the MLP alone
KNOWN = (*RESIDUAL, *ADDED, *OTHER)

_SAME = {"hook_in": "hook_resid_pre", "hook_out": "hook_resid_post", "mlp.hook_out": "hook_mlp_out"}
_SAME |= {"attn.hook_out": "hook_attn_out", "ln2.hook_in": "hook_resid_mid", "ln2.hook_out": "mlp.hook_in"}

# Modules of `transformers`: of their outputs, or for a transcoder of their inputs.
_LAYER = r"(?:^|\.)(?:layers|h|blocks)\.(\d+)"
_MODULES = {
    rf"{_LAYER}$": ("hook_resid_pre", "hook_resid_post"),
    rf"{_LAYER}\.(?:mlp|feed_forward)$": ("mlp.hook_in", "hook_mlp_out"),
    rf"{_LAYER}\.(?:self_attn|attn|attention)$": (None, "hook_attn_out"),
    rf"{_LAYER}\.pre_feedforward_layernorm$": (None, "mlp.hook_in"),
    rf"{_LAYER}\.post_feedforward_layernorm$": (None, "hook_mlp_out"),
    rf"{_LAYER}\.self_attn\.o_proj$": ("attn.hook_z", "hook_attn_out"),
}


def parse_hook(name: str) -> tuple[int, str]:
    """Layer and kind of a hook by its name in TransformerLens, the kind as in `KNOWN`.

    >>> parse_hook("blocks.3.mlp.hook_out")
    (3, 'hook_mlp_out')

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


def hook_of_module(module: str, side: str = "output") -> str:
    """The hook that gives the same as the `input` or `output` of a module of `transformers`.

    >>> hook_of_module("model.layers.3.mlp", "input")
    'blocks.3.mlp.hook_in'

    Raises:
        InputError: none is known to.
    """
    for pattern, sides in _MODULES.items():
        kind = sides[side == "output"]
        if kind and (match := re.search(pattern, module)):
            return hook_name(int(match[1]), kind)
    raise InputError(f"the {side} of the module {module} is not known as a hook: set units.hook.")
