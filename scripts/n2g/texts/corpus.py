"""Texts to token ids: tokenise, drop near-duplicates, split.

A text is one document of the source. Texts are taken in the order of their SHA-256, which is random but
fixed, so that a smaller limit takes the first part of what a larger one takes. Of near-duplicates the first
in that order stays. The split is drawn from other bits of the same hash, so it depends on nothing but the
text itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import numpy as np
import pyarrow as pa

from n2g.errors import InputError, first_line
from n2g.files.atomic import scratch_database
from n2g.files.contracts import CONTRACTS
from n2g.files.tables import growing_array
from n2g.texts.near_duplicates import NearDuplicates
from n2g.texts.pairs import PairCounts
from n2g.texts.readers import Text

SPLITS = ("train", "validation", "test")
_SHARES = (0.6, 0.8, 1.0)  # cumulative
_BATCH, _BYTES = 512, 2**20  # texts that are tokenised together: at most so many, and about so many bytes
_ROWS = 4096
_SCHEMA = CONTRACTS["documents"].schema

Encoder = Callable[[list[str]], Sequence[Sequence[int]]]


@dataclass(frozen=True)
class Limits:
    """How texts are selected and divided.

    Attributes:
        max_tokens: stop once so many tokens are taken, begin-of-sequence tokens included; None takes all.
        max_length: longest sequence in tokens, begin-of-sequence token included.
        min_length: fewest tokens of a text, excluding the begin-of-sequence token.
        near_duplicates: Jaccard similarity of 5-token shingles from which texts count as duplicates; None for
            off.
        further_tokens: in this many tokens after those, pairs are counted too; None counts no pairs, each of which
            takes memory.
    """

    max_tokens: int | None = None
    max_length: int = 256
    min_length: int = 8
    near_duplicates: float | None = 0.8
    further_tokens: int | None = None

    def check(self, n_ctx: int) -> None:
        """Raise :class:`InputError` if sequences would be longer than the model takes (``n_ctx`` tokens)."""
        if self.max_length > n_ctx:
            raise InputError(
                f"corpus.max_length: {self.max_length} exceeds the model's context: choose at most {n_ctx}."
            )


@dataclass(frozen=True)
class Corpus:
    """The token sequences and their counts.

    Attributes:
        documents: the `documents` table.
        counts: what was read, left out and kept.
        pairs: columns of the `pairs` table, of all texts but those of the test split.
    """

    documents: pa.Table
    counts: dict[str, object]
    pairs: dict[str, np.ndarray]


def split_of(digest: bytes) -> str:
    """``train`` (60 %), ``validation`` or ``test`` (20 % each), from the last 8 bytes of a text's SHA-256."""
    share = int.from_bytes(digest[-8:], "big") / 2**64
    return next(name for name, bound in zip(SPLITS, _SHARES, strict=True) if share < bound)


