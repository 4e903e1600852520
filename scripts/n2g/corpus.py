"""Texts to token ids: read, tokenise, drop near-duplicates, split.

A text is one document of the source. Texts are taken in the order of their SHA-256, which is random but
fixed, so that a smaller limit takes the first part of what a larger one takes. Of near-duplicates the first
in that order stays. The split is drawn from other bits of the same hash, so it depends on nothing but the
text itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from n2g.errors import InputError

SPLITS = ("train", "validation", "test")
_SHARES = (0.6, 0.8, 1.0)  # cumulative
_SHINGLE = 5  # tokens

Encoder = Callable[[list[str]], Sequence[Sequence[int]]]


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


@dataclass(frozen=True)
class Limits:
    """What becomes of texts.

    Attributes:
        max_tokens: stop once so many tokens are taken, begin-of-sequence tokens included; None takes all.
        max_length: longest sequence in tokens, begin-of-sequence token included.
        min_length: fewest tokens of a text, begin-of-sequence token not counted.
        near_duplicates: Jaccard similarity of 5-token shingles from which texts count as duplicates; None for
            off.
    """

    max_tokens: int | None = None
    max_length: int = 256
    min_length: int = 8
    near_duplicates: float | None = 0.8

    def check(self, n_ctx: int) -> None:
        """Raise :class:`InputError` if sequences would be longer than the model takes (``n_ctx`` tokens)."""
        if self.max_length > n_ctx:
            raise InputError(
                f"corpus.max_length: {self.max_length} is more than this model takes: choose at most {n_ctx}."
            )


@dataclass
class Corpus:
    """Token sequences, each beginning with the begin-of-sequence token.

    Attributes:
        tokens: int32 [n_tokens], all sequences one after the other.
        documents: the columns of the ``documents`` table.
        counts: what was read, left out and kept.
    """

    tokens: np.ndarray
    documents: dict[str, list]
    counts: dict[str, object] = field(default_factory=dict)


def split_of(digest: bytes) -> str:
    """``train`` (60 %), ``validation`` or ``test`` (20 % each), from the last 8 bytes of a text's SHA-256."""
    share = int.from_bytes(digest[-8:], "big") / 2**64
    return next(name for name, bound in zip(SPLITS, _SHARES, strict=True) if share < bound)


