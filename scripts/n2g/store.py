"""Reading what earlier stages wrote into the forms that the library works with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from n2g.activations import SPLITS, Documents
from n2g.tables import read_array, read_table


def load_documents(folder: Path) -> Documents:
    """The tokenised corpus of a run. Raises InputError where a file is missing or damaged."""
    table = read_table(folder / "documents.parquet", "documents")
    split = np.array([SPLITS.index(name) for name in table["split"].to_pylist()], dtype=np.int8)
    return Documents(
        tokens=read_array(folder / "tokens.npy", np.int32),
        offsets=table["offset"].to_numpy(),
        lengths=table["length"].to_numpy().astype(np.int64),
        split=split,
    )


def by_unit(table: pa.Table) -> Iterator[tuple[tuple[int, str], pa.Table]]:
    """Rows of each (neuron, pole), in the order in which these first appear; their rows stand together."""
    neurons, poles = table["neuron"].to_numpy(), table["pole"].to_numpy(zero_copy_only=False)
    change = np.flatnonzero((neurons[1:] != neurons[:-1]) | (poles[1:] != poles[:-1])) + 1
    bounds = [0, *change.tolist(), len(neurons)]
    for begin, end in zip(bounds[:-1], bounds[1:], strict=True):
        if end > begin:
            yield (int(neurons[begin]), str(poles[begin])), table.slice(begin, end - begin)
