"""Encoders in one form: a folder with units.json and a safetensors file for each layer.

:mod:`n2g.units.sources` finds what is converted, :mod:`n2g.units.description` reads and writes `units.json`.
"""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from n2g.errors import InputError
from n2g.files.atomic import replacing
from n2g.files.digests import file_digest
from n2g.units.description import Latents, LayerOfLatents, read_latents, write_latents
from n2g.units.encoder import Encoder
from n2g.units.sources import Subject, check_subject, find_encoders, read_encoder

_SETTINGS = ("hook", "writes", "activation", "k", "norm", "centred", "across", "model", "names")
_TENSORS = ("weight", "bias", "decoder", "before", "threshold", "gate", "gain")


def convert_encoders(
    source: Path, hook: str, subject: Subject, output: Path, part: str | None = None
) -> Latents:
    """Read all encoders of a folder and write them in one form.

    Args:
        source: the folder.
        hook: where they read if their files do not say, or `auto`.
        subject: the model that they must fit.
        output: `units.json` of the folder that is written.
        part: what the folder is called within the source, if it is a part of it.

    Raises:
        InputError: there are none, or they are not of this model; one layer has more latents than another.
    """
    found = find_encoders(source, hook, part)
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
        about = {name: getattr(encoder, name) for name in _SETTINGS}
        layers[layer] = LayerOfLatents(**about, file=file.name, sha256=file_digest(file))
    latents = Latents(next(iter(counts)), layers)
    write_latents(output, latents)
    return latents


def load_encoder(path: Path | str, layer: int, decoder: bool = False) -> Encoder:
    """The encoder of a layer, on the CPU.

    Args:
        path: of `units.json`.
        layer: a layer that has latents.
        decoder: whether its decoder's rows are wanted, too.

    Raises:
        InputError: a file is missing or damaged, or the layer has no latents.
    """
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
        settings = {name: getattr(about, name) for name in _SETTINGS}
        return Encoder(**settings, **tensors)
    except (OSError, SafetensorError, TypeError) as error:
        raise InputError(f"{file} is missing or damaged: delete its folder and run again.") from error