def pieces(length: int, longest: int) -> list[range]:
    """Cut ``length`` tokens into the fewest pieces of at most ``longest``, of equal length but for one token.

    >>> pieces(10, 4)
    [range(0, 3), range(3, 6), range(6, 10)]
    """
    count = -(-length // longest)
    bounds = [length * number // count for number in range(count + 1)]
    return [range(first, last) for first, last in pairwise(bounds)]


def read_texts(files: Sequence[Path], text: str, title: str | None) -> Iterator[Text]:
    """Read the documents of .json, .jsonl, .parquet and .txt files.

    A .json file holds a list or an object of records (or of plain texts). A .txt file is one document when
    there are several files; the documents of a single .txt file are separated by blank lines. White space
    around a text is dropped; empty texts are passed on, so that they are counted.

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
            raise InputError(f"{file} is of no known format: give .json, .jsonl, .parquet or .txt files.")
        for position, record in enumerate(records):
            content = record if isinstance(record, str) else _field(file, position, record, text)
            default = file.stem if file.suffix == ".txt" and len(files) > 1 else f"{file.stem} {position + 1}"
            name = _field(file, position, record, title) if title and not isinstance(record, str) else default
            yield Text(number, name, content.strip())
            number += 1


def build(texts: Iterable[Text], encode: Encoder, bos: int, limits: Limits) -> Corpus:
    """Turn texts into a corpus.

    Args:
        texts: the documents of the source.
        encode: texts -> their token ids, without special tokens.
        bos: token id put before every sequence.
        limits: see :class:`Limits`.

    Raises:
        InputError: nothing is left.
    """
    unique: dict[bytes, Text] = {}
    read = 0
    for text in texts:
        read += 1
        unique.setdefault(text.digest, text)
    ordered = sorted(unique.items())
    if not any(text.text for _, text in ordered):
        raise InputError("the corpus is empty: name a source with texts in corpus.source.")

    duplicates = NearDuplicates(limits.near_duplicates) if limits.near_duplicates is not None else None
    counts = dict.fromkeys(("kept", "too_short", "near_duplicates"), 0)
    sequences: list[np.ndarray] = []
    rows: list[tuple] = []
    total = 0
    for (digest, text), ids in zip(ordered, _encoded(ordered, encode), strict=True):
        if limits.max_tokens is not None and total >= limits.max_tokens:
            break
        if len(ids) < limits.min_length:
            counts["too_short"] += 1
            continue
        if duplicates is not None and duplicates.seen(ids):
            counts["near_duplicates"] += 1
            continue
        counts["kept"] += 1
        for piece, part in enumerate(pieces(len(ids), limits.max_length - 1)):
            sequence = np.concatenate([np.array([bos], np.int32), ids[part.start : part.stop]])
            rows.append(
                (
                    len(rows),
                    text.number,
                    piece,
                    text.title,
                    split_of(digest),
                    total,
                    len(sequence),
                    digest.hex(),
                )
            )
            sequences.append(sequence)
            total += len(sequence)
    if not rows:
        raise InputError(
            f"every text of the corpus is shorter than {limits.min_length} tokens: lower corpus.min_length "
            "or choose another corpus."
        )
    names = ("document", "text", "piece", "title", "split", "offset", "length", "sha256")
    documents = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    per_split = {
        name: sum(n for n, s in zip(documents["length"], documents["split"], strict=True) if s == name)
        for name in SPLITS
    }
    found = {
        "texts": {"read": read, "exact_duplicates": read - len(unique), **counts},
        "sequences": {name: documents["split"].count(name) for name in SPLITS},
        "tokens": {**per_split, "total": total},
    }
    return Corpus(np.concatenate(sequences), documents, found)


class NearDuplicates:
    """Recognise texts that share most of their 5-token shingles with an earlier one.

    Candidates come from a MinHash index (128 permutations, tuned to miss few); the exact Jaccard similarity
    of the shingle sets decides. Fixed seeds make the outcome depend on the texts and their order alone.
    """

    def __init__(self, threshold: float) -> None:
        from datasketch import MinHash, MinHashLSH

        self._threshold = threshold
        # False candidates only cost time, so the index is tuned to avoid missed ones.
        self._index = MinHashLSH(threshold=threshold, num_perm=128, weights=(0.1, 0.9))
        self._empty = MinHash(num_perm=128, seed=1, hashfunc=int)
        self._shingles: list[np.ndarray] = []

    def seen(self, ids: np.ndarray) -> bool:
        """Whether a text is a near-duplicate of one taken before; if not, it is taken.

        Args:
            ids: int32 [n_tokens], n_tokens > 0.
        """
        shingles = _shingles(ids)
        sketch = self._empty.copy()
        sketch.update_batch((shingles >> np.uint64(32)).tolist())
        for candidate in self._index.query(sketch):
            shared = len(np.intersect1d(shingles, self._shingles[candidate], assume_unique=True))
            union = len(shingles) + len(self._shingles[candidate]) - shared
            if shared >= self._threshold * union:
                return True
        self._index.insert(len(self._shingles), sketch)
        self._shingles.append(shingles)
        return False


def _shingles(ids: np.ndarray) -> np.ndarray:
    """The set of 5-token shingles as sorted 64-bit hashes, uint64 [n]; a shorter text is one shingle."""
    windows = np.lib.stride_tricks.sliding_window_view(ids, min(_SHINGLE, len(ids)))
    value = np.full(len(windows), windows.shape[1], np.uint64)
    for column in windows.T:  # splitmix64, token by token
        value = (value ^ column.astype(np.uint64)) + np.uint64(0x9E3779B97F4A7C15)
        value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        value ^= value >> np.uint64(31)
    return np.unique(value)


def _encoded(
    ordered: Sequence[tuple[bytes, Text]], encode: Encoder, batch: int = 512
) -> Iterator[np.ndarray]:
    """Token ids of each text, int32 [n_tokens], made batch by batch as they are asked for."""
    for start in range(0, len(ordered), batch):
        for ids in encode([text.text for _, text in ordered[start : start + batch]]):
            yield np.array(ids, np.int32)


def _decode(file: Path) -> str:
    try:
        content = file.read_bytes()
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}): check the corpus.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not UTF-8 at byte {error.start}: convert it to UTF-8.") from error


def _read_json(file: Path) -> Iterator[object]:
    try:
        content = json.loads(_decode(file))
    except ValueError as error:
        raise InputError(f"{file} is not valid JSON ({error}): check the corpus.") from error
    if not isinstance(content, dict | list):
        raise InputError(f"{file} holds neither a list nor an object of records: check the corpus.")
    yield from content.values() if isinstance(content, dict) else content


def _read_lines(file: Path) -> Iterator[object]:
    for number, line in enumerate(_decode(file).split("\n"), start=1):
        if line.strip():
            try:
                yield json.loads(line)
            except ValueError as error:
                raise InputError(
                    f"{file} is not valid JSON in line {number} ({error}): check the corpus."
                ) from error


def _read_parquet(file: Path) -> Iterator[object]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as opened:
            for rows in opened.iter_batches(4096):
                yield from rows.to_pylist()
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise InputError(f"{file} cannot be read as Parquet ({reason}): check the corpus.") from error


def _field(file: Path, position: int, record: object, name: str) -> str:
    if not isinstance(record, dict) or not isinstance(record.get(name), str):
        fields = ", ".join(record) if isinstance(record, dict) else type(record).__name__
        raise InputError(
            f"{file} has no text in the field {name!r} of record {position + 1} (it has {fields}): "
            "set corpus.text and corpus.title to fields that hold text."
        )
    return record[name]


def begin_token(chosen: int | None, bos: int | None, eos: int | None, d_vocab: int) -> int:
    """The token id before every sequence: the chosen one, or the model's begin token, or its end token.

    Raises:
        InputError: there is none, or the chosen one is not in the vocabulary.
    """
    found = next((token for token in (chosen, bos, eos) if token is not None), None)
    if found is None:
        raise InputError(
            "corpus.bos: the model has no begin-of-sequence token: give the id of a token to use."
        )
    if found >= d_vocab:
        raise InputError(
            f"corpus.bos: {found} is not in the model's vocabulary: choose an id below {d_vocab}."
        )
    return found


def encoder(tokenizer: Path) -> Encoder:
    """Texts -> token ids by a tokenizer.json, without special tokens.

    Names of special tokens that occur in a text are tokenised as ordinary text.
    """
    from tokenizers import Tokenizer

    loaded = Tokenizer.from_file(str(tokenizer))
    loaded.no_truncation()
    loaded.no_padding()
    loaded.encode_special_tokens = True
    return lambda texts: [found.ids for found in loaded.encode_batch_fast(texts, add_special_tokens=False)]
