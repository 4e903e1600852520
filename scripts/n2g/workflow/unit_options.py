"""What the scripts share that query the model once for the units of many blocks: their options, and what they open."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from n2g.files.tables import read_table
from n2g.ids import Block, blocks_by_layer
from n2g.method.activations import Units
from n2g.method.block_units import units_of_blocks
from n2g.model.engine import Engine
from n2g.workflow.model_options import add_model_options, open_engine
from n2g.workflow.run_options import add_blocks_option


def add_units_options(parser: argparse.ArgumentParser) -> None:
    """Add those of the model, --corpus, --blocks, --maxima, --settings and --output."""
    add_model_options(parser)
    parser.add_argument("--corpus", type=Path, required=True, help="folder of the tokenised corpus")
    add_blocks_option(parser)
    parser.add_argument(
        "--maxima", type=Path, required=True, help="maxima.parquet, or statistics.parquet of the one block"
    )
    parser.add_argument("--settings", type=json.loads, default={}, help="of the method, as JSON")
    parser.add_argument("--output", type=Path, required=True, help="folder of the run")


def open_units(
    given: argparse.Namespace,
) -> tuple[dict[int, list[Block]], Engine, dict[int, Units], dict[int, np.ndarray]]:
    """The blocks by layer, the model, and the units and their maxima by layer."""
    wanted = blocks_by_layer(given.blocks)
    engine = open_engine(given, list(wanted), [b.last for blocks in wanted.values() for b in blocks])
    return wanted, engine, *units_of_blocks(read_table(given.maxima, given.maxima.stem), wanted)
