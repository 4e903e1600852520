"""The documents of .json, .jsonl, .parquet and .txt files, one after the other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from n2g.errors import InputError, first_line


@dataclass(frozen=True)
class Text:
    """A document of the source: its number there (from 0), its title and the text itself."""

    number: int
    title: str
    text: str

    @property
    def digest(self) -> bytes:
        """SHA-256 of the text in UTF-8."""
        return hashlib.sha256(self.text.encode()).digest()


def read_texts(files: Sequence[Path], text: str, title: str | None) -> Iterator[Text]:
    """Read the documents of .json, .jsonl, .parquet and .txt files.

    A .json file holds a list or an object of records (or of plain texts). A .txt file is one document when
    there are several files; the documents of a single .txt file are separated by blank lines. Whitespace
    around a text is dropped; empty texts are passed on, so that they are counted. The documents of .jsonl and
    .parquet files are read as they are asked for; files of the other formats are held in memory as a whole.

    Args:
        files: the files, in order.
        text: the field or column with a document's text.
        title: the field or column with its title; None names documents by file and number.

    Raises:
        InputError: a file cannot be read, is not UTF-8, or lacks the field.
    """
    number = 0
    for file in files:
        readers = {".json": _read_json, ".jsonl": _read_lines, ".parquet": _read_parquet}
        if file.suffix in readers:
            records = readers[file.suffix](file)
        elif file.suffix == ".txt":
            records = iter(_decode(file).split("\n\n") if len(files) == 1 else [_decode(file)])
        else:
            raise InputError(f"{file} has an unsupported format: use .json, .jsonl, .parquet or .txt files.")
        for position, record in enumerate(records):
            content = record if isinstance(record, str) else _field(file, position, record, text)
            default = file.stem if file.suffix == ".txt" and len(files) > 1 else f"{file.stem} {position + 1}"
            name = _field(file, position, record, title) if title and not isinstance(record, str) else default
            yield Text(number, name, content.strip())
            number += 1


def _decode(file: Path) -> str:
    try:
        content = file.read_bytes()
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        raise _unreadable(file, error) from error
    except UnicodeDecodeError as error:
        raise _not_text(file, error.start) from error


def _unreadable(file: Path, error: OSError) -> InputError:
    return InputError(f"{file} cannot be read ({error.strerror}): check the corpus.")


def _not_text(file: Path, byte: int) -> InputError:
    return InputError(f"{file} is not UTF-8 at byte {byte}: convert it to UTF-8.")


def _read_json(file: Path) -> Iterator[object]:
    try:
        content = json.loads(_decode(file))
    except ValueError as error:
        raise InputError(f"{file} is not valid JSON ({error}): check the corpus.") from error
    if not isinstance(content, dict | list):
        raise InputError(f"{file} contains neither a list nor an object of records: check the corpus.")
    yield from content.values() if isinstance(content, dict) else content


def _read_lines(file: Path) -> Iterator[object]:
    begin = 0  # of the line, in bytes
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                content = line.decode("utf-8-sig" if number == 1 else "utf-8")
                if content.strip():
                    yield json.loads(content.removesuffix("\n").removesuffix("\r"))
                begin += len(line)
    except OSError as error:
        raise _unreadable(file, error) from error
    except UnicodeDecodeError as error:
        raise _not_text(file, begin + error.start) from error
    except ValueError as error:
        raise InputError(f"{file} is not valid JSON in line {number} ({error}): check the corpus.") from error


def _read_parquet(file: Path) -> Iterator[object]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Without a buffer a whole row group's column is read at once.
        with pq.ParquetFile(file, buffer_size=2**20) as opened:
            for rows in opened.iter_batches(512):
                yield from rows.to_pylist()
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{file} cannot be read as Parquet ({first_line(error)}): check the corpus."
        ) from error


def _field(file: Path, position: int, record: object, name: str) -> str:
    if not isinstance(record, dict) or not isinstance(record.get(name), str):
        fields = ", ".join(record) if isinstance(record, dict) else type(record).__name__
        raise InputError(
            f"{file} has no text in the field {name!r} of record {position + 1} (it has {fields}): "
            "set corpus.text and corpus.title to fields that contain text."
        )
    return record[name]
