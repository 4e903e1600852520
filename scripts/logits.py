"""Find the tokens that the output weights of a block's neurons push, and those that their input weights like."""

import argparse
from pathlib import Path

from n2g.checkpoint import boot
from n2g.errors import run_script
from n2g.ids import Block
from n2g.logits import lens, weights_of
from n2g.session import add_model_options
from n2g.tables import write_rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_model_options(parser)
    parser.add_argument("--layer", type=int, required=True, help="the block's layer")
    parser.add_argument("--block", type=Block.parse, required=True, help="the block, such as 00000-00255")
    parser.add_argument("--poles", default="positive", help="positive, negative, or both with a comma")
    parser.add_argument("--output", type=Path, required=True, help="file to write")
    given = parser.parse_args()

    weights = weights_of(boot(given.checkpoint, "cpu"), given.layer)
    units = [(neuron, pole) for neuron in given.block.neurons for pole in given.poles.split(",")]
    signs = [-1.0 if pole == "negative" else 1.0 for _, pole in units]
    rows = [
        {"neuron": neuron, "pole": pole, "direction": name, "rank": rank, "token": token, "value": value}
        for (neuron, pole), found in zip(units, lens(weights, [n for n, _ in units], signs), strict=True)
        for name, pairs in found.items()
        for rank, (token, value) in enumerate(pairs)
    ]
    write_rows(given.output, "logits", rows)


if __name__ == "__main__":
    run_script(main)
