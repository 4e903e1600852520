"""The units of many blocks together, as the stages that ask the model once for all of them need and store them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from n2g.files.tables import write_table
from n2g.ids import Block, block_folder
from n2g.method.activations import Units


def units_of_blocks(
    maxima: pa.Table, wanted: Mapping[int, Sequence[Block]]
) -> tuple[dict[int, Units], dict[int, np.ndarray]]:
    """Layer -> its units, and layer -> their maxima on training documents (float64 [unit], at least 0).

    maxima: the table of that name, or `statistics` of the one block. wanted: layer -> blocks.
    """
    units, values = {}, {}
    for layer, blocks in wanted.items():
        rows = pa.concat_tables([_rows_of(maxima, layer, block) for block in blocks])
        signs = np.where(rows["pole"].to_numpy() == "negative", -1, 1)
        units[layer] = Units(rows["neuron"].to_numpy().astype(np.int64), signs)
        values[layer] = np.maximum(rows["maximum"].to_numpy().astype(np.float64), 0.0)
    return units, values


def floors_at(share: float, maxima: Mapping[int, np.ndarray]) -> dict[int, np.ndarray]:
    """Layer -> a share of the maximum of each unit; infinity for those that nothing activates."""
    return {layer: np.where(most > 0, share * most, np.inf) for layer, most in maxima.items()}


def write_by_block(
    output: Path,
    name: str,
    wanted: Mapping[int, Sequence[Block]],
    units: Mapping[int, Units],
    found: Mapping[int, tuple[np.ndarray, Mapping[str, np.ndarray]]],
) -> None:
    """Write a table into the folder of each block of the run `output`.

    found: layer -> which of its units each row is about (int [row]), and the other columns.
    """
    for layer, blocks in wanted.items():
        unit, columns = found[layer]
        neuron, pole = units[layer].neurons[unit], np.array(units[layer].poles, dtype=object)[unit]
        for block in blocks:
            mine = (neuron >= block.first) & (neuron <= block.last)
            table = {key: values[mine] for key, values in {"neuron": neuron, "pole": pole, **columns}.items()}
            write_table(block_folder(output, layer, block) / f"{name}.parquet", name, table)


def _rows_of(maxima: pa.Table, layer: int, block: Block) -> pa.Table:
    mine = (pc.field("neuron") >= block.first) & (pc.field("neuron") <= block.last)
    if "layer" in maxima.column_names:
        mine &= pc.field("layer") == layer
    return maxima.filter(mine)
