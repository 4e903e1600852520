"""Read from the weights the promoted, suppressed and input-aligned tokens, and the connected neurons."""

import argparse
from pathlib import Path

from n2g.files.tables import write_rows
from n2g.ids import block_folder, parse_blocks
from n2g.model.checkpoint import boot, read_description
from n2g.units.converted import load_encoder
from n2g.weights.connections import connections
from n2g.weights.logits import latent_weights, lens, weights_of
from n2g.workflow.model_options import add_model_options
from n2g.workflow.run_options import add_blocks_option
from n2g.workflow.run_script import run_script


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_model_options(parser)
    add_blocks_option(parser)
    parser.add_argument("--poles", default="positive", help="positive, negative, or both with a comma")
    parser.add_argument("--output", type=Path, required=True, help="folder of the run")
    given = parser.parse_args()

    bridge = boot(given.checkpoint, "cpu")
    weights = [weights_of(bridge, layer) for layer in range(read_description(given.checkpoint).n_layers)]
    encoded: int | None = None
    for number, block in parse_blocks(given.blocks):  # those of a layer after each other
        if number != encoded:
            own, encoded = weights[number], number
            if given.units:
                own = latent_weights(own, load_encoder(given.units, number, decoder=True))
        units = [(neuron, pole) for neuron in block.neurons for pole in given.poles.split(",")]
        signs = [-1.0 if pole == "negative" else 1.0 for _, pole in units]
        neurons, folder = [neuron for neuron, _ in units], block_folder(given.output, number, block)
        tokens = lens(own, neurons, signs) if own else [{}] * len(neurons)
        rows = [
            {
                "neuron": neuron,
                "pole": pole,
                "direction": direction,
                "rank": rank,
                "token": token,
                "value": value,
            }
            for (neuron, pole), directions in zip(units, tokens, strict=True)
            for direction, pairs in directions.items()
            for rank, (token, value) in enumerate(pairs)
        ]
        write_rows(folder / "logits.parquet", "logits", rows)
        # Of latents there are none: what lies between two layers' encoders is more than one norm.
        ends = connections(weights, number, neurons, signs) if not given.units else [[]] * len(neurons)
        rows = [
            {"neuron": neuron, "pole": pole, **end._asdict()}
            for (neuron, pole), found in zip(units, ends, strict=True)
            for end in found
        ]
        write_rows(folder / "connections.parquet", "connections", rows)


if __name__ == "__main__":
    run_script(main)
