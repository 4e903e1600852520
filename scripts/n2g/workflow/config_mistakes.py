"""Mistakes in a configuration, each as one sentence that begins with the key and ends with the remedy.

What the schema can say is found by jsonschema and put into words by :func:`sentence_about`. What it cannot say is
checked by :func:`check_meaning`: forms of ranges and sources, files that must exist, keys that belong together.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema

from n2g.errors import ConfigError, InputError
from n2g.ids import LETTERS, NeuronId, parse_numbers
from n2g.texts.sources import Source, wanted_files
from n2g.workflow.endpoint_access import endpoint_key
from n2g.workflow.params import kind_of

_TYPES = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a group of keys",
    "null": "null",
}

# Plausible values -> why they are refused.
_REFUSED = {
    ("device", "mps"): "(the GPU of Apple silicon) is not supported, as it is not tested: set cpu or auto.",
}


@contextmanager
def about_key(key: str) -> Generator[None]:
    """Turn an :class:`InputError` raised inside into a :class:`ConfigError` of one key."""
    try:
        yield
    except InputError as error:
        raise ConfigError(f"{key}: {error}") from error


def check_meaning(config: Mapping[str, Any]) -> None:
    """Check what a schema cannot say. Raises ConfigError, one sentence about the first thing that is wrong."""
    for key in ("layers", "neurons"):
        if config[key] != "all":
            with about_key(key):
                parse_numbers(config[key])
    if config["layer"] not in (None, "all"):
        with about_key("layer"):
            parse_numbers(config["layer"])
    if config["neuron"] is not None:
        with about_key("neuron"):
            NeuronId.parse(config["neuron"])
    if config["corpus"]["min_length"] >= config["corpus"]["max_length"]:
        raise ConfigError("corpus.min_length: must be smaller than corpus.max_length: lower it.")
    if config["pair_tokens"] and config["corpus"]["further_tokens"] is None:
        raise ConfigError(
            "pair_tokens: needs the pairs of the texts: set corpus.further_tokens, at least to 0."
        )
    _check_units(config["units"], config["neuron"])
    _check_against(config)
    _check_settings(config["settings"], config["corpus"]["max_length"])
    _check_proposer(config["proposer"], config["masked_lm"])
    _check_explain(config["explain"])
    for part in ("model", "corpus"):
        _check_source(part, config[part])
    if config["model"]["tokenizer"] is not None:
        with about_key("model.tokenizer"):
            Source.parse(config["model"]["tokenizer"]).check_exists()


def _check_units(units: str | Mapping[str, Any], neuron: str | None) -> None:
    """Check that latents have a source that can be used, and that a single unit is named by the right letter."""
    latents = not isinstance(units, str)
    if (
        neuron is not None
        and (named := NeuronId.parse(neuron)).letter != LETTERS["latents" if latents else "neurons"]
    ):
        letter = "F" if latents else "N"
        raise ConfigError(
            f"neuron: {named} is no name here: write it as L{named.layer}.{letter}{named.neuron}."
        )
    if latents:
        with about_key("units.source"):
            source = Source.parse(units["source"], units["file"])
            source.check_exists()
            if source.kind == "local" and not source.path.is_dir():
                raise InputError(f"{str(source.path)!r} is a file: give the folder that it is in.")
        if units["sha256"] and source.kind != "pypi":
            raise ConfigError("units.sha256: can only be checked for a wheel: set null.")


def _check_against(config: Mapping[str, Any]) -> None:
    other = config["against"]
    if other is None:
        return
    if other == config["run"]:
        raise ConfigError("against: is the run itself: name another one.")
    try:
        known = json.loads(Path("results", other, "manifest.json").read_bytes())["config"]
    except (OSError, ValueError, KeyError):
        raise ConfigError(
            f"against: results/{other} is not a finished run: finish it, or name another one."
        ) from None
    kinds = [kind_of({"units": "neurons", **one}) for one in (known, config)]
    if kinds[0] != kinds[1]:
        raise ConfigError(f"against: results/{other} describes {kinds[0]}, not {kinds[1]}: name another run.")


def _check_settings(given: Mapping[str, Any], max_length: int) -> None:
    """Check names and values of single settings; those that have a key of their own are set there."""
    from n2g.settings import Settings

    known = {field.name for field in fields(Settings)}
    own = {"method": "method", "seed": "seed", "proposer": "proposer", "bos": "corpus.bos"}
    for name in given:
        if name in own:
            raise ConfigError(f"settings.{name}: has its own key: set {own[name]} instead.")
        if name not in known:
            raise ConfigError(f"settings.{name}: is not a setting: {_suggestion(name, sorted(known))}")
    try:
        settings = Settings.from_options(dict(given))
    except ValueError as error:
        raise ConfigError(str(error)) from error
    if settings.prefix_length > max_length - 2:  # a prefix, one token more, and BOS
        raise ConfigError(
            f"settings.prefix_length: {settings.prefix_length} tokens do not fit into corpus.max_length ({max_length}) "
            "with two more: lower it, or raise corpus.max_length."
        )


def _check_proposer(proposer: str, folder: str | None) -> None:
    """Check that the masked language model is there, if it is what proposes."""
    if proposer == "masked-lm" and not (folder and Path(folder, "config.json").is_file()):
        raise ConfigError(f"masked_lm: {folder or 'null'} is not a folder with a model: name one.")


def _check_explain(given: Mapping[str, Any]) -> None:
    """Check that the keys of `explain` name one model, or none, and that an endpoint can be reached with them."""
    if given["local"] and (given["model"] or given["simulator"]):
        raise ConfigError("explain.local: replaces explain.model: set only one of them.")
    if given["local"] and not Path(given["local"]).is_dir():
        raise ConfigError(f"explain.local: {given['local']} does not exist: name a folder with a model.")
    if given["simulator"] and not given["model"]:
        raise ConfigError("explain.model: is needed with explain.simulator: name the explainer.")
    if given["model"] and not given["base_url"]:
        raise ConfigError("explain.base_url: is needed with explain.model: set the endpoint's URL.")
    if given["model"]:
        endpoint_key(given["base_url"], given["key"])


def _check_source(part: str, section: Mapping[str, Any]) -> None:
    with about_key(f"{part}.source"):
        source = Source.parse(section["source"], file=section["file"], sha256=section["sha256"])
    if source.kind == "pypi" and not source.file:
        raise ConfigError(f"{part}.file: is needed with a pypi: source: name the file inside the wheel.")
    if source.kind != "pypi" and source.sha256 and not source.is_single_file:
        raise ConfigError(f"{part}.sha256: can only be checked for a single file: name it in {part}.file.")
    with about_key(f"{part}.file" if source.file else f"{part}.source"):
        source.check_exists()
        source.local_files(wanted_files(part, section.get("loader", "auto")))


def sentence_about(error: jsonschema.ValidationError) -> str:
    """One sentence for a schema error."""
    path = ".".join(str(step) for step in error.absolute_path)
    rule, value = error.validator, error.instance
    schema: Any = error.schema
    where = f"{path}: " if path else ""
    if rule == "additionalProperties":
        known = list(schema["properties"])
        unknown = next(key for key in value if key not in known)
        name = f"{path}{'.' if path else ''}{unknown}"
        return f"{name}: is not a key of the configuration: {_suggestion(str(unknown), known)}"
    if rule == "required":
        missing = next(key for key in error.validator_value if key not in value)
        return f"{path}{'.' if path else ''}{missing}: is missing: add it, as in config.yaml."
    if rule == "type":
        kinds = [error.validator_value] if isinstance(error.validator_value, str) else error.validator_value
        kind = " or ".join(_TYPES[kind] for kind in kinds)
        return f"{where or 'The configuration: '}{_show(value)} is not {kind}: give {kind}."
    if rule == "enum":
        return (
            f"{where}{_show(value)} is not allowed: choose {' or '.join(map(_show, error.validator_value))}."
        )
    if rule in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
        bound = {
            "minimum": "at least",
            "maximum": "at most",
            "exclusiveMinimum": "above",
            "exclusiveMaximum": "below",
        }
        return f"{where}{_show(value)} is out of range: give a number {bound[rule]} {error.validator_value}."
    if rule == "maxLength":
        return f"{where}has {len(value)} characters: give at most {error.validator_value}."
    if rule == "pattern" and (path, value) in _REFUSED:
        return f"{where}{value} {_REFUSED[path, value]}"
    if rule == "pattern":
        return f"{where}{_show(value)} has the wrong form: it must match {error.validator_value}."
    return f"{where}{' '.join(re.sub(r'[.]$', '', error.message).split())}: see schemas/config.schema.yaml."


def _suggestion(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else f"the keys here are {', '.join(known)}."


def _show(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str) if not isinstance(value, str) else repr(value)
