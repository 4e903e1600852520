"""Any file of texts is read or refused in one sentence; so is any token of a tokenizer."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fuzzing import fuzz, refused_in_one_sentence, scalars, values
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models

from n2g.graphs.token_display import excerpt, is_hidden, plain, visible
from n2g.model.vocabulary import vocabulary
from n2g.texts.readers import read_texts

FIELDS = st.sampled_from(["text", "title", "data", "", "é"])
records = st.dictionaries(FIELDS, values, max_size=3)
shapes = st.one_of(
    values,
    records,
    st.lists(records),
    st.dictionaries(st.text(), records),
    st.dictionaries(FIELDS, st.lists(scalars)),
)
lines = st.lists(shapes.map(json.dumps) | st.text(max_size=8)).map("\n".join)
content = st.one_of(
    st.binary(),
    shapes.map(lambda shape: json.dumps(shape).encode()),
    lines.map(str.encode),
    st.text().map(lambda text: text.encode("utf-16")),
    st.text().map(lambda text: gzip.compress(text.encode())),
    st.binary().map(lambda given: gzip.compress(given)[:-3]),
)
SUFFIXES = [".json", ".jsonl", ".ndjson", ".txt", ".parquet", ".JSON", ".txt.gz", ".jsonl.gz", ".json.GZ"]


def read(path: Path, separator: str | None) -> None:
    for title in (None, "title"):
        with refused_in_one_sentence():
            for text in read_texts([path], "text", title, separator):
                assert text.text.encode() is not None and text.title.encode() is not None


@fuzz
@given(content, st.sampled_from(SUFFIXES), st.none() | st.text(min_size=1, max_size=3))
@example(b'{"\\n":{}}', ".jsonl", None)
def test_any_file(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, suffix: str, separator: str | None
) -> None:
    path = tmp_path_factory.getbasetemp() / f"any{suffix}"
    path.write_bytes(content)
    read(path, separator)


columns = st.sampled_from(
    [
        pa.array(["a", None, "b"]),
        pa.array(["a", "b", "a"]).dictionary_encode(),
        pa.array([b"\xff", b"a", None]),
        pa.array([1, 2, 3]),
        pa.array([0.5, float("nan"), None]),
        pa.array([[1], None, []]),
        pa.array([{"a": 1}, None, {"a": 2}]),
        pa.array([None, None, None]),
        pa.array([True, False, None]),
        pa.array([0, 1, 2], pa.timestamp("ns", "Europe/Rome")),
        pa.array([0, 1, 2], pa.duration("ns")),
        pa.array([0, 1, 2**40], pa.time64("ns")),
        pa.array([1, 2, 3], pa.decimal128(38, 3)),
        pa.array([1.0, 2.0, 3.0], pa.float16()),
        pa.array([1, 2, 3], pa.date64()),
        pa.array([b"ab", b"cd", None], pa.binary(2)),
        pa.array(["a", None, "c"], pa.string_view()),
    ]
)


@fuzz
@given(st.lists(st.tuples(FIELDS, columns), max_size=3))
def test_any_table(tmp_path_factory: pytest.TempPathFactory, given_columns: list[tuple[str, Any]]) -> None:
    path = tmp_path_factory.getbasetemp() / "any.parquet"
    names, arrays = [name for name, _ in given_columns], [array for _, array in given_columns]
    pq.write_table(pa.table(arrays, names) if names else pa.table({}), path)
    read(path, None)


@fuzz
@given(
    st.lists(
        st.text() | st.sampled_from(["<0x0A>", "<0xE6>", "▁", "▁▁", "##", "</w>", "x", "<0x"]),
        min_size=1,
        unique=True,
    )
)
def test_any_token_has_a_text_that_can_be_seen(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "tokenizer.json"
    numbered = {piece: number for number, piece in enumerate(pieces)}
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    for decoder in (
        None,
        decoders.Sequence(steps),
        decoders.WordPiece(),
        decoders.BPEDecoder("</w>"),
        decoders.ByteLevel(),
    ):
        made = Tokenizer(models.WordLevel(numbered, unk_token=pieces[0]))
        if decoder is not None:
            made.decoder = decoder
        made.save(str(path))
        texts = vocabulary(path, 0)["text"]
        assert len(texts) == len(pieces)
        for shown in [*map(visible, texts), *map(plain, texts), *excerpt(texts)]:
            assert not any(is_hidden(character) for character in shown.replace(" ", ""))
        assert all(map(visible, texts))
