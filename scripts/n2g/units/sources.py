"""Find the encoders in a folder, whoever wrote them, and read them one after another.

What their settings say is checked against the model before any weights are read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from n2g.errors import InputError
from n2g.texts.sources import PICKLES, files_in
from n2g.units import circuit_tracer, directions, gemma_scope, saelens, sparsify
from n2g.units.encoder import Encoder
from n2g.units.hooks import RESIDUAL, hook_name, parse_hook

AUTO = "auto"
_LAYER = re.compile(r"(?:layers?|blocks|h)[._](\d+)(?!\d)")


@dataclass(frozen=True)
class Subject:
    """The model whose latents they are to be.

    Attributes:
        n_layers, d_model: its layers and the width of its residual stream.
        names: all that it is called in the configuration; empty where any name will do.
    """

    n_layers: int
    d_model: int
    names: Sequence[str] = ()


@dataclass(frozen=True)
class Found:
    """An encoder whose settings are known and whose weights have not been read.

    Attributes:
        path: what names it to people.
        hook, writes: where it reads and writes, or None where its files do not say.
        model: what its files call the model, or None.
        read: reads it, given hook and writes.
    """

    path: Path
    hook: str | None
    writes: str | None
    model: str | None
    read: Callable[[str, str], Encoder]


def find_encoders(folder: Path, hook: str = AUTO) -> dict[int, Found]:
    """Layer -> its encoder, in the order of the layers; each knows where it reads.

    Args:
        folder: with the files of one encoder or of several, at any depth.
        hook: where they read if their files do not say, such as `blocks.{layer}.hook_resid_post`.

    Raises:
        InputError: there is none, one is of an unknown kind, two are of the same layer, or one does not say where it
            reads.
    """
    try:
        files = sorted(files_in(folder))
    except OSError as error:
        raise InputError(
            f"{folder} cannot be read ({error.strerror}): give a folder with encoders."
        ) from error
    found: dict[int, Found] = {}
    for one in _found(files):
        layer, placed = _placed(one, hook)
        if layer in found:
            raise InputError(
                f"{found[layer].path} and {one.path} are both of layer {layer}: give a folder with only one of them."
            )
        found[layer] = placed
    if not found:
        raise InputError(_why_none(folder, files))
    return dict(sorted(found.items()))


def check_subject(encoders: dict[int, Found], subject: Subject) -> None:
    """Raise InputError where encoders are of another model than the subject, as far as their settings tell."""
    for layer, one in encoders.items():
        if layer >= subject.n_layers:
            raise InputError(
                f"{one.path} reads layer {layer}, but the model has layers 0-{subject.n_layers - 1}: choose encoders "
                "of this model."
            )
        if one.model and subject.names and not any(_same(one.model, name) for name in subject.names):
            raise InputError(
                f"{one.path} is of the model {one.model}, not of {subject.names[0]}: choose encoders of this model, or "
                f"set units.model: {one.model} if it is the same."
            )


def read_encoder(one: Found, subject: Subject) -> Encoder:
    """Read its weights. Raises InputError where they are damaged, or their width is not that of the model."""
    assert one.hook and one.writes
    encoder = one.read(one.hook, one.writes)
    if (
        parse_hook(encoder.hook)[1] not in ("attn.hook_z", "mlp.hook_post")
        and encoder.width != subject.d_model
    ):
        raise InputError(
            f"{one.path} reads {encoder.width} numbers of a token, but the model's residual stream has "
            f"{subject.d_model}: choose encoders of this model."
        )
    return encoder


def _found(files: Iterable[Path]) -> Iterable[Found]:
    here: dict[Path, set[str]] = {}
    for path in files:
        here.setdefault(path.parent, set()).add(path.name)
    for folder, names in sorted(here.items()):
        if circuit_tracer.SETTINGS in names and any(map(circuit_tracer.FILE.fullmatch, names)):
            for layer, path in circuit_tracer.layers(folder).items():
                yield _lazy(path, circuit_tracer.places(path, layer), circuit_tracer.read)
        if {saelens.SETTINGS, saelens.WEIGHTS} <= names:
            settings = saelens.Settings(folder / saelens.SETTINGS)

            def read(hook: str, writes: str, settings: saelens.Settings = settings) -> Encoder:
                return replace(saelens.read(settings), hook=hook, writes=writes)

            yield Found(folder, settings.hook, settings.writes or settings.hook, settings.model, read)
        if {sparsify.SETTINGS, sparsify.WEIGHTS} <= names:
            yield _lazy(folder, sparsify.places(folder), sparsify.read)
        if directions.FILE in names:
            yield _lazy(
                folder / directions.FILE, directions.places(folder / directions.FILE), directions.read
            )
        for name in sorted(names):
            if (
                name == gemma_scope.FIRST
                or (name == gemma_scope.SECOND and gemma_scope.SETTINGS in names)
                or gemma_scope.CROSS_LAYER.fullmatch(name)
            ):
                yield _lazy(folder / name, gemma_scope.places(folder / name), gemma_scope.read)


def _lazy(
    path: Path, places: tuple[str | None, str | None, str | None], read: Callable[..., Encoder]
) -> Found:
    reads, writes, model = places
    return Found(path, reads, writes, model, lambda hook, writes: read(path, hook, writes, model))


def _placed(one: Found, hook: str) -> tuple[int, Found]:
    """The layer of an encoder, and the encoder with the hooks that it reads and writes."""
    known = hook_name(*_parsed(one.path, one.hook)) if one.hook else None
    if hook != AUTO:
        layer = _parsed(one.path, known)[0] if known else _layer_of(one.path)
        wanted = hook_name(*parse_hook(hook.replace("{layer}", str(layer))))
        if known and known != wanted:
            raise InputError(
                f"units.hook: {one.path} reads {known}, not {wanted}: set auto, or choose another encoder."
            )
        known = wanted
    if not known:
        raise InputError(
            f"{one.path} does not say where it reads: set units.hook, as in blocks.{{layer}}.{RESIDUAL[-1]}."
        )
    layer = parse_hook(known)[0]
    writes = hook_name(*_parsed(one.path, one.writes)) if one.writes else known
    return layer, replace(one, hook=known, writes=writes)


def _parsed(path: Path, hook: str | None) -> tuple[int, str]:
    try:
        return parse_hook(hook or "")
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _layer_of(path: Path) -> int:
    """The layer that the names of file and folders say."""
    for part in reversed(path.parts):
        if match := _LAYER.search(part):
            return int(match[1])
    raise InputError(f"{path} does not say of which layer it is: put it into a folder such as layer_3.")


def _same(first: str, second: str) -> bool:
    """Whether two names are of one model: `openai-community/gpt2` is `gpt2`, but an instruct model is not its base."""
    return _plain(first) == _plain(second) != ""


def _plain(name: str) -> str:
    """A model's name in lower case without organisation, revision, quantisation and kind of file."""
    name = re.sub(r"@[^@]*$|\s*\([^)]*\)", "", name.rstrip("/"))
    name = re.sub(
        r"(?i)(\.gguf)$|\.[iq]+\d+(_\w+)*(\.gguf)?$|\.(bf16|f16|f32)(\.gguf)?$", "", name.rpartition("/")[2]
    )
    return re.sub(r"(-pt|-hf)$", "", re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-."))


def _why_none(folder: Path, files: Sequence[Path]) -> str:
    pickles = [path for path in files if path.suffix in PICKLES]
    if pickles:
        return (
            f"{pickles[0]} is a pickle, which can run code when it is read: have its maker's tools write it as "
            ".safetensors."
        )
    return (
        f"{os.fspath(folder)} has no encoders: give a folder with {saelens.WEIGHTS}, {sparsify.WEIGHTS}, "
        f"{gemma_scope.FIRST}, {gemma_scope.SECOND}, {directions.FILE}, or {circuit_tracer.SETTINGS} and "
        "layer_0.safetensors or W_enc_0.safetensors."
    )
