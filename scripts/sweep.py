"""Ask the model for every token of the vocabulary after neutral text, all selected neurons at once."""

import argparse
import json
from pathlib import Path

import numpy as np

from n2g.activations import Units
from n2g.block import Block
from n2g.errors import run_script
from n2g.ids import Block as Range
from n2g.neutral import from_texts
from n2g.session import add_model_options, methods, open_engine
from n2g.sweep import sweep
from n2g.tables import read_table, write_table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_model_options(parser)
    parser.add_argument("--corpus", type=Path, required=True, help="folder of the tokenised corpus")
    parser.add_argument(
        "--blocks", nargs="+", required=True, help="LAYER/FIRST-LAST, for example 3/00000-00031"
    )
    parser.add_argument("--settings", type=json.loads, default={}, help="of the method, as JSON")
    parser.add_argument("--output", type=Path, required=True, help="folder of the run")
    given = parser.parse_args()

    names = [(int(layer), Range.parse(block)) for layer, block in (name.split("/") for name in given.blocks)]
    engine = open_engine(given, [layer for layer, _ in names], [block.last for _, block in names])
    settings = methods(given)[0]
    blocks = [Block(given.corpus, given.output / str(layer) / str(block), settings) for layer, block in names]
    members = {
        layer: [b for (at, _), b in zip(names, blocks, strict=True) if at == layer] for layer, _ in names
    }
    units = {layer: [u for block in of for u in block.units] for layer, of in members.items()}
    columns = {
        layer: Units(np.array([u.neuron for u in of]), np.array([u.sign for u in of]))
        for layer, of in units.items()
    }
    floors = {
        layer: np.array([settings.alone * u.maximum or np.inf for u in of]) for layer, of in units.items()
    }
    vocabulary = read_table(given.corpus / "vocabulary.parquet", "vocabulary")
    tokens = vocabulary["token"].to_numpy()[~vocabulary["special"].to_numpy(zero_copy_only=False)]
    prefixes = from_texts(blocks[0].train, settings).prefixes
    found = sweep(engine, tokens.tolist(), prefixes, columns, floors)
    for (layer, name), block in zip(names, blocks, strict=True):
        unit, token, activation = found[layer]
        first = units[layer].index(block.units[0]) if block.units else 0
        mine = (unit >= first) & (unit < first + len(block.units))
        owners = [units[layer][i] for i in unit[mine]]
        table = {
            "neuron": [owner.neuron for owner in owners],
            "pole": [owner.pole for owner in owners],
            "token": token[mine],
            "activation": activation[mine],
        }
        write_table(given.output / str(layer) / str(name) / "sweep.parquet", "sweep", table)


if __name__ == "__main__":
    run_script(main)
