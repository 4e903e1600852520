"""What a text is, what its title, and that one bad record costs no other."""

from __future__ import annotations

import bz2
import datetime
import gzip
import json
import lzma
import os
from collections import Counter
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from n2g.errors import InputError
from n2g.texts.readers import Text, as_text, read_texts

RECORDS = [{"text": f"text {number}", "title": f"title {number}"} for number in range(3)]
PAIRS = [(record["title"], record["text"]) for record in RECORDS]


def found(*files: Path, title: str | None = "title", **more: object) -> list[tuple[str, str]]:
    return [(text.title, text.text) for text in read_texts(files, "text", title, **more)]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\u0301", "a\u0301"),
        ("cut off \ud83d", "cut off \ufffd"),
        ("\ud83d\ude42", "🙂"),
        (3, "3"),
        (2.5, "2.5"),
        (float("nan"), None),
        (datetime.date(2026, 1, 5), "2026-01-05"),
        ("naïve".encode(), "naïve"),
        (b"\xff", None),
        (True, None),
        (None, None),
        (["a"], None),
        ({"a": "b"}, None),
        ("", ""),
    ],
)
def test_what_is_text(value: object, text: str | None) -> None:
    assert as_text(value) == text


BAD = [{"text": None}, {"other": 1}, {"text": ["a"]}, {}, [], None, {"text": float("nan")}]


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_a_record_without_a_text_costs_no_other(name: str, tmp_path: Path) -> None:
    records = [*BAD[:3], *RECORDS, *BAD[3:]]
    lines = [json.dumps(record) for record in records]
    (tmp_path / name).write_text("\n".join(lines) if name == "a.jsonl" else f"[{','.join(lines)}]")
    skipped: Counter[str] = Counter()
    texts = list(read_texts([tmp_path / name], "text", "title", skipped=skipped))
    assert texts == [Text(3 + number, title, text) for number, (title, text) in enumerate(PAIRS)]
    assert skipped == {"no_text": len(BAD)}


def test_a_line_that_is_not_json_costs_no_other(tmp_path: Path) -> None:
    lines = [
        '{"text": "cut o',
        json.dumps(RECORDS[0]),
        "<html>",
        "[" * 100_000,
        *map(json.dumps, RECORDS[1:]),
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    skipped: Counter[str] = Counter()
    assert found(tmp_path / "a.jsonl", skipped=skipped) == PAIRS
    assert skipped == {"not_json": 3}


def test_titles_may_be_missing_or_numbers(tmp_path: Path) -> None:
    records = [
        {"text": "a", "title": 7},
        {"text": "b", "title": None},
        {"text": "c"},
        {"text": "d", "title": ""},
    ]
    (tmp_path / "a.json").write_text(json.dumps(records))
    assert found(tmp_path / "a.json") == [("7", "a"), ("a 2", "b"), ("a 3", "c"), ("", "d")]
    with pytest.raises(InputError, match=r"has a title in the field 'name' .*: set corpus\.title to a field"):
        found(tmp_path / "a.json", title="name")


def test_half_characters_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "cut \\ud83d", "title": "\\ude42 x"}')
    assert found(tmp_path / "a.jsonl") == [("\ufffd x", "cut \ufffd")]
    file = tmp_path / os.fsdecode(b"caf\xe9.txt")
    file.write_text("text")
    (tmp_path / "b.txt").write_text("more")
    assert found(file, tmp_path / "b.txt") == [("caf\ufffd", "text"), ("b", "more")]


