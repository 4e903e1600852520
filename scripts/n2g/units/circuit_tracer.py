"""Sets of transcoders as circuit-tracer reads them: config.yaml and layer_{i}.safetensors."""

from __future__ import annotations

import re
from pathlib import Path

from n2g.errors import InputError
from n2g.units.encoder import Encoder
from n2g.units.hooks import hook_name
from n2g.units.weight_files import check_shapes, read_settings, read_weights, require

SETTINGS = "config.yaml"


def layers(folder: Path) -> dict[int, Path]:
    """Layer -> file. Raises InputError where the set is not one of transcoders of single layers."""
    kind = read_settings(folder / SETTINGS).get("model_kind")
    if kind != "transcoder_set":
        raise InputError(
            f"{folder / SETTINGS}: model_kind {kind!r} is not supported: choose a transcoder_set, whose transcoders "
            "write into one layer each."
        )
    named = ((re.fullmatch(r"layer_(\d+)", path.stem), path) for path in folder.glob("layer_*.safetensors"))
    return dict(sorted((int(match[1]), path) for match, path in named if match))


def places(path: Path, layer: int) -> tuple[str | None, str | None, str | None]:
    """Where a transcoder reads and writes, and the name of its model, as far as the configuration says."""
    given = read_settings(path.with_name(SETTINGS))
    hooks = (given.get("feature_input_hook"), given.get("feature_output_hook"))
    reads, writes = (hook_name(layer, kind) if isinstance(kind, str) else None for kind in hooks)
    return reads, writes, given.get("model_name")


def read(path: Path, hook: str, writes: str, model: str | None) -> Encoder:
    """The encoder in a file. Raises InputError where it is not one."""
    weights = read_weights(path)
    require(path, weights, ["W_enc", "W_dec", "b_enc"])
    latents, width = weights["W_enc"].shape if weights["W_enc"].ndim == 2 else (0, 0)
    threshold = weights.get("activation_function.threshold")
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
        activation="relu" if threshold is None else "jumprelu",
        weight=weights["W_enc"],
        bias=weights["b_enc"],
        decoder=weights["W_dec"],
        threshold=threshold,
        model=model,
    )
