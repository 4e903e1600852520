"""Directions with names, such as probes and steering vectors: the vectors of a `directions.safetensors`.

Their activations are dot products with what the hook gives. They have the order of their names, in which numbers count
as numbers.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from n2g.errors import InputError, first_line
from n2g.units.encoder import Encoder
from n2g.units.hooks import Places
from n2g.units.weight_files import check_shapes, read_weights

FILE = "directions.safetensors"


def places(path: Path) -> Places:
    """Where they are read, where they are added, and the name of their model, as far as the file's metadata says."""
    try:
        with safe_open(path, framework="pt") as opened:
            given = opened.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"{path} cannot be read ({first_line(error)}): check that it is complete."
        ) from error
    return Places(given.get("hook"), given.get("hook"), given.get("model_name"))


def read(path: Path, hook: str, writes: str | None, model: str | None) -> Encoder:
    """The directions of a file. Raises InputError where it holds something else."""
    vectors = read_weights(path)
    if not vectors:
        raise InputError(f"{path} is empty: save each direction as a tensor with its name.")
    names = sorted(vectors, key=_in_order)
    width = next(iter(vectors.values())).numel()
    check_shapes(path, {name: (vectors[name], (width,)) for name in names})
    weight = torch.stack([vectors[name] for name in names])
    lengths = weight.square().sum(-1)
    if zero := [name for name, length in zip(names, lengths, strict=True) if not length > 0]:
        raise InputError(f"{path}: the direction {zero[0]!r} has no length: leave it out, or correct it.")
    return Encoder(
        hook=hook,
        writes=writes,
        activation="linear",
        weight=weight,
        bias=torch.zeros(len(names)),
        decoder=weight.clone(),
        model=model,
        names=tuple(names),
    )


def _in_order(name: str) -> tuple[list[tuple[int, str]], str]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)], name
