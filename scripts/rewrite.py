"""Rewrite the neurons of a layer by their graphs, and measure the model's next-token loss on test documents."""

import argparse
import json
from pathlib import Path

from n2g.errors import InputError
from n2g.files.tables import write_rows
from n2g.ids import block_folders
from n2g.scores.layer_graphs import load_layer
from n2g.scores.neuron_effects import kept_rows, squared_slopes
from n2g.scores.passage import Passage
from n2g.scores.rewrite import outcome_rows, predicted_tokens
from n2g.scores.rewrite_conditions import measure, prepare
from n2g.scores.windows import sample
from n2g.settings import Settings
from n2g.texts.corpus_files import load_documents
from n2g.units.encoder import FIXED
from n2g.workflow.model_options import add_model_options, open_engine
from n2g.workflow.run_options import add_run_options
from n2g.workflow.run_script import run_script


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_model_options(parser)
    add_run_options(parser)
    parser.add_argument("--corpus", type=Path, required=True, help="folder of the tokenised corpus")
    parser.add_argument("--settings", type=json.loads, default={}, help="of the method, as JSON")
    parser.add_argument("--tokens", type=int, required=True, help="tokens of test documents, at most")
    parser.add_argument("--train-tokens", type=int, default=1_000_000, help="likewise, of training documents")
    parser.add_argument("--seed", type=int, default=0, help="of the shuffling, the draws and the bootstrap")
    parser.add_argument("--output", type=Path, required=True, help="folder for the two tables")
    given = parser.parse_args()

    documents, folders = load_documents(given.corpus), block_folders(given.run, given.blocks)
    passage = Passage.of(documents, sample(documents, given.tokens))
    if not len(passage.numbers):
        raise InputError(
            "corpus: has no test document, on which the loss could be measured: give it more texts."
        )
    (layer,) = {layer for layer, _ in folders}
    engine = open_engine(given, [layer], [0], changes=True)
    if not engine.can_change:
        raise InputError(
            f"layer: the latents of {layer} cannot be rewritten, as {FIXED}: choose another layer."
        )
    found = load_layer(
        given.corpus, [folder for _, folder in folders], Settings.from_options(given.settings), passage.index
    )
    prepared = prepare(engine, documents, passage, layer, found, given.train_tokens, given.seed)
    where = (engine, documents, passage, layer, found.neurons)
    tokens = predicted_tokens(documents, passage)
    about = {"neurons": len(found.neurons), "poles": len(found.poles)}
    rows = outcome_rows(measure(engine, documents, layer, prepared), tokens, seed=given.seed)
    write_rows(given.output / "rewrite.parquet", "rewrite", [about | row for row in rows])
    squares = squared_slopes(*where, prepared.singly(), seed=given.seed)
    rows = kept_rows(squares, found.neurons, tokens, seed=given.seed)
    write_rows(given.output / "rewrite_neurons.parquet", "rewrite_neurons", rows)


if __name__ == "__main__":
    run_script(main)
