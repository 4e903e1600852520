"""The documents of .json, .jsonl, .parquet and .txt files, one after the other: what a text is, and what its title."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from math import isfinite
from pathlib import Path

from n2g.errors import InputError
from n2g.texts.formats import NOT_JSON, read_records, stem, suffix

SKIPPED = ("no_text", "not_json")  # why a record is no document


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


def read_texts(
    files: Sequence[Path],
    text: str,
    title: str | None,
    separator: str | None = None,
    skipped: Counter[str] | None = None,
) -> Iterator[Text]:
    """Read the documents of .json, .jsonl, .parquet and .txt files.

    A .json file holds a list or an object of records (or of plain texts), or one of the other shapes in which records
    are stored. A .txt file is one document when there are several files; the documents of a single .txt file are
    separated by blank lines. Whitespace around a text is dropped; empty texts are passed on, so that they are counted.
    A record without a text is skipped, and one without a title is named by file and number. The documents of .jsonl and
    .parquet files are read as they are asked for; other files are held in memory as a whole.

    Args:
        files: the files, in order.
        text: the field or column with a document's text.
        title: the field or column with its title; None names documents by file and number.
        separator: what stands between the documents of a .txt file; None for blank lines or lines of <|endoftext|>.
        skipped: where records that are no documents are counted, by the reasons in SKIPPED.

    Raises:
        InputError: a file cannot be read or is not UTF-8, no record has the field, or the separator is nowhere.
    """
    skipped = Counter() if skipped is None else skipped
    fields = (text, title) if title else (text,)
    number, found, titled, parted = 0, False, False, False
    sample: Mapping | None = None
    for file in files:
        alone = len(files) == 1
        name_of, plain = stem(file), suffix(file) == ".txt"
        whole = plain and not alone
        for position, record in enumerate(read_records(file, fields, separator, alone)):
            parted |= plain and position > 0
            content, name = record, None
            if isinstance(record, Mapping):
                sample = sample or record
                content, name = record.get(text), as_text(record.get(title)) if title else None
                titled |= name is not None
            content = as_text(content)
            if content is None:
                skipped["not_json" if record is NOT_JSON else "no_text"] += 1
            else:
                found = True
                default = name_of if whole and not position else f"{name_of} {position + 1}"
                yield Text(number, (as_text(default) or "") if name is None else name, content.strip())
            number += 1
    if separator is not None and not parted and any(suffix(file) == ".txt" for file in files):
        raise InputError(
            f"corpus.separator: {separator!r} stands in no .txt file of the corpus: correct it, or set it to null. In "
            'double quotes, as "\\n", a line end is meant.'
        )
    if skipped.total() and not found:
        none = "they are not groups of fields" if skipped["no_text"] else "they are not JSON"
        raise InputError(_without(files, "text", text, sample, none))
    if title and sample and not titled:
        raise InputError(_without(files, "title", title, sample))


def as_text(value: object) -> str | None:
    """A value as text: numbers and dates as they are written, half characters replaced; None if it is no text."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return None
    if isinstance(value, float) and not isfinite(value):  # how tables write that there is none
        return None
    if isinstance(value, int | float | Decimal | date | time) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        return None
    try:
        value.encode()
    except UnicodeEncodeError:
        # A surrogate without its other half, as in what was cut off at a number of UTF-16 units.
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def _without(files: Sequence[Path], what: str, field: str, record: Mapping | None, none: str = "") -> str:
    where = str(files[0]) if len(files) == 1 else f"{files[0]} and the other files"
    if record is None:
        return f"no record of {where} has a {what} in the field {field!r} ({none}): write one JSON object a record."
    if field in record:
        fields = f"what it holds is no {what}"
    else:
        fields = f"the first one has {', '.join(map(str, record)) or 'no field'}"
    return (
        f"no record of {where} has a {what} in the field {field!r} ({fields}): set corpus.{what} to a field that "
        f"contains {what}s."
    )
