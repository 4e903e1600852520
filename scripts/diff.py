"""Record what changed since another run."""

import argparse
from pathlib import Path

from n2g.compare.diff import changes, diff_columns
from n2g.files.tables import write_table
from n2g.ids import block_folders
from n2g.results.stored_records import StoredRecords
from n2g.workflow.run_options import add_run_options
from n2g.workflow.run_script import run_script


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", type=Path, required=True, help="folder of the other run")
    add_run_options(parser)
    parser.add_argument("--output", type=Path, required=True, help="the table to write")
    given = parser.parse_args()
    renders = [folder / "render" for _, folder in block_folders(given.run, given.blocks)]
    found = changes(StoredRecords(given.against), StoredRecords(given.run, renders))
    write_table(given.output, "diff", diff_columns(found))


if __name__ == "__main__":
    run_script(main)
