"""Run the corpus through the model once and keep what later stages need to know about every neuron."""

import argparse
from pathlib import Path

from n2g.files.tables import write_arrays, write_table
from n2g.ids import block_folder, blocks_by_layer
from n2g.method.activations import Keep, Units, collect
from n2g.texts.corpus_files import load_documents
from n2g.workflow.model_options import add_model_options, open_engine
from n2g.workflow.run_options import add_blocks_option
from n2g.workflow.run_script import run_script


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_model_options(parser)
    parser.add_argument("--corpus", type=Path, required=True, help="folder of the tokenised corpus")
    add_blocks_option(parser)
    parser.add_argument("--poles", default="positive", help="positive, or positive,negative")
    parser.add_argument("--output", type=Path, required=True, help="folder of the run")
    given = parser.parse_args()

    wanted = blocks_by_layer(given.blocks)
    engine = open_engine(given, list(wanted), [b.last for blocks in wanted.values() for b in blocks])
    documents = load_documents(given.corpus)
    poles = given.poles.split(",")
    units = {layer: [Units.of(block.neurons, poles) for block in blocks] for layer, blocks in wanted.items()}
    found = collect(engine, documents, units, Keep())
    for layer, blocks in wanted.items():
        for block, tables in zip(blocks, found[layer], strict=True):
            folder = block_folder(given.output, layer, block)
            for name in ("statistics", "firings", "examples", "background"):
                write_table(folder / f"{name}.parquet", name, tables[name])
            write_arrays(folder / "pools.safetensors", tables["pools"])


if __name__ == "__main__":
    run_script(main)
