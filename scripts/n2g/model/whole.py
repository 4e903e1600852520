"""Models of `transformers`, loaded whole or not at all.

The library gives a tensor that is not in the files random values, passes over one that the model has no place for, and
takes integers for weights, each with no more than a warning.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from n2g.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_SHOWN = 3  # names of tensors in a sentence
_REAL = ("F64", "F32", "F16", "BF16")


def load_whole(kind: Any, folder: Path | str, what: str = "the model", **options: Any) -> PreTrainedModel:
    """Load a model with all its tensors.

    Args:
        kind: the class of the model, with ``from_pretrained``.
        folder: the model's folder.
        what: how a sentence is to name the model.
        options: of ``from_pretrained``.

    Raises:
        InputError: the files lack a tensor, or hold one of another shape, of integers, or without a place.
    """
    options |= {"output_loading_info": True, "ignore_mismatched_sizes": True}
    model, report = kind.from_pretrained(folder, **options)
    state = model.state_dict()
    places = state.keys()
    if lacking := sorted(report["missing_keys"]):
        raise InputError(
            f"{what} is not whole: its files lack {len(lacking)} of {len(places)} tensors ({_some(lacking)}): get all "
            "files of its weights, and the config.json that belongs to them."
        )
    if report["mismatched_keys"]:
        name, found, wanted = min(report["mismatched_keys"])
        raise InputError(
            f"{what} has weights of the shape {_shape(found)} in {name}, where its config.json makes room for "
            f"{_shape(wanted)}: get the config.json that belongs to the weights."
        )
    # A method that the library does not know is passed over with a warning.
    if not (getattr(model, "hf_quantizer", None) or "gguf_file" in options):
        _check_remaining(what, report["unexpected_keys"], places)
        _check_numbers(
            what, Path(folder), {name for name, value in state.items() if value.is_floating_point()}
        )
    return model


@dataclass(frozen=True)
class WholeModel:
    """Stands in for a class of models where a library calls its ``from_pretrained``.

    kind: the class. look: called with each model as it was loaded.
    """

    kind: Any
    look: Callable[[PreTrainedModel], None] | None = None

    def from_pretrained(self, folder: str, **options: Any) -> PreTrainedModel:
        model = load_whole(self.kind, folder, **options)
        if self.look:
            self.look(model)
        return model


def check_vocabulary(ids: Iterable[int], rows: int, remedy: str, what: str = "the model") -> None:
    """Raise InputError where the ids that a tokenizer gives go beyond the rows of the embedding."""
    if (last := max(ids, default=0)) >= rows:
        raise InputError(
            f"{what} has a tokenizer with tokens up to {last}, but its vocabulary ends at {rows - 1}: {remedy}"
        )


def _check_remaining(what: str, names: Collection[str], places: Collection[str]) -> None:
    """Raise InputError if a tensor without a place belongs to a part that the model has: a bias, a scale, a layer.

    Others may remain: old files hold masks and rotary frequencies, too, or parts that no text needs.
    """
    parts = {_any_layer(place).rpartition(".")[0] for place in places if place.endswith(".weight")}
    left = sorted(name for name in names if _any_layer(name).rpartition(".")[0] in parts)
    if left:
        raise InputError(
            f"{what} has tensors for which its config.json makes no room ({_some(left)}): get the config.json that "
            "belongs to the weights."
        )


def _check_numbers(what: str, folder: Path, places: Collection[str]) -> None:
    """Raise InputError if weights are stored as something else than plain floating-point numbers."""
    from safetensors import safe_open

    for file in _weight_files(folder):
        with safe_open(file, framework="numpy") as opened:
            names = opened.keys()
            kinds: Mapping[str, str] = {name: opened.get_slice(name).get_dtype() for name in names}
        for name, kind in kinds.items():
            # The library puts the name of the base model before names that lack it.
            if kind not in _REAL and any(f".{place}".endswith(f".{name}") for place in places):
                raise InputError(
                    f"{what} has quantised weights ({name} is {kind}), and its config.json names no known way to "
                    "read them: use weights that are not quantised, or a GGUF file."
                )


def _weight_files(folder: Path) -> list[Path]:
    """The .safetensors files that `transformers` reads of a folder; none of a GGUF file."""
    if (folder / "model.safetensors").is_file():
        return [folder / "model.safetensors"]
    index = folder / "model.safetensors.index.json"
    names = json.loads(index.read_bytes())["weight_map"].values() if index.is_file() else ()
    return [folder / name for name in sorted(set(names))]


def _any_layer(name: str) -> str:
    return re.sub(r"\d+", "N", name)


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")


def _shape(sizes: Collection[int]) -> str:
    return " × ".join(map(str, sizes)) or "one number"
