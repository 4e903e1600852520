"""Options that several scripts share, for those that do without the model's libraries too."""

from __future__ import annotations

import argparse
from pathlib import Path

from n2g.ids import LETTERS


def add_blocks_option(parser: argparse.ArgumentParser) -> None:
    """Add --blocks; `n2g.ids.parse_blocks` and the functions beside it read them."""
    parser.add_argument(
        "--blocks", nargs="+", required=True, help="LAYERS/FIRST-LAST, such as 0-5/00000-00031"
    )


def add_kind_option(parser: argparse.ArgumentParser) -> None:
    """Add --kind, a key of `n2g.ids.LETTERS`."""
    parser.add_argument("--kind", default="neurons", choices=LETTERS, help="what is described")


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add --run and --blocks; `n2g.ids.block_folders` gives the folders."""
    parser.add_argument("--run", type=Path, required=True, help="folder of the run")
    add_blocks_option(parser)
