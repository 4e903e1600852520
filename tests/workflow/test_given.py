"""What a scalar of a configuration file means is up to its key."""

from pathlib import Path
from typing import Any

import pytest

from n2g.errors import ConfigError
from n2g.workflow.given import given_config, parsed, read_config_file, typed

TEXT, NUMBER, REAL, ANY = ({"type": kind} for kind in ("string", "integer", "number", "any"))
TEXT_OR_NULL, TRUTH = {"type": ["string", "null"]}, {"type": "boolean"}


@pytest.mark.parametrize(
    ("written", "schema", "value"),
    [
        *[
            (text, TEXT, text)
            for text in ("10:20", "010", "1_0", "2024_01", "1.10", "7", "no", "2026-01-05", "true")
        ],
        *[(text, NUMBER, text) for text in ("10:20", "010", "1_0", "2026-01-05", "many", "1" * 5000)],
        *[(text, REAL, text) for text in ("01.5", "1,5", "nan", ".nan", ".inf", "1e", ".")],
        *[(text, ANY, text) for text in ("yes", "on", "12:30:00", "=", "<")],
        ("7", NUMBER, 7),
        ("-7", NUMBER, -7),
        ("0", NUMBER, 0),
        ("0x10", NUMBER, 16),
        ("0o10", NUMBER, 8),
        ("1e6", NUMBER, 1_000_000),
        ("'2.0'", {"type": ["integer", "null"]}, 2),
        ("1.5", NUMBER, 1.5),
        ("1e3", REAL, 1000.0),
        ("'7'", NUMBER, 7),
        ("1e-3", REAL, 0.001),
        ("0.5", REAL, 0.5),
        (".5", REAL, 0.5),
        ("True", TRUTH, True),
        ("false", TRUTH, False),
        ("[0.5, 1]", ANY, [0.5, 1]),
        ("'[0.5, 1]'", ANY, [0.5, 1]),
        ("{a: null, b: x}", ANY, {"a": None, "b": "x"}),
        ("null", TEXT_OR_NULL, None),
        ("~", TEXT_OR_NULL, None),
        ("", TEXT_OR_NULL, None),
        ("'null'", TEXT_OR_NULL, "null"),
        ("'null'", {"type": ["integer", "null"]}, None),
        ("null", TEXT, None),
    ],
)
def test_scalars(written: str, schema: dict, value: Any) -> None:
    found = typed(schema, parsed(written))
    assert found == value and type(found) is type(value)


def test_the_command_line_comes_before_files(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("run: a\ncorpus: &c {source: x, text: y}\nmore: {<<: *c, text: z}\n")
    (tmp_path / "b.json").write_text('{\n\t"corpus": {"text": 3}}')
    files = [tmp_path / "a.yaml", tmp_path / "b.json"]
    found = given_config(files, ["run=1_0", "corpus={max_tokens: null}", "url=a=b", "against=", "odd=[1"])
    assert found["corpus"] == {"source": "x", "text": 3, "max_tokens": "null"}
    assert found["more"] == {"source": "x", "text": "z"}
    assert (found["run"], found["url"], found["odd"]) == ("1_0", "a=b", "[1")
    assert typed({"properties": {"against": TEXT_OR_NULL}}, found)["against"] is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a: 1\nb: 2\na: 3\n", r"line 3 is not valid YAML \(a is given twice\)"),
        (b"a: {b: 1, b: 2}\n", r"line 1 is not valid YAML \(b is given twice\)"),
        (b"a: 1\n b: 2\n", "line 2 is not valid YAML"),
        (b"a:\n\t- b\n", r"line 2 is not valid YAML \(found character"),
        (b"a: !!python/object:os.system b\n", "line 1 is not valid YAML"),
        (b"a: !!timestamp 2026-01-05\n", "line 1 is not valid YAML"),
        (b"a: \x00\n", "is not valid YAML"),
        (b"a: &a {b: *a}\n", r"line 1 is not valid YAML \(found unconstructable recursive node\)"),
        (b"a: &a [*a]\n", "line 1 is not valid YAML"),
        ("a: ü".encode("latin-1"), "is not UTF-8 at byte 3: save it as UTF-8"),
        ("a: ü".encode("utf-16"), "is not UTF-8 at byte 0"),
        (b"[" * 5000, "is not valid YAML"),
    ],
)
def test_what_is_no_file_of_keys(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(content)
    with pytest.raises(ConfigError, match=said) as caught:
        read_config_file(tmp_path / "config.yaml")
    assert "\n" not in str(caught.value) and str(caught.value).startswith(str(tmp_path))


def test_json_has_each_key_once_and_whole_numbers(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text('{"a": {"b": 1e6}}')
    schema = {"properties": {"a": {"properties": {"b": NUMBER}}}}
    assert repr(typed(schema, read_config_file(file))) == "{'a': {'b': 1000000}}"
    file.write_text('{"a": {"b": 1, "b": 2}}')
    with pytest.raises(ConfigError, match=r"is not valid JSON \(b is given twice\)"):
        read_config_file(file)


def test_a_byte_order_mark_is_no_content(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes("run: ü".encode("utf-8-sig"))
    assert read_config_file(tmp_path / "config.yaml") == {"run": "ü"}