SHAPES: dict[str, str] = {
    "lines named .json": "\n".join(map(json.dumps, RECORDS)),
    "one record": json.dumps(RECORDS[0]),
    "under a name": json.dumps({"version": "1.0", "data": RECORDS}),
    "pandas": pd.DataFrame(RECORDS).to_json(),
    "pandas, index": pd.DataFrame(RECORDS).to_json(orient="index"),
    "pandas, table": pd.DataFrame(RECORDS).to_json(orient="table"),
    "columns": json.dumps({"text": [r["text"] for r in RECORDS], "title": [r["title"] for r in RECORDS]}),
    "lists under names": json.dumps({"tags": ["a"], "train": RECORDS[:1], "test": RECORDS[1:]}),
    "as jq writes": "\n".join(json.dumps(record, indent=2) for record in RECORDS),
    "without a line end": "".join(map(json.dumps, RECORDS)),
    "nothing, then lines": "[]\n" + "\n".join(map(json.dumps, RECORDS)),
    "a record by the name of the field": json.dumps({"text": RECORDS[0], "b": RECORDS[1], "c": RECORDS[2]}),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_of_json(shape: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(SHAPES[shape])
    assert found(tmp_path / "a.json") == PAIRS[: 1 if shape == "one record" else None]


@pytest.mark.parametrize(("content", "indent"), [(RECORDS, None), (RECORDS, 2), ({"data": RECORDS}, 2)])
def test_json_named_jsonl(content: object, indent: int | None, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(content, indent=indent))
    assert found(tmp_path / "a.jsonl") == PAIRS


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
@pytest.mark.parametrize("packed", [True, False])
def test_content_and_not_the_name_tells_what_is_compressed(name: str, packed: bool, tmp_path: Path) -> None:
    content = "\n".join(map(json.dumps, RECORDS)).encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if packed else content)
    assert found(tmp_path / name) == PAIRS


def test_a_compressed_table(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(RECORDS), tmp_path / "a.parquet")
    (tmp_path / "b.parquet.gz").write_bytes(gzip.compress((tmp_path / "a.parquet").read_bytes()))
    assert found(tmp_path / "b.parquet.gz") == PAIRS


@pytest.mark.parametrize("name", ["a.txt", "a.json", "a.jsonl"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a text".encode("utf-16"), "is UTF-16, not UTF-8: convert it to UTF-8"),
        ("a text".encode("utf-16-le"), "is UTF-16, not UTF-8: convert it to UTF-8"),
        ("a text".encode("utf-32-be"), "is UTF-16, not UTF-8: convert it to UTF-8"),
        (b"\x28\xb5\x2f\xfd1234", "is compressed by zstd: decompress it, or use gzip"),
        (lzma.compress(b"a"), "is compressed by xz"),
        (bz2.compress(b"a"), "is compressed by bzip2"),
        (b"PK\x03\x04\x14", "is a zip archive: unpack it"),
        (b"PAR1\x15", "is a Parquet file: name it .parquet"),
    ],
)
def test_what_only_has_the_name_of_a_text(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=said):
        found(tmp_path / name)


@pytest.mark.parametrize("name", ["a.txt", "a.json", "a.jsonl"])
@pytest.mark.parametrize("content", ["", " \n\n"])
def test_an_empty_file_costs_no_other(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    (tmp_path / "b.jsonl").write_text("\n".join(map(json.dumps, RECORDS)))
    assert [pair for pair in found(tmp_path / name, tmp_path / "b.jsonl") if pair[1]] == PAIRS


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("\r".join(map(json.dumps, RECORDS)), "they are not JSON"),
        ("\n".join(map(repr, RECORDS)), "they are not JSON"),
        ("\n".join(json.dumps(list(record.values())) for record in RECORDS), "they are not groups of fields"),
    ],
)
def test_why_no_line_has_a_text(content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(content)
    with pytest.raises(InputError, match=said):
        found(tmp_path / "a.jsonl")


def test_only_the_columns_that_are_wanted_are_read(tmp_path: Path) -> None:
    """Another may hold what Python has no value for."""
    far = pa.array([2**31 - 1] * 3, pa.int32()).cast(pa.date32())
    table = pa.Table.from_pylist(RECORDS).append_column("date", far)
    table = table.append_column("time", pa.array([2**62] * 3, pa.int64()).view(pa.timestamp("us")))
    pq.write_table(table, tmp_path / "a.parquet")
    assert found(tmp_path / "a.parquet") == PAIRS
    assert [text for _, text in found(tmp_path / "a.parquet", title="date")] == [text for _, text in PAIRS]


def test_damaged_and_other_values_of_a_parquet_column(tmp_path: Path) -> None:
    raw = pa.array([b"good", b"b\xffd", None, b"fine"])
    damaged = pa.Array.from_buffers(pa.string(), 4, raw.buffers(), raw.null_count)
    for number, kind in enumerate([damaged, raw, damaged.cast(pa.large_binary())]):
        pq.write_table(pa.table({"text": kind}), tmp_path / f"{number}.parquet")
        skipped: Counter[str] = Counter()
        texts = found(tmp_path / f"{number}.parquet", title=None, skipped=skipped)
        assert texts == [(f"{number} 1", "good"), (f"{number} 4", "fine")]
        assert skipped == {"no_text": 2}
    pq.write_table(pa.table({"text": [1, None]}), tmp_path / "n.parquet")
    assert found(tmp_path / "n.parquet", title=None) == [("n 1", "1")]
    pq.write_table(pa.table({"text": pa.array(["a", "a", "b"]).dictionary_encode()}), tmp_path / "d.parquet")
    assert [text for _, text in found(tmp_path / "d.parquet", title=None)] == ["a", "a", "b"]
    pq.write_table(pa.table({"text": [["a"], ["b"]], "body": ["c", "d"]}), tmp_path / "l.parquet")
    with pytest.raises(InputError, match=r"a text in the field 'text' \(what it holds is no text\)"):
        found(tmp_path / "l.parquet", title=None)
    pq.write_table(pa.table({"body": ["c", "d"]}), tmp_path / "o.parquet")
    with pytest.raises(InputError, match=r"a text in the field 'text' \(the first one has body\)"):
        found(tmp_path / "o.parquet", title=None)


@pytest.mark.parametrize(
    ("content", "separator", "texts"),
    [
        ("a\nb\n\nc", None, ["a\nb", "c"]),
        ("a\n \t\nb\n\u00a0\nc", None, ["a", "b", "c"]),
        ("a\r\rb\rc", None, ["a", "b\nc"]),
        ("a\r\n\r\nb", None, ["a", "b"]),
        ("a\nb\nc\n", "\n", ["a", "b", "c", ""]),
        ("a\n\nb\n<|endoftext|>\nc\n", None, ["a\n\nb", "c"]),
        ("a <|endoftext|> b", None, ["a <|endoftext|> b"]),
        ("a<|endoftext|>b", "<|endoftext|>", ["a", "b"]),
        ("a--b", "--", ["a", "b"]),
    ],
)
def test_documents_of_a_text_file(
    content: str, separator: str | None, texts: list[str], tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_bytes(content.encode())
    names = [f"a {number + 1}" for number in range(len(texts))]
    assert found(tmp_path / "a.txt", separator=separator) == list(zip(names, texts, strict=True))


@pytest.mark.parametrize("separator", ["\\n", "<|endoftext|>"])
def test_a_separator_that_is_nowhere_parts_nothing(separator: str, tmp_path: Path) -> None:
    """Without quotation marks \\n is a backslash and a letter."""
    (tmp_path / "a.txt").write_text("a\nb")
    (tmp_path / "b.txt").write_text("c")
    with pytest.raises(InputError, match=r"^corpus\.separator: '.*' stands in no \.txt file of the corpus:"):
        found(tmp_path / "a.txt", tmp_path / "b.txt", separator=separator)
    (tmp_path / "b.txt").write_text(f"c{separator}d")
    texts = found(tmp_path / "a.txt", tmp_path / "b.txt", separator=separator)
    assert [text for _, text in texts] == ["a\nb", "c", "d"]


def test_documents_of_several_text_files(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a\n\nb")
    (tmp_path / "b.txt").write_text("c\n<|endoftext|>\nd")
    assert found(tmp_path / "a.txt", tmp_path / "b.txt") == [("a", "a\n\nb"), ("b", "c"), ("b 2", "d")]
