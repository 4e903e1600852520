"""Transcoders as circuit-tracer reads them: config.yaml and, of a set, layer_{i}.safetensors.

Of cross-layer transcoders there is W_enc_{i}.safetensors, with W_dec_{i}.safetensors beside it: a latent reads one
layer and writes into this and all later ones. What it adds to the residual stream is, in the end, the sum of its rows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from n2g.errors import InputError
from n2g.units.encoder import Encoder
from n2g.units.hooks import Places, hook_name
from n2g.units.weight_files import check_shapes, read_settings, read_sums, read_weights, require

SETTINGS = "config.yaml"
_FILES = {"transcoder_set": r"layer_(\d+)", "cross_layer_transcoder": r"W_enc_(\d+)"}
FILE = re.compile(rf"(?:{'|'.join(_FILES.values())})\.safetensors")


def layers(folder: Path) -> dict[int, Path]:
    """Layer -> file. Raises InputError where the configuration names another kind."""
    kind = read_settings(folder / SETTINGS).get("model_kind")
    if not isinstance(kind, str) or kind not in _FILES:
        raise InputError(
            f"{folder / SETTINGS}: model_kind {kind!r} is not known: choose a folder with {' or '.join(_FILES)}."
        )
    named = ((re.fullmatch(_FILES[kind], path.stem), path) for path in folder.glob("*.safetensors"))
    return dict(sorted((int(match[1]), path) for match, path in named if match))


def places(path: Path, layer: int) -> Places:
    """Where a transcoder reads and writes, and the name of its model, as far as the configuration says."""
    given = read_settings(path.with_name(SETTINGS))
    _activation(path, given)
    hooks = (given.get("feature_input_hook"), given.get("feature_output_hook"))
    reads, writes = (hook_name(layer, kind) if isinstance(kind, str) else None for kind in hooks)
    return Places(reads, writes, given.get("model_name"), transcodes=True)


def read(path: Path, hook: str, writes: str | None, model: str | None) -> Encoder:
    """The encoder in a file. Raises InputError where it is not one."""
    layer = re.fullmatch(_FILES["cross_layer_transcoder"], path.stem)
    weights = _of_all_layers(path, layer[1]) if layer else read_weights(path)
    require(path, weights, ["W_enc", "W_dec", "b_enc"])
    latents, width = weights["W_enc"].shape if weights["W_enc"].ndim == 2 else (0, 0)
    given = read_settings(path.with_name(SETTINGS))
    activation = _activation(path, given) or ("topk" if "k" in weights else None)
    threshold = None if activation else weights.get("activation_function.threshold")
    if threshold is not None and threshold.numel() == 1:
        threshold = threshold.reshape(1).expand(latents).contiguous()
    check_shapes(
        path,
        {
            "W_enc": (weights["W_enc"], (latents, width)),
            "W_dec": (weights["W_dec"], (latents, weights["W_dec"].shape[-1])),
            "b_enc": (weights["b_enc"], (latents,)),
            "threshold": (threshold, (latents,)),
        },
    )
    return Encoder(
        hook=hook,
        writes=writes,
        activation=activation or ("relu" if threshold is None else "jumprelu"),
        weight=weights["W_enc"],
        bias=weights["b_enc"],
        decoder=weights["W_dec"],
        threshold=threshold,
        k=_k(path, given, weights, latents) if activation == "topk" else None,
        across=layer is not None,
        model=model,
    )


def _activation(path: Path, given: Mapping[str, Any]) -> str | None:
    """The activation function that the configuration names; None where the files' tensors say which it is.

    Raises InputError where it is not known.
    """
    named = given.get("activation")
    if named not in (None, "relu", "topk", "jumprelu", "jump_relu"):
        raise InputError(
            f"{path.with_name(SETTINGS)}: activation {named!r} is not known: choose transcoders with relu, jumprelu or "
            "topk."
        )
    return named if named in ("relu", "topk") else None


def _k(path: Path, given: Mapping[str, Any], weights: Mapping[str, torch.Tensor], latents: int) -> int:
    """How many latents win. Raises InputError where neither configuration nor file says it."""
    k = given.get("k", int(weights["k"].item()) if "k" in weights else None)
    if isinstance(k, bool) or not isinstance(k, int) or not 0 < k <= latents:
        raise InputError(
            f"{path.with_name(SETTINGS)}: k is {k!r}, which {latents} latents cannot have: correct it."
        )
    return k


def _of_all_layers(path: Path, layer: str) -> dict[str, torch.Tensor]:
    """The tensors of one layer of a cross-layer transcoder, under the names that those of a single layer have."""
    names = {"W_enc": "W_enc", "b_enc": "b_enc", "threshold": "activation_function.threshold"}
    weights = read_weights(path)
    found = {name: weights[f"{own}_{layer}"] for own, name in names.items() if f"{own}_{layer}" in weights}
    return found | {"W_dec": read_sums(path.with_name(f"W_dec_{layer}.safetensors"), f"W_dec_{layer}")}
