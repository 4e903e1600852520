"""What rules pass on of a configuration: only the keys that their programs read, so that only those cause reruns."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from typing import Any

# Keys that no result depends on.
NO_MATTER = ("layer", "neuron", "passes", "sample", "threads")


def value_at(config: Mapping[str, Any], path: str) -> Any:
    """The value of a key by its dotted path."""
    value: Any = config
    for step in path.split("."):
        value = value[step]
    return value


def kind_of(config: Mapping[str, Any]) -> str:
    """What is described: ``neurons`` or ``latents``."""
    return "neurons" if config["units"] == "neurons" else "latents"


def kind_option(config: Mapping[str, Any]) -> str:
    """The same as an option, where it is not neurons."""
    return "" if kind_of(config) == "neurons" else f" --kind={kind_of(config)}"


def model_names(config: Mapping[str, Any]) -> list[str]:
    """All that the model is called, by which encoders of another one are recognised; see `units.model`."""
    if config["units"]["model"]:
        return [config["units"]["model"]]
    return [name for name in (config["model"][key] for key in ("name", "source", "file")) if name]


def command_options(config: Mapping[str, Any], **keys: str) -> str:
    """Command-line options from keys: ``max_length="corpus.max_length"`` gives ``--max-length=256``.

    A null key gives no option. A value may begin with a dash, so that it must not stand alone, and hold what looks like
    a wildcard, which Snakemake does not find where quotes part it.
    """
    given = [(name.replace("_", "-"), value_at(config, key)) for name, key in keys.items()]
    quoted = {name: shlex.quote(str(value)).replace("{", "{''") for name, value in given if value is not None}
    return " ".join(f"--{name}={value}" for name, value in quoted.items())


def as_json(value: object, *, sort_keys: bool = False) -> str:
    """A param as JSON, in which Snakemake finds no wildcard: a brace before a letter can only be part of a text."""
    return re.sub(r"\{(?=\w)", r"\\u007b", json.dumps(value, sort_keys=sort_keys))


def settings_given(config: Mapping[str, Any], *names: str) -> str:
    """The method, the seed, and those settings that a rule reads, as JSON."""
    given = {name: config["settings"][name] for name in names if name in config["settings"]}
    return as_json({"method": config["method"], "seed": config["seed"], **given}, sort_keys=True)


def explains(config: Mapping[str, Any]) -> bool:
    """Whether a language model is to explain neurons."""
    return bool(config["explain"]["model"] or config["explain"]["local"])
