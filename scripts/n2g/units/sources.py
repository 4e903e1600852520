"""Find the encoders in a folder, whoever wrote them, and read them one after another.

What their settings say is checked against the model before any weights are read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from n2g.errors import InputError
from n2g.texts.sources import PICKLES, files_in
from n2g.units import circuit_tracer, directions, gemma_scope, saelens, sparsify
from n2g.units.encoder import Encoder
from n2g.units.hooks import KNOWN, RESIDUAL, Places, hook_name, parse_hook
from n2g.units.weight_files import read_settings

AUTO = "auto"
_LAYER = re.compile(r"(?:^|[^a-z])(?:layers?|blocks|h)[._](\d+)(?!\d)")


@dataclass(frozen=True)
class Subject:
    """The model whose latents they are to be.

    Attributes:
        n_layers, d_model: its layers and the width of its residual stream.
        names: all that it is called in the configuration; empty where any name will do.
        hooks: kind of hook -> numbers of a token there, of all that its layers have; empty where that is not known.
    """

    n_layers: int
    d_model: int
    names: Sequence[str] = ()
    hooks: Mapping[str, int] = field(default_factory=dict)

    def width(self, kind: str) -> int | None:
        """Numbers of a token at a kind of hook; None where that is not known."""
        return self.hooks.get(kind, None if kind in ("attn.hook_z", "mlp.hook_post") else self.d_model)


@dataclass(frozen=True)
class Found:
    """An encoder whose settings are known and whose weights have not been read.

    Attributes:
        path: what names it to people.
        places: where it reads and writes, as far as its files and the configuration say.
        read: reads it, given hook and writes.
    """

    path: Path
    places: Places
    read: Callable[[str, str | None], Encoder]


def find_encoders(folder: Path, hook: str = AUTO, part: str | None = None) -> dict[int, Found]:
    """Layer -> its encoder, in the order of the layers; each knows where it reads.

    Args:
        folder: with the files of one encoder or of several, at any depth.
        hook: where they read if their files do not say, such as `blocks.{layer}.hook_resid_post`.
        part: what the folder is called within the source, if it is a part of it.

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
        layer, placed = _placed(
            (*Path(part or folder.name).parts, *one.path.relative_to(folder).parts), one, hook
        )
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
        model = one.places.model
        if model is not None and not isinstance(model, str):
            raise InputError(f"{one.path} is of the model {model!r}, which is no text: correct its settings.")
        if model and subject.names and not any(_same(model, name) for name in subject.names):
            raise InputError(
                f"{one.path} is of the model {model}, not of {subject.names[0]}: choose encoders of this model, or "
                f"set units.model: {model} if it is the same."
            )
        for verb, hook in (("reads", one.places.reads), ("writes", one.places.writes)):
            if hook and subject.hooks and not _has(subject, hook):
                raise InputError(
                    f"{one.path} {verb} {hook}, which the model lacks: choose encoders that use blocks.LAYER. and one "
                    f"of {', '.join(subject.hooks)}."
                )


def _has(subject: Subject, hook: str) -> bool:
    layer, kind = parse_hook(hook)
    return layer < subject.n_layers and kind in subject.hooks


