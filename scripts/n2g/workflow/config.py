"""Load and check a configuration.

The schema (``schemas/config.schema.yaml``) gives every key's type, meaning and default. What a schema cannot
say is checked here: forms of ranges and sources, files that must exist, layers and neurons that the model
has. Every mistake becomes one sentence that begins with the key and ends with the remedy.
"""

from __future__ import annotations

import difflib
import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from n2g.errors import ConfigError, InputError
from n2g.ids import Block, NeuronId, parse_numbers, to_blocks
from n2g.texts.sources import Source

# Keys that no result depends on.
NO_MATTER = ("neuron", "passes", "sample", "threads")
SCHEMA = Path(__file__).parents[3] / "schemas" / "config.schema.yaml"

_TYPES = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a group of keys",
    "null": "null",
}


def load_config(path: Path) -> dict[str, Any]:
    """Read a configuration file and complete it, as :func:`complete_config` does.

    Raises:
        ConfigError: the file cannot be read, is not YAML, or a value is wrong.
    """
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}): name an existing file.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not valid YAML: {' '.join(str(error).split())}.") from error
    return complete_config(given)


def complete_config(given: object, schema: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Check a configuration and fill in the defaults.

    Args:
        given: the keys as read from YAML; not changed.
        schema: the JSON schema; by default the project's own.

    Returns:
        A new dictionary with every key of the schema.

    Raises:
        ConfigError: one sentence about the first thing that is wrong.
    """
    schema = schema or read_schema()
    given = typed(schema, given)
    validator = jsonschema.Draft202012Validator(schema)
    errors = sorted(
        validator.iter_errors(given), key=lambda error: [str(step) for step in error.absolute_path]
    )
    if errors:
        raise ConfigError(_sentence(errors[0]))
    config = with_defaults(schema, given)
    for key in ("layers", "neurons"):
        config[key] = str(config[key]).strip()
    _check_meaning(config)
    return config


def read_schema() -> dict[str, Any]:
    """The project's JSON schema."""
    return yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))


def typed(schema: Mapping[str, Any], given: Any) -> Any:
    """A copy in which text is read as YAML where the schema wants no text.

    `snakemake --config 'corpus={max_tokens: null}'` passes everything inside of braces on as text.
    """
    if isinstance(given, Mapping):
        parts = schema.get("properties", {})
        return {key: typed(parts.get(key, {"type": "any"}), value) for key, value in given.items()}
    kinds = schema.get("type", "string")
    if isinstance(given, str) and "string" not in ([kinds] if isinstance(kinds, str) else kinds):
        try:
            return yaml.safe_load(given)
        except yaml.YAMLError:
            return given
    return given


def with_defaults(schema: Mapping[str, Any], given: Any) -> Any:
    """A copy of a valid configuration in which every missing key has its schema's default."""
    if not isinstance(given, Mapping):
        return json.loads(json.dumps(given))
    filled = {key: with_defaults({}, value) for key, value in given.items()}
    for key, part in schema.get("properties", {}).items():
        if key in given:
            filled[key] = with_defaults(part, given[key])
        elif "default" in part:
            filled[key] = with_defaults(part, part["default"])
    return filled


def check_selection(config: Mapping[str, Any], n_layers: int | None, n_neurons: int | None) -> None:
    """Check the selected layers and neurons, and the single neuron, against a model's size.

    Args:
        config: needs only the keys ``layers``, ``neurons`` and ``neuron``.
        n_layers: the model's number of layers, or None where it is not known yet; then nothing is checked.
        n_neurons: hidden MLP neurons in a layer.

    Raises:
        ConfigError: a layer or neuron does not exist.
    """
    if n_layers is None or n_neurons is None:
        return
    for key, count in (("layers", n_layers), ("neurons", n_neurons)):
        with _at(key):
            parse_numbers(config[key], count)
    if config.get("neuron"):
        neuron = NeuronId.parse(config["neuron"])
        if neuron.layer >= n_layers or neuron.neuron >= n_neurons:
            raise ConfigError(
                f"neuron: {neuron} does not exist in this model: choose from L0.N0 to "
                f"L{n_layers - 1}.N{n_neurons - 1}."
            )


def selected_blocks(
    config: Mapping[str, Any], n_layers: int | None = None, n_neurons: int | None = None
) -> list[tuple[int, Block]]:
    """The selected blocks of neurons, each with its layer; none while `all` is selected of an unknown number.

    Args:
        config: needs only the keys ``layers``, ``neurons``, ``block_size`` and ``neuron``.
        n_layers, n_neurons: the model's size, where it is known.

    Raises:
        ConfigError: a layer or neuron does not exist.
    """
    check_selection(config, n_layers, n_neurons)
    if (config["layers"] == "all" and n_layers is None) or (config["neurons"] == "all" and n_neurons is None):
        return []
    blocks = to_blocks(parse_numbers(config["neurons"], n_neurons), config["block_size"])
    return [(layer, block) for layer in parse_numbers(config["layers"], n_layers) for block in blocks]


