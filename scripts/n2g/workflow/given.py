"""The configuration as it is given, in files and on the command line: text, which the schema then reads.

YAML 1.1, as PyYAML reads it, takes 10:20 for 620, 010 for 8, 2024_01 for 202401, 1.10 for 1.1, `no` for false and
2026-01-05 for a date. Here a scalar stays as it is written until the key that it belongs to says what it wants.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from n2g.errors import ConfigError, first_line

_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}
_WHOLE = re.compile(
    r"[-+]?(0|[1-9]\d{0,999})|0x[0-9a-fA-F]{1,999}|0o[0-7]{1,999}"
)  # 010 is 8 to some, 10 to others
_REAL = re.compile(r"[-+]?(?=\.?\d)(0|[1-9]\d{0,99})?(\.\d{0,99})?([eE][-+]?\d\d?)?")


class Plain(str):
    """A scalar without quotes, as it is written."""


class _Loader(yaml.SafeLoader):
    """Reads plain scalars as :class:`Plain`, and refuses a key that is given twice."""

    # Of what YAML 1.1 finds in plain scalars only the merge key.
    yaml_implicit_resolvers = {"<": yaml.SafeLoader.yaml_implicit_resolvers["<"]}  # noqa: RUF012
    yaml_constructors = {  # noqa: RUF012
        tag: make
        for tag, make in yaml.SafeLoader.yaml_constructors.items()
        if tag is None or tag.rpartition(":")[2] in ("map", "seq", "int", "float", "bool", "null")
    }

    def construct_document(self, node: Any) -> Any:
        self.deep_construct = True  # so that an alias within what it stands for is an error
        return super().construct_document(node)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise yaml.MarkedYAMLError(
                        problem=f"{key.value} is given twice", problem_mark=key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _scalar(loader: _Loader, node: yaml.ScalarNode) -> str:
    return node.value if node.style else Plain(node.value)


_Loader.add_constructor("tag:yaml.org,2002:str", _scalar)


def _load(text: str) -> Any:
    try:
        return yaml.load(text, _Loader)
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        raise yaml.YAMLError("a value is not what its tag says") from error


def _load_json(text: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            raise ValueError(f"{next(name for name in names if names.count(name) > 1)} is given twice")
        return found

    return json.loads(text, object_pairs_hook=once)


def given_config(files: Iterable[Path | str], options: Iterable[str]) -> Any:
    """What files and options give together, the later before the earlier.

    Args:
        files: YAML files.
        options: of the command line, as key=value.

    Raises:
        ConfigError: a file cannot be read, is not UTF-8 or not YAML.
    """
    found: Any = {}
    for file in files:
        found = _merged(found, read_config_file(Path(file)))
    for option in options:
        key, _, value = option.partition("=")
        found = _merged(found, {key: parsed(value)})
    return found


def read_config_file(path: Path) -> Any:
    """The content of a YAML file, its scalars as text. Raises ConfigError as :func:`given_config` does."""
    try:
        content = path.read_bytes().decode("utf-8-sig")
        return _load_json(content) if path.suffix == ".json" else _load(content)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}): name an existing file.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 at byte {error.start}: save it as UTF-8.") from error
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}" if error.problem_mark else "the file"
        raise ConfigError(f"{path}: {line} is not valid YAML ({error.problem}): correct it.") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        kind = "JSON" if path.suffix == ".json" else "YAML"
        raise ConfigError(f"{path}: is not valid {kind} ({first_line(error)}): correct it.") from error


def parsed(text: str) -> Any:
    """What a text from the command line holds as YAML; the text itself, where it is none."""
    try:
        return _load(text)
    except (yaml.YAMLError, RecursionError):
        return text


def typed(schema: Mapping[str, Any], given: Any) -> Any:
    """A copy in which scalars have the types that a schema wants: 1e6 is a whole number where that is wanted.

    Text is read as YAML 1.2 does where the schema wants no text, quotes or not: the command line leaves none.
    """
    found = _typed(schema, given)
    whole = "integer" in schema.get("type", ()) and isinstance(found, float) and found.is_integer()
    return int(found) if whole else found


def _typed(schema: Mapping[str, Any], given: Any) -> Any:
    if isinstance(given, Mapping):
        parts = schema.get("properties", {})
        return {str(key): typed(parts.get(key, {"type": "any"}), value) for key, value in given.items()}
    if isinstance(given, list):
        return [typed(schema.get("items", {"type": "any"}), value) for value in given]
    if not isinstance(given, str):
        return given
    kinds = schema.get("type", "string")
    if isinstance(given, Plain) and _WORDS.get(given.lower(), given) is None:
        return None
    if "string" in ([kinds] if isinstance(kinds, str) else kinds):
        return str(given)
    if isinstance(given, Plain):
        return _value(given)
    return typed(schema, inner) if not isinstance(inner := parsed(given), str) else _value(inner)


def _value(text: str) -> Any:
    """What a scalar means by itself: YAML 1.2's core schema, but for numbers that begin with a 0."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _WHOLE.fullmatch(text):
        return int(text, 0)
    return float(text) if _REAL.fullmatch(text) else str(text)


def _merged(below: Any, above: Any) -> Any:
    """Two parts of a configuration in one, the groups of keys in both merged."""
    if not isinstance(below, Mapping) or not isinstance(above, Mapping):
        return above
    return {**below, **{key: _merged(below.get(key), value) for key, value in above.items()}}
