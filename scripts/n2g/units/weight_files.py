"""Weights as they are stored, read as plain numbers: safetensors and npz. Pickles, which may run code, are refused."""

from __future__ import annotations

import json
from collections.abc import Collection, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from jaxtyping import Float
from safetensors import SafetensorError, safe_open

from n2g.errors import InputError, first_line
from n2g.texts.sources import PICKLES

LONGEST = 10_000_000  # bytes of a configuration
_ROWS = 256  # of a tensor that are read at a time


def read_weights(path: Path, without: str | None = None) -> dict[str, torch.Tensor]:
    """All tensors of a file, or all but one, in float32, on the CPU.

    Raises:
        InputError: the file is damaged, a pickle, or of another kind.
    """
    if path.suffix in PICKLES:
        raise InputError(
            f"{path} is a pickle, which can run code when it is read: have its maker's tools write it as .safetensors."
        )
    with _reading(path):
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                found = {name: torch.from_numpy(np.asarray(arrays[name])) for name in arrays.files}
        else:
            with safe_open(path, framework="pt") as opened:
                found = {name: opened.get_tensor(name) for name in opened.keys() if name != without}  # noqa: SIM118
        return {name: value.float() for name, value in found.items()}


def read_sums(path: Path, name: str, first: int = 0) -> Float[torch.Tensor, "row column"]:
    """The sums over the second of a tensor's three axes, from `first` on, in float32: it need not fit into memory.

    Raises:
        InputError: the file is missing or damaged, or has no such tensor.
    """
    with _reading(path), safe_open(path, framework="pt") as opened:
        part = opened.get_slice(name)
        rows, _, _ = part.get_shape()
        return torch.cat([part[at : at + _ROWS, first:].float().sum(1) for at in range(0, rows, _ROWS)])


@contextmanager
def _reading(path: Path) -> Generator[None]:
    try:
        yield
    except (SafetensorError, OSError, ValueError, TypeError, KeyError, EOFError) as error:
        raise InputError(
            f"{path} cannot be read as plain weights ({first_line(error)}): check that it is complete."
        ) from error


def read_settings(path: Path) -> dict[str, Any]:
    """A configuration in JSON or YAML: keys and plain values.

    Raises:
        InputError: it is damaged or something else.
    """
    try:
        if path.stat().st_size > LONGEST:
            raise ValueError("it is too long")
        text = path.read_text(encoding="utf-8")
        found = yaml.safe_load(text) if path.suffix in (".yaml", ".yml") else json.loads(text)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise InputError(
            f"{path} cannot be read ({first_line(error)}): check that it is complete."
        ) from error
    if not isinstance(found, dict):
        raise InputError(f"{path} is no group of keys: check that it describes an encoder.")
    return found


def require(path: Path, weights: Mapping[str, torch.Tensor], names: Collection[str]) -> None:
    """Raise InputError where a tensor is missing."""
    if missing := sorted(set(names) - set(weights)):
        raise InputError(
            f"{path} has no {' and no '.join(missing)}: check that it is what its configuration says."
        )


def check_shapes(path: Path, shapes: Mapping[str, tuple[torch.Tensor | None, tuple[int, ...]]]) -> None:
    """Raise InputError where a tensor has not the shape that it should have."""
    for name, (tensor, shape) in shapes.items():
        if tensor is not None and tuple(tensor.shape) != shape:
            raise InputError(
                f"{path}: {name} has the shape {list(tensor.shape)}, not {list(shape)}: check that it is what its "
                "configuration says."
            )
