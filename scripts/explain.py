"""Ask a language model what activates the neurons of a block; simulate, score and revise its answers."""

import argparse
import json
from pathlib import Path

from n2g.explain.block import Runner, explain_block
from n2g.explain.options import Options, open_models
from n2g.files.tables import read_json, write_rows
from n2g.graphs.graph_file import read_graphs
from n2g.ids import Block
from n2g.method.observations import load_observations
from n2g.texts.corpus import encoder
from n2g.texts.corpus_files import load_documents, load_words
from n2g.workflow.model_options import add_model_options, open_engine
from n2g.workflow.run_script import run_script


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_model_options(parser)
    parser.add_argument("--corpus", type=Path, required=True, help="folder of the tokenised corpus")
    parser.add_argument("--block", type=Path, required=True, help="folder {layer}/{block} of the run")
    parser.add_argument("--layer", type=int, required=True, help="the block's layer")
    parser.add_argument("--method", default="atlas", help="method whose graphs to score: atlas or paper")
    parser.add_argument("--seed", type=int, default=0, help="seed for choosing random documents")
    parser.add_argument("--explain", type=json.loads, required=True, help="keys of explain, as JSON")
    parser.add_argument("--answers", type=Path, required=True, help="folder of cached answers")
    parser.add_argument("--output", type=Path, required=True, help="the table to write")
    given = parser.parse_args()

    options = Options.from_options(given.explain)
    models = open_models(options, given.answers, given.device)
    words = load_words(given.corpus)
    tokenizer, runs = given.checkpoint.parent / "tokenizer.json", None
    if tokenizer.exists():
        engine = open_engine(given, [given.layer], [Block.parse(given.block.name).last])
        counts = read_json(given.corpus / "corpus.json")
        runs = Runner(engine, given.layer, encoder(tokenizer), counts["bos"], counts["max_length"], words).of
    graphs = {
        key: lines[given.method]["graph"] for key, lines in read_graphs(given.block / "graph.jsonl").items()
    }
    documents, observations = load_documents(given.corpus), load_observations(given.block)
    rows = explain_block(documents, observations, graphs, words, models, runs, options, given.seed)
    write_rows(given.output, "explanations", list(rows))
    print(models)


if __name__ == "__main__":
    run_script(main)
