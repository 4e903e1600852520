"""Gather the largest activation of every neuron of a run in one small table."""

import argparse
from pathlib import Path

import pyarrow as pa

from n2g.errors import run_script
from n2g.ids import parse_blocks
from n2g.tables import read_table, write_table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="folder of the run")
    parser.add_argument(
        "--blocks", nargs="+", required=True, help="LAYERS/FIRST-LAST, such as 0-5/00000-00031"
    )
    parser.add_argument("--output", type=Path, required=True, help="the table to write")
    given = parser.parse_args()

    tables = []
    for layer, block in parse_blocks(given.blocks):
        table = read_table(given.run / str(layer) / str(block) / "statistics.parquet", "statistics")
        layers = pa.array([layer] * len(table), pa.int32())
        tables.append(table.select(["neuron", "pole", "maximum"]).add_column(0, "layer", layers))
    write_table(given.output, "maxima", pa.concat_tables(tables))


if __name__ == "__main__":
    run_script(main)
