"""Any configuration is completed or refused in one sentence, whatever its files and keys hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from fuzzing import anything, fuzz, refused_in_one_sentence, values
from hypothesis import example, given
from hypothesis import strategies as st

from n2g.ids import NeuronId, parse_blocks, parse_numbers
from n2g.texts.sources import Source
from n2g.workflow.config import complete_config, read_schema
from n2g.workflow.given import given_config, read_config_file

USABLE = {"model": {"source": "pypi:x==1"}, "corpus": {"source": "hf:a/b@c"}}
NUMBERS = ["0-9999999999", "7-3", "0-", "-", "1e9", "٣", "0x1", "all,1", "L1.N2", "L٣.N1"]


def of_schema(schema: dict[str, Any]) -> st.SearchStrategy:
    """Values for a part of a configuration, most of them of its type."""
    if "properties" in schema:
        keys = {key: of_schema(part) for key, part in schema["properties"].items()}
        return st.fixed_dictionaries({}, optional=keys)
    if "enum" in schema:
        return st.sampled_from(schema["enum"]) | values
    return values | st.sampled_from(NUMBERS) | st.integers(-1, 100).map(str) | anything


configs = of_schema(read_schema()) | values
lines = st.lists(
    st.one_of(
        st.sampled_from(
            ["model:", "  source: x", "layers: 0-1", "<<: *a", "a: &a {b: 1}", "? [1]", "- ", "--- !!map"]
        ),
        st.sampled_from(
            [
                "!!python/object:os.system x",
                "!!timestamp x",
                "!!float x",
                "!!int 0b",
                "{1: 2, 1.0: 3}",
                "%YAML 9",
            ]
        ),
        st.text(max_size=12),
    )
).map("\n".join)


@fuzz
@given(configs)
def test_any_keys(config: Any) -> None:
    with refused_in_one_sentence():
        complete_config(config)
    if isinstance(config, dict):
        with refused_in_one_sentence():
            complete_config(USABLE | {key: value for key, value in config.items() if key not in USABLE})


@fuzz
@given(
    st.binary() | lines.map(str.encode) | values.map(lambda value: yaml.dump(value).encode()),
    st.sampled_from([".yaml", ".json"]),
)
def test_any_file(tmp_path_factory: pytest.TempPathFactory, content: bytes, suffix: str) -> None:
    path = tmp_path_factory.getbasetemp() / f"any{suffix}"
    path.write_bytes(content)
    with refused_in_one_sentence():
        complete_config(read_config_file(path))


@fuzz
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["layers", "model", "settings", "", "a.b"]) | anything, lines | anything
        ).map("=".join),
        max_size=3,
    )
)
@example(["a\nb=1"])
@example(["\udcff=1"])
@example(["\x1b[2J=1"])
@example(["layers=!!int 0b"])
@example(["layers=!!float x"])
@example(["layers=!!bool x"])
@example(["layers=!!timestamp x"])
def test_any_option(options: list[str]) -> None:
    with refused_in_one_sentence():
        complete_config(given_config([], options))


@fuzz
@given(values)
def test_json_is_read_as_it_is_written(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    path: Path = tmp_path_factory.getbasetemp() / "any-value.json"
    path.write_text(json.dumps(value))
    with refused_in_one_sentence():
        complete_config(read_config_file(path))


@fuzz
@given(anything | st.sampled_from(NUMBERS) | st.text("0123456789-, LN.٣"))
def test_any_name(text: str) -> None:
    for parse in (NeuronId.parse, parse_numbers, Source.parse, lambda name: parse_blocks([name])):
        with refused_in_one_sentence():
            parse(text)