def read_encoder(one: Found, subject: Subject) -> Encoder:
    """Read its weights. Raises InputError where they are damaged, or their width is not that of the model."""
    assert one.places.reads
    encoder = one.read(one.places.reads, one.places.writes)
    written = None if encoder.decoder is None else encoder.decoder.shape[1]
    for verb, hook, width in (("reads", encoder.hook, encoder.width), ("writes", encoder.writes, written)):
        known = subject.width(parse_hook(hook)[1]) if hook else None
        if known is not None and width is not None and width != known:
            raise InputError(
                f"{one.path} {verb} {width} numbers of a token, but {hook} of the model has {known}: choose encoders "
                "of this model."
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

            places = Places(settings.hook, settings.writes, settings.model, settings.transcodes)
            yield Found(folder, places, partial(saelens.read, settings))
        if {sparsify.SETTINGS, sparsify.WEIGHTS} <= names:
            yield _lazy(folder, sparsify.places(folder), sparsify.read)
        if directions.FILE in names:
            yield _lazy(
                folder / directions.FILE, directions.places(folder / directions.FILE), directions.read
            )
        for name in sorted(names):
            if (
                name == gemma_scope.FIRST
                or name == gemma_scope.SECOND
                or gemma_scope.CROSS_LAYER.fullmatch(name)
            ):
                yield _lazy(folder / name, gemma_scope.places(folder / name), gemma_scope.read)


def _lazy(path: Path, places: Places, read: Callable[..., Encoder]) -> Found:
    return Found(path, places, lambda hook, writes: read(path, hook, writes, places.model))


def _placed(names: Sequence[str], one: Found, hook: str) -> tuple[int, Found]:
    """The layer of an encoder, and the encoder with the hooks that it reads and writes.

    names: of folders and file, from the source on.
    """
    reads, writes = (
        hook_name(*_parsed(one.path, name)) if name else None
        for name in (one.places.reads, one.places.writes)
    )
    known = reads
    if hook != AUTO:
        wanted = hook
        if "{layer}" in hook:
            layer = parse_hook(known)[0] if known else _layer_of(one.path, names)
            wanted = hook.replace("{layer}", str(layer))
        wanted = hook_name(*parse_hook(wanted))
        if known and known != wanted:
            raise InputError(
                f"units.hook: {one.path} reads {known}, not {wanted}: set auto, or choose another encoder."
            )
        known = wanted
    if not known:
        raise InputError(
            f"{one.path} does not say where it reads: set units.hook, as in blocks.{{layer}}.{RESIDUAL[-1]}."
        )
    if not writes and not one.places.transcodes:
        writes = known
    if writes and _order(writes) < _order(known):
        raise InputError(
            f"{one.path} writes {writes}, which the model computes before {known}, where it reads: choose another "
            "encoder."
        )
    return parse_hook(known)[0], replace(one, places=one.places._replace(reads=known, writes=writes))


def _order(hook: str) -> tuple[int, int]:
    layer, kind = parse_hook(hook)
    return layer, KNOWN.index(kind)


def _parsed(path: Path, hook: str | None) -> tuple[int, str]:
    try:
        return parse_hook(hook or "")
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _layer_of(path: Path, names: Sequence[str]) -> int:
    """The layer that the name of a file says, or those of its folders up to the source."""
    for part in reversed(names):
        if match := _LAYER.search(part):
            return int(match[1])
    raise InputError(f"{path} does not say of which layer it is: put it into a folder such as layer_3.")


def _same(first: str, second: str) -> bool:
    """Whether two names are of one model: `openai-community/gpt2` is `gpt2`, but an instruct model is not its base.

    TransformerLens calls that one `gpt2-small`, and Gemma Scope 2 calls `gemma-3-1b-pt` `gemma-v3-1b-pt`.
    """
    return _plain(first) == _plain(second) != ""


def _plain(name: str) -> str:
    """A model's name in lower case without organisation, revision, quantisation and kind of file."""
    name = re.sub(r"@[^@]*$|\s*\([^)]*\)", "", name.rstrip("/"))
    name = re.sub(
        r"(?i)(\.gguf)$|\.[iq]+\d+(_\w+)*(\.gguf)?$|\.(bf16|f16|f32)(\.gguf)?$", "", name.rpartition("/")[2]
    )
    plain = re.sub(r"(-pt|-hf)$", "", re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-."))
    return re.sub(r"^gemma-v(?=\d)", "gemma-", "gpt2" if plain == "gpt2-small" else plain)


def _why_none(folder: Path, files: Sequence[Path]) -> str:
    pickles = [path for path in files if path.suffix in PICKLES]
    if pickles:
        return (
            f"{pickles[0]} is a pickle, which can run code when it is read: have its maker's tools write it as "
            ".safetensors."
        )
    for path in files:
        if (
            path.name == circuit_tracer.SETTINGS
            and isinstance(listed := read_settings(path).get("transcoders"), list)
            and listed
        ):
            return (
                f"{path} has no transcoders beside it, but lists those of elsewhere, such as {listed[0]}: name "
                "their own repository in units.source and units.file."
            )
    return (
        f"{os.fspath(folder)} has no encoders: give a folder with {saelens.WEIGHTS}, {sparsify.WEIGHTS}, "
        f"{gemma_scope.FIRST}, {gemma_scope.SECOND}, {directions.FILE}, or {circuit_tracer.SETTINGS} and "
        "layer_0.safetensors or W_enc_0.safetensors."
    )
