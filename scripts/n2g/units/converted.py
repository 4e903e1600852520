"""Encoders in one form: a folder with units.json and a safetensors file for each layer.

`units.json` says what a run can select; every stage that reads latents depends on that file. :mod:`n2g.units.sources`
finds what is converted. Model libraries are imported inside the functions that need them, because the workflow reads
descriptions each time it starts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from n2g.errors import InputError
from n2g.files.atomic import replacing, write_bytes
from n2g.files.digests import file_digest

if TYPE_CHECKING:
    from n2g.units.encoder import Encoder
    from n2g.units.sources import Subject

DESCRIPTION = "units.json"
_TENSORS = ("weight", "bias", "decoder", "before", "threshold", "gate", "gain")


@dataclass(frozen=True)
class LayerOfLatents:
    """What is known of the encoder of a layer without its weights; see :class:`n2g.units.encoder.Encoder`.

    Attributes:
        file: of its weights, in the folder of the description; sha256: of that file, in hexadecimal.
    """

    hook: str
    writes: str
    activation: str
    k: int | None
    norm: str
    centred: bool
    model: str | None
    file: str
    sha256: str


@dataclass(frozen=True)
class Latents:
    """The latents that a run can select.

    Attributes:
        latents: how many each layer has.
        layers: layer -> its encoder.
    """

    latents: int
    layers: Mapping[int, LayerOfLatents]

    @property
    def numbers(self) -> list[int]:
        """The layers that have latents, ascending."""
        return sorted(self.layers)


def units_key(units: Mapping[str, Any], checkpoint: str) -> str:
    """Folder name for converted encoders, different for every section of the configuration and every model."""
    text = json.dumps([dict(units), checkpoint], sort_keys=True)
    stem = Path(units["source"]).name
    name = "".join(c if c.isalnum() or c == "." else "-" for c in stem).strip("-.")[:60]
    return f"{name or 'units'}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def convert_encoders(source: Path, hook: str, subject: Subject, output: Path) -> Latents:
    """Read all encoders of a folder and write them in one form.

    Args:
        source: the folder.
        hook: where they read if their files do not say, or `auto`.
        subject: the model that they must fit.
        output: `units.json` of the folder that is written.

    Raises:
        InputError: there are none, or they are not of this model; one layer has more latents than another.
    """
    from safetensors.torch import save_file

    from n2g.units.sources import check_subject, find_encoders, read_encoder

    found = find_encoders(source, hook)
    check_subject(found, subject)
    folder = output.parent
    output.unlink(missing_ok=True)  # it comes last, when all that it names is there
    layers: dict[int, LayerOfLatents] = {}
    counts: dict[int, int] = {}
    for layer, one in found.items():
        encoder = read_encoder(one, subject)
        first = counts.setdefault(encoder.latents, layer)
        if len(counts) > 1:
            other, at = next((n, at) for n, at in counts.items() if n != encoder.latents)
            raise InputError(
                f"{source} has {other} latents in layer {at} and {encoder.latents} in layer {first}: give a folder in "
                "which all layers have the same number."
            )
        tensors = {name: getattr(encoder, name) for name in _TENSORS}
        file = folder / f"layer_{layer}.safetensors"
        with replacing(file) as temporary:
            save_file(
                {name: part.contiguous() for name, part in tensors.items() if part is not None}, temporary
            )
        about = {
            name: getattr(encoder, name)
            for name in ("hook", "writes", "activation", "k", "norm", "centred", "model")
        }
        layers[layer] = LayerOfLatents(**about, file=file.name, sha256=file_digest(file))
    latents = Latents(next(iter(counts)), layers)
    content = {"latents": latents.latents, "layers": {str(n): asdict(layer) for n, layer in layers.items()}}
    write_bytes(output, (json.dumps(content, indent=1, sort_keys=True) + "\n").encode())
    return latents


def latents_size(path: Path | str) -> tuple[list[int], int] | None:
    """(layers that have latents, latents of each) of a `units.json`, or None where it is not there yet.

    Raises:
        InputError: it is damaged.
    """
    if not Path(path).exists():
        return None
    known = read_latents(path)
    return known.numbers, known.latents


def read_latents(path: Path | str) -> Latents:
    """Read `units.json`.

    Raises:
        InputError: it is missing or damaged.
    """
    path = Path(path)
    names = [field.name for field in fields(LayerOfLatents)]
    try:
        content = json.loads(path.read_bytes())
        layers = {
            int(number): LayerOfLatents(**{name: layer[name] for name in names})
            for number, layer in content["layers"].items()
        }
        return Latents(int(content["latents"]), layers)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is missing or damaged: delete its folder and run again.") from error


def load_encoder(path: Path | str, layer: int, decoder: bool = False) -> Encoder:
    """The encoder of a layer, on the CPU.

    Args:
        path: of `units.json`.
        layer: a layer that has latents.
        decoder: whether its decoder's rows are wanted, too.

    Raises:
        InputError: a file is missing or damaged, or the layer has no latents.
    """
    from safetensors import SafetensorError, safe_open

    from n2g.units.encoder import Encoder

    latents = read_latents(path)
    if layer not in latents.layers:
        raise InputError(
            f"layers: {layer} has no latents: choose from {', '.join(map(str, latents.numbers))}."
        )
    about = latents.layers[layer]
    file = Path(path).parent / about.file
    try:
        with safe_open(file, framework="pt") as opened:
            names = [name for name in opened.keys() if decoder or name != "decoder"]  # noqa: SIM118
            tensors = {name: opened.get_tensor(name) for name in names}
        settings = {
            name: getattr(about, name)
            for name in ("hook", "writes", "activation", "k", "norm", "centred", "model")
        }
        return Encoder(**settings, **tensors)
    except (OSError, SafetensorError, TypeError) as error:
        raise InputError(f"{file} is missing or damaged: delete its folder and run again.") from error
