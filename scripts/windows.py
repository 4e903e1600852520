"""Show the model only the last tokens of a sample of random test documents, all given neurons at once."""

import argparse
import json
from pathlib import Path

import numpy as np

from n2g.files.tables import read_table
from n2g.ids import blocks_by_layer
from n2g.method.block_units import units_of_blocks, write_by_block
from n2g.method.evidence import Texts
from n2g.method.neutral_text import from_texts
from n2g.scores.windows import FLOOR, LENGTHS, ask_windows, sample
from n2g.texts.corpus_files import load_documents
from n2g.workflow.model_options import add_model_options, methods, open_engine
from n2g.workflow.run_options import add_blocks_option
from n2g.workflow.run_script import run_script


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_model_options(parser)
    parser.add_argument("--corpus", type=Path, required=True, help="folder of the tokenised corpus")
    add_blocks_option(parser)
    parser.add_argument(
        "--maxima", type=Path, required=True, help="maxima.parquet, or statistics.parquet of the one block"
    )
    parser.add_argument("--tokens", type=int, required=True, help="tokens of the sample, at most")
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS, help="of the windows, in tokens")
    parser.add_argument("--settings", type=json.loads, default={}, help="of the method, as JSON")
    parser.add_argument("--output", type=Path, required=True, help="folder of the run")
    given = parser.parse_args()

    wanted = blocks_by_layer(given.blocks)
    engine = open_engine(given, list(wanted), [b.last for blocks in wanted.values() for b in blocks])
    settings = methods(given)[0]
    units, maxima = units_of_blocks(read_table(given.maxima, given.maxima.stem), wanted)
    share = FLOOR * settings.firing_threshold
    floors = {layer: np.where(most > 0, share * most, np.inf) for layer, most in maxima.items()}
    documents = load_documents(given.corpus)
    prefix = from_texts(Texts.of(documents.without_test(), "train"), settings).prefixes[0]
    sampled = sample(documents, given.tokens)
    found = ask_windows(engine, documents, sampled, prefix, units, floors, given.lengths)
    columns = ("length", "position", "activation")
    named = {layer: (unit, dict(zip(columns, rest, strict=True))) for layer, (unit, *rest) in found.items()}
    write_by_block(given.output, "windows", wanted, units, named)


if __name__ == "__main__":
    run_script(main)