def pieces(length: int, longest: int) -> list[range]:
    """Divide ``length`` tokens into the fewest pieces of at most ``longest``, equal in length to within one token.

    >>> pieces(10, 4)
    [range(0, 3), range(3, 6), range(6, 10)]
    """
    count = -(-length // longest)
    bounds = [length * number // count for number in range(count + 1)]
    return [range(first, last) for first, last in pairwise(bounds)]


def build(texts: Iterable[Text], encode: Encoder, bos: int, limits: Limits, path: Path) -> Corpus:
    """Turn texts into a corpus.

    The texts and what is to be known of each wait on disk, in a file without a name in the folder of `path`. Memory
    holds some of them at a time, and the rows of the `documents` table.

    Args:
        texts: the documents of the source.
        encode: texts -> their token ids, without special tokens.
        bos: token id put before every sequence.
        limits: see :class:`Limits`.
        path: .npy file to write: all sequences one after the other, int32 [n_tokens].

    Raises:
        InputError: nothing is left, or the disk has no room.
    """
    with growing_array(path, np.int32) as tokens, scratch_database(path.parent) as database:
        read, unique = _stored(database, texts)
        longest = limits.max_length - 1

        def taken(begin: int, length: int) -> np.ndarray:
            parts = pieces(length, longest)
            found = tokens.read(begin, begin + length + len(parts))
            return np.delete(found, [part.start + number for number, part in enumerate(parts)])  # bos

        threshold = limits.near_duplicates
        duplicates = NearDuplicates(threshold, database, taken) if threshold is not None else None
        counts = dict.fromkeys(("kept", "too_short", "near_duplicates"), 0)
        documents, further = _Documents(), 0
        pairs = PairCounts() if limits.further_tokens is not None else None
        for digest, number, title, ids in _encoded(database, encode):
            if limits.max_tokens is not None and len(tokens) >= limits.max_tokens:
                if further >= (limits.further_tokens or 0):
                    break
                further += len(ids)
                _add_pairs(pairs, digest, ids, longest)
                continue
            if len(ids) < limits.min_length:
                counts["too_short"] += 1
                continue
            if duplicates is not None and duplicates.seen(ids, len(tokens)):
                counts["near_duplicates"] += 1
                continue
            counts["kept"] += 1
            for piece, part in enumerate(pieces(len(ids), longest)):
                place, split = len(tokens), split_of(digest)
                tokens.append(np.array([bos], np.int32))
                tokens.append(ids[part.start : part.stop])
                documents.add(number, piece, title, split, place, len(tokens) - place, digest.hex())
            _add_pairs(pairs, digest, ids, longest)
        if not len(tokens):
            raise InputError(
                f"every text of the corpus is shorter than {limits.min_length} tokens: lower corpus.min_length "
                "or choose another corpus."
            )
        found = {
            "texts": {"read": read, "exact_duplicates": read - unique, **counts},
            "sequences": documents.sequences,
            "tokens": {**documents.tokens, "total": len(tokens), "further": further},
        }
        return Corpus(documents.table(), found, (pairs or PairCounts()).columns())


def require_splits(counts: Mapping[str, Any]) -> None:
    """Raise InputError where a split of a corpus has no document: each is needed, to fit, to choose or to score."""
    empty = [name for name, found in counts["sequences"].items() if not found]
    if empty:
        kept = counts["texts"]["kept"]
        raise InputError(
            f"the corpus has {kept} document{'s' * (kept != 1)} after short ones and duplicates are dropped, none of "
            f"which falls into the {empty[0]} split: name more texts in corpus.source, raise corpus.max_tokens, or "
            "name what stands between the documents of a .txt file in corpus.separator."
        )


def _add_pairs(pairs: PairCounts | None, digest: bytes, ids: np.ndarray, longest: int) -> None:
    """Count the pairs within the pieces of a text. A test text counts for nothing, even one beyond the limit, on which
    a larger run would test.

    digest: of the text. ids: int [n_tokens].
    """
    if pairs is not None and split_of(digest) != "test":
        for part in pieces(len(ids), longest):
            pairs.add(ids[part.start : part.stop])


def _stored(database: Connection, texts: Iterable[Text]) -> tuple[int, int]:
    """Put the texts into a table of their own, each once. How many were read, and how many of them are distinct."""
    database.execute("CREATE TABLE texts (digest BLOB, number INTEGER, title TEXT, text BLOB)")
    database.execute("CREATE UNIQUE INDEX by_digest ON texts (digest)")
    read = unique = 0
    for text in texts:
        row = (text.digest, text.number, text.title, text.text.encode())
        unique += database.execute("INSERT OR IGNORE INTO texts VALUES (?, ?, ?, ?)", row).rowcount
        read += 1
    if not database.execute("SELECT 1 FROM texts WHERE length(text) LIMIT 1").fetchone():
        raise InputError("the corpus is empty: name a source with texts in corpus.source.")
    return read, unique


class _Documents:
    """The rows of the `documents` table, most of them as a table already, which takes less memory."""

    def __init__(self) -> None:
        self.sequences, self.tokens = dict.fromkeys(SPLITS, 0), dict.fromkeys(SPLITS, 0)
        self._rows: list[tuple] = []
        self._tables: list[pa.Table] = []

    def add(
        self, text: int, piece: int, title: str, split: str, offset: int, length: int, sha256: str
    ) -> None:
        number = sum(self.sequences.values())
        self._rows.append((number, text, piece, title, split, offset, length, sha256))
        self.sequences[split] += 1
        self.tokens[split] += length
        if len(self._rows) == _ROWS:
            self._pack()

    def table(self) -> pa.Table:
        self._pack()
        return pa.concat_tables(self._tables)

    def _pack(self) -> None:
        columns = list(zip(*self._rows, strict=True)) or [()] * len(_SCHEMA)
        arrays = [pa.array(column, field.type) for column, field in zip(columns, _SCHEMA, strict=True)]
        self._tables.append(pa.Table.from_arrays(arrays, schema=_SCHEMA))
        self._rows.clear()


def _encoded(database: Connection, encode: Encoder) -> Iterator[tuple[bytes, int, str, np.ndarray]]:
    """Digest, number, title and token ids (int32 [n_tokens]) of each text, tokenised lazily, batch by batch."""
    rows: list[tuple] = []
    size = 0

    def encoded() -> Iterator[tuple[bytes, int, str, np.ndarray]]:
        found = encode([content.decode() for *_, content in rows])
        for (digest, number, title, _), ids in zip(rows, found, strict=True):
            yield digest, number, title, np.array(ids, np.int32)

    query = "SELECT digest, number, title, text FROM texts INDEXED BY by_digest ORDER BY digest"
    for row in database.execute(query):
        rows.append(row)
        size += len(row[-1])
        if len(rows) == _BATCH or size >= _BYTES:
            yield from encoded()
            rows, size = [], 0
    yield from encoded()


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
    """Texts -> token ids with a tokenizer.json, without special tokens.

    Names of special tokens that occur in a text are tokenised as ordinary text. Raises InputError where the file is no
    tokenizer.
    """
    from tokenizers import Tokenizer

    try:
        loaded = Tokenizer.from_file(str(tokenizer))
    except Exception as error:  # the library raises no other
        raise InputError(
            f"{tokenizer} cannot be read as a tokenizer ({first_line(error)}): name a tokenizer.json."
        ) from error
    loaded.no_truncation()
    loaded.no_padding()
    loaded.encode_special_tokens = True
    return lambda texts: [found.ids for found in loaded.encode_batch_fast(texts, add_special_tokens=False)]
