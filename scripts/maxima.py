"""Collect the maximum activation of every neuron of a run in one small table."""

import argparse
from pathlib import Path

import pyarrow as pa

from n2g.files.tables import read_table, write_table
from n2g.ids import block_folders
from n2g.workflow.run_options import add_run_options
from n2g.workflow.run_script import run_script


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_run_options(parser)
    parser.add_argument("--output", type=Path, required=True, help="the table to write")
    given = parser.parse_args()

    tables = []
    for layer, folder in block_folders(given.run, given.blocks):
        table = read_table(folder / "statistics.parquet", "statistics")
        layers = pa.array([layer] * len(table), pa.int32())
        tables.append(table.select(["neuron", "pole", "maximum"]).add_column(0, "layer", layers))
    write_table(given.output, "maxima", pa.concat_tables(tables))


if __name__ == "__main__":
    run_script(main)
