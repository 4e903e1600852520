"""Sparse coders as EleutherAI's sparsify saves them: {hookpoint}/cfg.json and sae.safetensors."""

from __future__ import annotations

from pathlib import Path

from n2g.errors import InputError
from n2g.units.encoder import Encoder
from n2g.units.hooks import Places, known_module
from n2g.units.weight_files import check_shapes, read_settings, read_weights, require

SETTINGS, WEIGHTS = "cfg.json", "sae.safetensors"


def places(path: Path) -> Places:
    """Where the coder in a folder reads and writes, and the name of its model, as far as its files say."""
    transcodes = bool(read_settings(path / SETTINGS).get("transcode"))
    reads = known_module(path.name, "input" if transcodes else "output")
    writes = known_module(path.name) if reads else None
    about = path.parent / "config.json"
    model = read_settings(about).get("model") if about.is_file() else None
    return Places(reads, writes, model, transcodes)


def read(path: Path, hook: str, writes: str | None, model: str | None) -> Encoder:
    """The encoder in a folder. Raises InputError where it is not one."""
    given = read_settings(path / SETTINGS)
    k, activation = given.get("k"), given.get("activation", "topk")
    if activation not in ("topk", "groupmax") or given.get("signed"):
        named = "signed" if given.get("signed") else repr(activation)
        raise InputError(
            f"{path / SETTINGS}: activation {named} is not known: choose a coder with topk or groupmax."
        )
    file = path / WEIGHTS
    weights = read_weights(file)
    require(file, weights, ["encoder.weight", "encoder.bias", "W_dec", "b_dec"])
    latents, width = weights["encoder.weight"].shape if weights["encoder.weight"].ndim == 2 else (0, 0)
    if not isinstance(k, int) or not 0 < k <= latents or (activation == "groupmax" and latents % k):
        raise InputError(f"{path / SETTINGS}: k is {k!r}, which {latents} latents cannot have: correct it.")
    check_shapes(
        file,
        {
            "encoder.weight": (weights["encoder.weight"], (latents, width)),
            "encoder.bias": (weights["encoder.bias"], (latents,)),
            "W_dec": (weights["W_dec"], (latents, weights["W_dec"].shape[-1])),
            "b_dec": (weights["b_dec"], (weights["W_dec"].shape[-1],)),
        },
    )
    return Encoder(
        hook=hook,
        writes=writes,
        activation=activation,
        weight=weights["encoder.weight"],
        bias=weights["encoder.bias"],
        decoder=weights["W_dec"],
        before=None if given.get("transcode") else weights["b_dec"],
        k=k,
        model=model,
    )
