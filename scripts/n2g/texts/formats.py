"""What the files of a corpus hold: the records of .json, .jsonl and .parquet files, the documents of .txt files."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from n2g.errors import InputError, first_line
from n2g.texts.sources import LINE_SUFFIXES, TEXT_SUFFIXES

if TYPE_CHECKING:
    import pyarrow as pa

_DAMAGED = (OSError, EOFError, zlib.error)  # what reading raises, of compressed files too
NOT_JSON = object()  # in the place of a line that is not JSON
# How files begin that their names can hide -> what a sentence says of them.
_OTHER_KINDS = {
    b"\x28\xb5\x2f\xfd": "is compressed by zstd: decompress it, or use gzip",
    b"\xfd7zXZ": "is compressed by xz: decompress it, or use gzip",
    b"BZh": "is compressed by bzip2: decompress it, or use gzip",
    b"PK\x03\x04": "is a zip archive: unpack it",
    b"PAR1": "is a Parquet file: name it .parquet",
    b"%PDF-": "is a PDF: extract its text",
    b"\xff\xfe": "is UTF-16, not UTF-8: convert it to UTF-8",
    b"\xfe\xff": "is UTF-16, not UTF-8: convert it to UTF-8",
}
_BLANK_LINE = re.compile(r"\n[^\S\n]*\n")
_END_OF_TEXT = re.compile(r"^[^\S\n]*<\|endoftext\|>[^\S\n]*$", re.MULTILINE)


def read_records(file: Path, fields: tuple[str, ...], separator: str | None, alone: bool) -> Iterator[Any]:
    """Read the records of a file, one after the other.

    Args:
        file: the file.
        fields: the fields that are wanted of each record; the one with the text is the first.
        separator: what stands between the documents of a .txt file; None for what is usual.
        alone: whether it is the only file, so that a .txt file holds several documents.

    Returns:
        Texts, mappings with the fields that a record has, and anything else that a list holds; NOT_JSON for a line
        that is not JSON.

    Raises:
        InputError: the file cannot be read as a whole.
    """
    kind = suffix(file)
    if kind == ".parquet":
        return _read_parquet(file, fields)
    if kind in (".json", *LINE_SUFFIXES):
        return _read_json(file, fields[0])
    if kind == ".txt":
        return iter(_documents(_decode(file), separator, alone))
    known = f"{', '.join(TEXT_SUFFIXES[:-1])} or {TEXT_SUFFIXES[-1]}"
    raise InputError(f"{file} has an unsupported format: use {known} files.")


def suffix(file: Path) -> str:
    """The suffix that tells a file's format, in lower case, without that of a compressed file."""
    return Path(file.name.lower().removesuffix(".gz")).suffix


def stem(file: Path) -> str:
    """A file's name without the suffixes that tell its format."""
    return (file.with_suffix("") if file.suffix.lower() == ".gz" else file).stem


def _opened(file: Path) -> BinaryIO:
    """A file's content, of a compressed one what it holds, whatever its name says."""
    with file.open("rb") as opened:
        begin = opened.read(8)
    if begin.startswith(b"\x1f\x8b"):
        return cast(BinaryIO, gzip.open(file))
    if found := next((what for magic, what in _OTHER_KINDS.items() if begin.startswith(magic)), None):
        raise InputError(f"{file} {found}.")
    # Of UTF-16 without a mark, every other byte of most texts is 0, which UTF-8 takes for a character.
    if len(begin) > 3 and any(begin) and not (any(begin[::2]) and any(begin[1::2])):
        raise InputError(f"{file} is UTF-16, not UTF-8: convert it to UTF-8.")
    return file.open("rb")


def _documents(content: str, separator: str | None, alone: bool) -> list[str]:
    if separator is not None:
        return content.split(separator)
    if _END_OF_TEXT.search(content):
        return _END_OF_TEXT.split(content)
    return _BLANK_LINE.split(content) if alone else [content]


def _decode(file: Path) -> str:
    try:
        with _opened(file) as opened:
            content = opened.read().decode("utf-8-sig").replace("\r\n", "\n")
    except _DAMAGED as error:
        raise _unreadable(file, error) from error
    except UnicodeDecodeError as error:
        raise _not_text(file, error.start) from error
    return content if "\n" in content else content.replace("\r", "\n")


def _unreadable(file: Path, error: Exception) -> InputError:
    why = error.strerror if isinstance(error, OSError) and error.strerror else first_line(error)
    return InputError(f"{file} cannot be read ({why}): check the corpus.")


def _not_text(file: Path, byte: int) -> InputError:
    return InputError(f"{file} is not UTF-8 at byte {byte}: convert it to UTF-8.")


