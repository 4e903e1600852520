"""Write down what changed since another run."""

import argparse
from pathlib import Path

from n2g.diff import changes, diff_columns
from n2g.errors import run_script
from n2g.ids import parse_blocks
from n2g.renders import Renders
from n2g.tables import write_table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", type=Path, required=True, help="folder of the other run")
    parser.add_argument("--run", type=Path, required=True, help="folder of the run")
    parser.add_argument(
        "--blocks", nargs="+", required=True, help="LAYERS/FIRST-LAST, such as 0-5/00000-00031"
    )
    parser.add_argument("--output", type=Path, required=True, help="the table to write")
    given = parser.parse_args()
    renders = [given.run / str(layer) / str(block) / "render" for layer, block in parse_blocks(given.blocks)]
    found = changes(Renders(given.against), Renders(given.run, renders))
    write_table(given.output, "diff", diff_columns(found))


if __name__ == "__main__":
    run_script(main)