def share_out(blocks: Sequence[tuple[int, Block]], passes: int) -> list[list[tuple[int, Block]]]:
    """Blocks, in order, in at most so many parts of neighbouring layers, as many in each, give or take one.

    >>> [len(part) for part in share_out([(layer, Block(0, 255)) for layer in range(5)], 2)]
    [3, 2]
    """
    layers = sorted({layer for layer, _ in blocks})
    count = min(passes, len(layers))
    parts: list[list[tuple[int, Block]]] = [[] for _ in range(count)]
    for layer, block in blocks:
        parts[layers.index(layer) * count // len(layers)].append((layer, block))
    return parts


def value_at(config: Mapping[str, Any], path: str) -> Any:
    """The value of a key by its dotted path."""
    for step in path.split("."):
        config = config[step]
    return config


def command_options(config: Mapping[str, Any], **keys: str) -> str:
    """Command-line options from keys: ``max_length="corpus.max_length"`` gives ``--max-length 256``.

    A null key gives no option. Rules list the keys that they read, so that only those cause reruns.
    """
    given = [(name.replace("_", "-"), value_at(config, key)) for name, key in keys.items()]
    return " ".join(f"--{name} {shlex.quote(str(value))}" for name, value in given if value is not None)


def settings_given(config: Mapping[str, Any], *names: str) -> str:
    """The method, the seed, and those settings that a rule reads, as JSON."""
    given = {name: config["settings"][name] for name in names if name in config["settings"]}
    return json.dumps({"method": config["method"], "seed": config["seed"], **given}, sort_keys=True)


def describe_keys(
    schema: Mapping[str, Any] | None = None, prefix: str = ""
) -> Iterator[tuple[str, Any, str]]:
    """Every key of the schema as (dotted path, default, description), for the documentation.

    The default of a required key is ``...``.
    """
    for key, part in (schema or read_schema())["properties"].items():
        if "properties" in part:
            yield from describe_keys(part, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", part.get("default", ...), part["description"]


@contextmanager
def _at(key: str) -> Iterator[None]:
    """Turn an :class:`InputError` raised inside into a :class:`ConfigError` of one key."""
    try:
        yield
    except InputError as error:
        raise ConfigError(f"{key}: {error}") from error


def _check_meaning(config: Mapping[str, Any]) -> None:
    for key in ("layers", "neurons"):
        if config[key] != "all":
            with _at(key):
                parse_numbers(config[key])
    if config["neuron"] is not None:
        with _at("neuron"):
            NeuronId.parse(config["neuron"])
    if config["corpus"]["min_length"] >= config["corpus"]["max_length"]:
        raise ConfigError("corpus.min_length: must be smaller than corpus.max_length: lower it.")
    _check_against(config["run"], config["against"])
    _check_settings(config["settings"])
    _check_explain(config["explain"])
    for part in ("model", "corpus"):
        _check_source(part, config[part])
    if config["model"]["tokenizer"] is not None:
        with _at("model.tokenizer"):
            Source.parse(config["model"]["tokenizer"]).check_exists()


def _check_against(run: str, other: str | None) -> None:
    if other == run:
        raise ConfigError("against: is the run itself: name another one.")
    if other is not None and not Path("results", other, "manifest.json").is_file():
        raise ConfigError(f"against: results/{other} is not a finished run: finish it, or name another one.")


def _check_settings(given: Mapping[str, Any]) -> None:
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
        Settings.from_options(dict(given))
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _check_explain(given: Mapping[str, Any]) -> None:
    """Check that the keys of `explain` name one model, or none."""
    if given["local"] and (given["model"] or given["simulator"]):
        raise ConfigError("explain.local: replaces explain.model: set only one of them.")
    if given["local"] and not Path(given["local"]).is_dir():
        raise ConfigError(f"explain.local: {given['local']} does not exist: name a folder with a model.")
    if given["model"] and not given["base_url"]:
        raise ConfigError("explain.base_url: is needed with explain.model: set the endpoint's URL.")


def explains(config: Mapping[str, Any]) -> bool:
    """Whether a language model is to explain neurons."""
    return bool(config["explain"]["model"] or config["explain"]["local"])


def _suggestion(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else f"the keys here are {', '.join(known)}."


def _check_source(part: str, section: Mapping[str, Any]) -> None:
    with _at(f"{part}.source"):
        source = Source.parse(section["source"], file=section["file"], sha256=section["sha256"])
    if source.kind == "pypi" and not source.file:
        raise ConfigError(f"{part}.file: is needed with a pypi: source: name the file inside the wheel.")
    if source.kind != "pypi" and source.sha256 and not source.is_single_file:
        raise ConfigError(f"{part}.sha256: can only be checked for a single file: name it in {part}.file.")
    with _at(f"{part}.file" if source.file else f"{part}.source"):
        source.check_exists()


def _sentence(error: jsonschema.ValidationError) -> str:
    """One sentence for a schema error."""
    path = ".".join(str(step) for step in error.absolute_path)
    rule, value = error.validator, error.instance
    where = f"{path}: " if path else ""
    if rule == "additionalProperties":
        known = list(error.schema["properties"])
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
    if rule == "pattern":
        return f"{where}{_show(value)} has the wrong form: it must match {error.validator_value}."
    return f"{where}{' '.join(re.sub(r'[.]$', '', error.message).split())}: see schemas/config.schema.yaml."


def _show(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else repr(value)
