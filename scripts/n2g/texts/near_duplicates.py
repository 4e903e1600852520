"""Texts that are nearly the same as one taken before.

Candidates come from a MinHash index on disk; the exact Jaccard similarity of the 5-token shingles decides, so nothing
else is taken for a duplicate. Of texts just at the threshold the index misses at most one in a million, of more similar
ones fewer. Shingles are recomputed from the accepted texts, so memory does not grow with the texts. Seeds are fixed, so
the outcome depends on the texts and their order alone.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from sqlite3 import Connection

import numpy as np

_SHINGLE = 5  # tokens
_SKETCHED = 4096  # shingles at a time: bounds memory for a long text
_HASHES = 128  # of a MinHash
_MISSED = 1e-6  # share of the texts at the threshold that the index may miss


class NearDuplicates:
    """Recognise texts that share most of their 5-token shingles with an earlier one.

    Args:
        threshold: Jaccard similarity from which two texts count as the same.
        database: where the index is kept.
        taken: (where a text begins, how many tokens it has) -> its token ids, int32 [n_tokens].
    """

    def __init__(
        self, threshold: float, database: Connection, taken: Callable[[int, int], np.ndarray]
    ) -> None:
        from datasketch import MinHash

        self._threshold, self._database, self._taken = threshold, database, taken
        self._bands = bands(threshold)
        self._empty = MinHash(num_perm=_HASHES, seed=1, hashfunc=int)
        columns = "band INTEGER, begin INTEGER, length INTEGER, PRIMARY KEY (band, begin)"
        database.execute(f"CREATE TABLE bands ({columns}) WITHOUT ROWID")

    def seen(self, ids: np.ndarray, begin: int) -> bool:
        """Whether a text is a near-duplicate of one taken before; if not, it is taken.

        Args:
            ids: int32 [n_tokens], n_tokens > 0.
            begin: where it will be found if it is taken, another place for each text.
        """
        shingles = _shingles(ids)
        hashed = self._hashed(shingles)
        marks = ", ".join("?" * len(hashed))
        for found in self._database.execute(
            f"SELECT DISTINCT begin, length FROM bands WHERE band IN ({marks})", hashed
        ):
            other = _shingles(self._taken(*found))
            shared = len(np.intersect1d(shingles, other, assume_unique=True))
            union = len(shingles) + len(other) - shared
            if shared >= self._threshold * union:
                return True
        rows = [(band, begin, len(ids)) for band in hashed]
        self._database.executemany("INSERT OR IGNORE INTO bands VALUES (?, ?, ?)", rows)
        return False

    def _hashed(self, shingles: np.ndarray) -> list[int]:
        """A 64-bit number for each band of the text's MinHash."""
        sketch = self._empty.copy()
        values = (shingles >> np.uint64(32)).tolist()
        for start in range(0, len(values), _SKETCHED):
            sketch.update_batch(values[start : start + _SKETCHED])
        parts = (
            bytes([band]) + sketch.hashvalues[within].tobytes() for band, within in enumerate(self._bands)
        )
        return [
            int.from_bytes(blake2b(part, digest_size=8).digest(), "little", signed=True) for part in parts
        ]


def bands(threshold: float) -> list[slice]:
    """The parts of a MinHash by which texts are found: those that agree in one are candidates.

    Hashes of two texts agree with a probability that is their Jaccard similarity. The bands are as wide as they may be,
    since false candidates cost time; below a similarity of 0.11 even the narrowest miss more.
    """
    width = next(
        width for width in range(_HASHES, 0, -1) if missed(threshold, width) <= _MISSED or width == 1
    )
    return [slice(width * band, width * (band + 1)) for band in range(_HASHES // width)]


def missed(similarity: float, width: int) -> float:
    """The probability that two texts of some similarity agree in no band of this width."""
    return (1 - similarity**width) ** (_HASHES // width)


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
