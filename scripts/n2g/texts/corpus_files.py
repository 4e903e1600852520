"""The files of a tokenised corpus, read into the forms that the library works with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute

from n2g.files.tables import new_array, read_array, read_table, write_array
from n2g.texts.documents import SPLITS, Documents
from n2g.texts.positions import Places, find_places


def load_documents(folder: Path) -> Documents:
    """The tokenised corpus of a run. Raises InputError where a file is missing or damaged."""
    table = read_table(folder / "documents.parquet", "documents", ["split", "offset", "length"])
    split = pyarrow.compute.index_in(table["split"], pa.array(SPLITS))
    return Documents(
        tokens=read_array(folder / "tokens.npy", np.int32),
        offsets=table["offset"].to_numpy(),
        lengths=table["length"].to_numpy().astype(np.int64),
        split=split.to_numpy().astype(np.int8),
        read_places=lambda: read_places(folder),
    )


def load_words(folder: Path) -> list[str]:
    """The text of every token id of a run. Raises InputError where the file is missing or damaged."""
    return read_table(folder / "vocabulary.parquet", "vocabulary")["text"].to_pylist()


def read_places(folder: Path) -> Places:
    """The positions of the tokens of a corpus. Raises InputError where a file is missing or damaged."""
    positions = read_array(folder / "positions.npy", np.int64)
    return Places(np.asarray(positions), np.array(read_array(folder / "counts.npy", np.int64, 2)))


def write_places(folder: Path, documents: Documents) -> None:
    """Find the positions of the tokens of a corpus and write them to disk, without holding them in memory."""
    with new_array(folder / "positions.npy", np.int64) as room:
        found = find_places(documents.tokens, documents.offsets, documents.lengths, documents.split, room)
    write_array(folder / "counts.npy", found.counts)


def load_texts_for_fitting(corpus: Path) -> Documents:
    """The corpus as all fitting code must read it: without test documents."""
    return load_documents(corpus).without_test()
