"""Score the graphs of a block of neurons, and simple baselines, on test documents."""

import argparse
import json
from pathlib import Path

import pyarrow as pa
from tqdm import tqdm

from n2g.files.tables import CONTRACTS, read_table, write_table
from n2g.graphs.graph_file import read_graphs
from n2g.graphs.rule_grammar import Spelling
from n2g.method.fitting_data import FittingBlock
from n2g.method.observations import load_observations
from n2g.method.stage_tables import load_tokens
from n2g.method.texts_only import fit_texts_only
from n2g.scores.evaluate import evaluate, hold_out, node_rows, score_rows
from n2g.scores.predictions import prediction_rows
from n2g.scores.windows import Windows, sample
from n2g.settings import Settings, methods_of
from n2g.texts.corpus_files import load_documents, load_words
from n2g.workflow.run_script import run_script


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True, help="folder of the tokenised corpus")
    parser.add_argument("--observations", type=Path, required=True, help="folder of the block's tables")
    parser.add_argument("--graphs", type=Path, required=True, help="graph.jsonl of the block")
    parser.add_argument("--settings", type=json.loads, default={}, help="of the method, as JSON")
    parser.add_argument("--windows", type=Path, help="windows.parquet of the block")
    parser.add_argument(
        "--window-tokens", type=int, default=0, help="tokens of the sample of random documents"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed for choosing random documents to show")
    parser.add_argument("--output", type=Path, required=True, help="folder for the three tables")
    given = parser.parse_args()

    documents, observations = load_documents(given.corpus), load_observations(given.observations)
    texts, graphs = hold_out(documents, observations), read_graphs(given.graphs)
    rows: dict[str, list[dict]] = {"evaluate": [], "predictions": [], "nodes": []}
    count = len(observations.statistics)
    settings, *_ = methods_of(Settings.from_options(given.settings))
    block = FittingBlock(given.corpus, given.observations, settings)
    texts_only = fit_texts_only(block, load_tokens(given.observations, "background", "mean"))
    sampled = sample(documents, given.window_tokens)
    windows = Windows(sampled, read_table(given.windows, "windows")) if given.windows else None
    spelling = Spelling(load_words(given.corpus))
    units = evaluate(
        documents, observations, graphs, settings.firing_threshold, texts_only, windows, spelling
    )
    for unit in tqdm(units, total=count, desc="evaluate", unit="neuron", mininterval=5):
        rows["evaluate"].extend(score_rows(texts, unit))
        rows["predictions"].extend(prediction_rows(texts, unit, given.seed))
        rows["nodes"].extend(node_rows(texts, unit))
    for name, found in rows.items():
        table = pa.Table.from_pylist(found, schema=CONTRACTS[name].schema)
        write_table(given.output / f"{name}.parquet", name, table)


if __name__ == "__main__":
    run_script(main)
