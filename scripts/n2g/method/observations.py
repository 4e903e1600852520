"""Reading what earlier stages wrote into the forms that the library works with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute

from n2g.errors import InputError
from n2g.files.tables import read_arrays, read_table, remedy
from n2g.texts.corpus_files import load_documents
from n2g.texts.documents import SPLITS, Documents


@dataclass(frozen=True)
class Observations:
    """What the pass over the corpus found for a block of neurons: three tables and the random pools."""

    statistics: pa.Table
    firings: pa.Table
    examples: pa.Table
    pools: Mapping[str, np.ndarray]

    def without_test(self, documents: Documents) -> Observations:
        """What fitting may use: nothing that was observed on a test document.

        documents: the whole corpus. The statistics' `maximum` is of training documents; their other columns
        describe all texts and are for reading only.
        """
        test = SPLITS.index("test")
        position = self.firings["position"].to_numpy()
        return replace(
            self,
            firings=self.firings.filter(pa.array(documents.split[documents.document_at(position)] != test)),
            examples=self.examples.filter(pa.compute.not_equal(self.examples["split"], "test")),
            pools={name: array for name, array in self.pools.items() if not name.startswith("test")},
        )


def load_observations(folder: Path) -> Observations:
    """What the pass over the corpus wrote for a block. Raises InputError where a file is bad or missing."""
    names = ("statistics", "firings", "examples")
    tables = {name: read_table(folder / f"{name}.parquet", name) for name in names}
    return Observations(**tables, pools=read_arrays(folder / "pools.safetensors"))


def load_for_fitting(corpus: Path, folder: Path) -> tuple[Documents, Observations]:
    """The corpus and a block's observations as all fitting code must read them: without test documents."""
    documents = load_documents(corpus)
    return documents.without_test(), load_observations(folder).without_test(documents)


def map_pool(path: Path, name: str) -> np.ndarray:
    """One of a block's pools as a read-only memory map. Raises InputError where the file is damaged."""
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            about = json.loads(file.read(size))[name]
        shape, begin = tuple(about["shape"]), 8 + size + about["data_offsets"][0]
        if about["dtype"] != "F16" or 0 in shape:
            return np.zeros(shape, np.float16)
        return np.memmap(path, np.float16, "r", begin, shape)
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist: run the workflow to make it.") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged: {remedy(path)}") from error


def in_full(halves: np.ndarray) -> np.ndarray:
    """Activations of a pool (float16) as float64; what was too large for half precision is its largest number."""
    largest = float(np.finfo(np.float16).max)
    return np.clip(halves.astype(np.float64), -largest, largest)


def by_unit(table: pa.Table) -> Iterator[tuple[tuple[int, str], pa.Table]]:
    """Rows of each (neuron, pole), in the order in which these first appear; their rows stand together."""
    neurons, poles = table["neuron"].to_numpy(), table["pole"].to_numpy(zero_copy_only=False)
    change = np.flatnonzero((neurons[1:] != neurons[:-1]) | (poles[1:] != poles[:-1])) + 1
    bounds = [0, *change.tolist(), len(neurons)]
    for begin, end in pairwise(bounds):
        if end > begin:
            yield (int(neurons[begin]), str(poles[begin])), table.slice(begin, end - begin)
