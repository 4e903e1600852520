"""Load a configuration: check it and fill in the defaults.

The schema (``schemas/config.schema.yaml``) gives every key's type, meaning and default; ``config_mistakes`` has the
sentences about what is wrong.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import jsonschema.validators
import yaml

from n2g.errors import ConfigError
from n2g.workflow.config_mistakes import check_meaning, sentence_about
from n2g.workflow.given import read_config_file, typed


def _pattern(validator: Any, pattern: str, given: object, _: object) -> Iterator[jsonschema.ValidationError]:
    """Python's `$` would pass over a line end after the text."""
    if validator.is_type(given, "string") and not re.search(pattern.replace("$", r"\Z"), str(given)):
        yield jsonschema.ValidationError(f"{given!r} does not match {pattern!r}")


_Validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, {"pattern": _pattern})
SCHEMA = Path(__file__).parents[3] / "schemas" / "config.schema.yaml"


def load_config(path: Path) -> dict[str, Any]:
    """Read a configuration file and complete it, as :func:`complete_config` does.

    Raises:
        ConfigError: the file cannot be read, is not YAML, or a value is wrong.
    """
    return complete_config(read_config_file(path))


def complete_config(given: object, schema: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Check a configuration and fill in the defaults.

    Args:
        given: the keys, as :mod:`n2g.workflow.given` reads them, or with values of any kind; not changed.
        schema: the JSON schema; by default the project's own.

    Returns:
        A new dictionary with every key of the schema.

    Raises:
        ConfigError: one sentence about the first thing that is wrong.
    """
    schema = schema or read_schema()
    given = typed(schema, given)
    validator = _Validator(schema)
    errors = sorted(
        validator.iter_errors(given), key=lambda error: [str(step) for step in error.absolute_path]
    )
    if errors:
        raise ConfigError(sentence_about(errors[0]))
    config = with_defaults(schema, given)
    for key in ("layers", "neurons"):
        config[key] = str(config[key]).strip()
    check_meaning(config)
    return config


def read_schema() -> dict[str, Any]:
    """The project's JSON schema."""
    return yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))


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


def describe_keys(
    schema: Mapping[str, Any] | None = None, prefix: str = ""
) -> Iterator[tuple[str, Any, str]]:
    """Every key of the schema as (dotted path, default, description), for the documentation.

    The default of a required key is ``...``.
    """
    for key, part in (schema or read_schema())["properties"].items():
        if "properties" in part:
            if "string" in part["type"]:
                yield f"{prefix}{key}", part.get("default", ...), part["description"]
            yield from describe_keys(part, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", part.get("default", ...), part["description"]
