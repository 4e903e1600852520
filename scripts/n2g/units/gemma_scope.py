"""Gemma Scope (params.npz) and Gemma Scope 2 (params.safetensors and config.json).

Of the cross-layer transcoders of Gemma Scope 2, params_layer_{i}.safetensors holds a layer. A latent's decoder has a
row for every layer, of which those from its own layer on count: what it adds to the residual stream is their sum in the
end.
"""

from __future__ import annotations

import re
from pathlib import Path

from n2g.errors import InputError
from n2g.units.encoder import Encoder
from n2g.units.hooks import Places, hook_name, known_module, parse_hook
from n2g.units.weight_files import check_shapes, read_settings, read_sums, read_weights, require

FIRST, SECOND, SETTINGS = "params.npz", "params.safetensors", "config.json"
CROSS_LAYER = re.compile(r"params_layer_(\d+)\.safetensors")
_SEVERAL = re.compile(r"layer_\d+(_\d+)+_width_")  # the folder of a crosscoder
# Of the first, the names of the releases say where they read; the transcoders read before the norm's scale.
_PLACES = {
    "transcoder": ("ln2.hook_normalized", "hook_mlp_out"),
    "-res": ("hook_resid_post",) * 2,
    "-mlp": ("hook_mlp_out",) * 2,
    "-att": ("attn.hook_z",) * 2,
}


def places(path: Path) -> Places:
    """Where an encoder reads and writes, and the name of its model, as far as its files say.

    Raises:
        InputError: it is of a kind that cannot be read; of Gemma Scope 2, the configuration is damaged.
    """
    if path.name != FIRST:
        about = path.with_name(SETTINGS)
        given = read_settings(about) if about.is_file() else None
    if cross_layer := CROSS_LAYER.fullmatch(path.name):
        if _SEVERAL.match(path.parent.name):
            raise InputError(
                f"{path.parent} is a crosscoder, whose latents read several layers at once: choose another encoder."
            )
        reads, writes = (hook_name(int(cross_layer[1]), kind) for kind in ("mlp.hook_in", "hook_mlp_out"))
        return Places(reads, writes, (given or {}).get("model_name"))
    if path.name == SECOND:
        if given is None:
            return Places()
        kind = given.get("architecture")
        if kind != "jump_relu":
            raise InputError(f"{path.parent}: architecture {kind!r} is not known: choose one with jump_relu.")
        reads, writes = (_of_module(given.get(f"hf_hook_point_{side}")) for side in ("in", "out"))
        return Places(reads, writes, given.get("model_name"))
    if "embedding" in path.parts[-4:]:  # where others have their layer
        raise InputError(
            f"{path.parent} reads embeddings before they are scaled: choose an encoder of a layer."
        )
    release = re.search(r"gemma-scope-(\w+-\w+)-(?:res|mlp|att|transcoders)", str(path))
    found = next((hooks for part, hooks in _PLACES.items() if part in (release[0] if release else "")), None)
    layer = re.search(r"/layer_(\d+)/", str(path)[release.end() :]) if release else None
    if not layer or not release or not found:
        return Places()
    reads, writes = (hook_name(int(layer[1]), kind) for kind in found)
    return Places(reads, writes, f"gemma-2-{release[1].removesuffix('-pt')}")


def read(path: Path, hook: str, writes: str | None, model: str | None) -> Encoder:
    """The encoder of a file. Raises InputError where it is not one."""
    layer = CROSS_LAYER.fullmatch(path.name)
    found = read_weights(path, without="w_dec" if layer else None)
    weights = {re.sub("^W_", "w_", name): value for name, value in found.items()}
    require(path, weights, ["w_enc", "b_enc", "threshold"])
    if layer:
        weights["w_dec"] = read_sums(path, "w_dec", int(layer[1]))
    require(path, weights, ["w_dec"])
    if writes == hook and parse_hook(hook)[1] in ("ln2.hook_normalized", "mlp.hook_in"):
        writes = None  # all that read the MLP's input are transcoders
    width, latents = weights["w_enc"].shape if weights["w_enc"].ndim == 2 else (0, 0)
    check_shapes(
        path,
        {
            "w_enc": (weights["w_enc"], (width, latents)),
            "w_dec": (weights["w_dec"], (latents, weights["w_dec"].shape[-1])),
            "b_enc": (weights["b_enc"], (latents,)),
            "threshold": (weights["threshold"], (latents,)),
        },
    )
    return Encoder(
        hook=hook,
        writes=writes,
        activation="jumprelu",
        weight=weights["w_enc"].T.contiguous(),
        bias=weights["b_enc"],
        decoder=weights["w_dec"],
        threshold=weights["threshold"],
        across=layer is not None,
        model=model,
    )


def _of_module(name: object) -> str | None:
    """`model.layers.3.output` and the like; None where it is not known as a hook."""
    if not isinstance(name, str):
        return None
    module, _, side = name.rpartition(".")
    return known_module(module, side) if side in ("input", "output") else known_module(name)