def _read_json(file: Path, text: str) -> Iterator[Any]:
    """The records of a .json or .jsonl file, whichever of the two forms it is in: names mislead."""
    first = _first_line(file)
    if not first:
        return iter(())
    if suffix(file) in LINE_SUFFIXES and not first.startswith("[") and first != "{":
        return _read_lines(file)
    whole = _decode(file)
    try:
        content = json.loads(whole)
    except (ValueError, RecursionError) as error:
        if _parsed(first) is not NOT_JSON:
            return _read_lines(file)
        if values := _one_after_the_other(whole):
            return iter(values)
        raise InputError(f"{file} is not valid JSON ({first_line(error)}): check the corpus.") from error
    if not isinstance(content, dict | list):
        raise InputError(f"{file} contains neither a list nor an object of records: check the corpus.")
    return iter(content if isinstance(content, list) else _members(content, text))


def _one_after_the_other(content: str) -> list[Any]:
    """The values of a file with several, each on more than one line, as jq writes them; none where one is broken."""
    decoder, values = json.JSONDecoder(), []
    begin = len(content) - len(content.lstrip())
    try:
        while begin < len(content):
            value, end = decoder.raw_decode(content, begin)
            values.append(value)
            begin = next((at for at in range(end, len(content)) if not content[at].isspace()), len(content))
    except (ValueError, RecursionError):
        return []
    return values


def _members(content: Mapping[str, Any], text: str) -> Iterable[Any]:
    """The records of an object: a table of columns, one record, lists under names such as `data`, or its values."""
    column = content.get(text)
    if isinstance(column, list):
        return _rows(
            {name: dict(enumerate(values)) for name, values in content.items() if isinstance(values, list)}
        )
    if isinstance(column, dict) and text not in column:
        return _rows({name: values for name, values in content.items() if isinstance(values, dict)})
    if isinstance(column, str):
        return [content]
    if any(_has(value, text) for value in content.values()):
        return content.values()
    lists = [value for value in content.values() if isinstance(value, list)]
    of_records = [found for found in lists if any(_has(record, text) for record in found)]
    return chain(*of_records) if of_records else lists[0] if len(lists) == 1 else content.values()


def _has(record: Any, field: str) -> bool:
    return isinstance(record, dict) and field in record


def _rows(columns: Mapping[str, Mapping[Any, Any]]) -> Iterator[dict[str, Any]]:
    rows = dict.fromkeys(row for values in columns.values() for row in values)
    for row in rows:
        yield {name: values[row] for name, values in columns.items() if row in values}


def _first_line(file: Path) -> str:
    """The first line that is not empty."""
    try:
        with _opened(file) as lines:
            line = next((line for line in lines if line.strip(b" \t\r\n\xef\xbb\xbf")), b"")
    except _DAMAGED as error:
        raise _unreadable(file, error) from error
    return line.decode("utf-8-sig", "replace").strip()


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return NOT_JSON


def _read_lines(file: Path) -> Iterator[Any]:
    begin = 0  # of the line, in bytes
    try:
        with _opened(file) as lines:
            for number, line in enumerate(lines, start=1):
                content = line.decode("utf-8-sig" if number == 1 else "utf-8")
                if content.strip():
                    yield _parsed(content.removesuffix("\n").removesuffix("\r"))
                begin += len(line)
    except _DAMAGED as error:
        raise _unreadable(file, error) from error
    except UnicodeDecodeError as error:
        raise _not_text(file, begin + error.start) from error


def _read_parquet(file: Path, fields: tuple[str, ...]) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Without a buffer a whole row group's column is read at once.
        with pq.ParquetFile(_seekable(file), buffer_size=2**20) as opened:
            names = opened.schema_arrow.names
            wanted = [name for name in fields if name in names]
            for name in wanted:
                if names.count(name) > 1:
                    raise InputError(f"{file} has two columns named {name!r}: rename one of them.")
            if fields[0] not in names:
                yield from (dict.fromkeys(names) for _ in range(opened.metadata.num_rows))
                return
            for rows in opened.iter_batches(512, columns=wanted):
                columns = {name: _values(rows.column(name)) for name in wanted}
                for values in zip(*columns.values(), strict=True):
                    yield dict(zip(columns, values, strict=True))
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"{file} cannot be read as Parquet ({first_line(error)}): check the corpus."
        ) from error


def _seekable(file: Path) -> Path | BinaryIO:
    if file.suffix.lower() != ".gz":
        return file
    try:
        with _opened(file) as opened:
            return BytesIO(opened.read())
    except _DAMAGED as error:
        raise _unreadable(file, error) from error


def _values(column: pa.Array) -> list[Any]:
    """The values of a column: texts as bytes, which may be damaged; integers and dates as their text."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_floating(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return column.to_pylist()
    if pa.types.is_boolean(kind) or pa.types.is_nested(kind):
        return [None] * len(column)
    return column.cast(pa.string()).cast(pa.binary()).to_pylist()
