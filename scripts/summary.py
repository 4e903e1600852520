"""Average the scores of all blocks over neurons and layers."""

import argparse
from pathlib import Path

from n2g.files.tables import read_table, write_json
from n2g.graphs.graph_file import read_graphs
from n2g.ids import block_folders
from n2g.scores.summary import summarise
from n2g.workflow.run_options import add_run_options
from n2g.workflow.run_script import run_script


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_run_options(parser)
    parser.add_argument("--seed", type=int, default=0, help="seed of the bootstrap")
    parser.add_argument("--output", type=Path, required=True, help="the summary, JSON")
    given = parser.parse_args()

    tables, lines = [], []
    for layer, folder in block_folders(given.run, given.blocks):
        tables.append((layer, read_table(folder / "evaluate.parquet", "evaluate")))
        graphs = read_graphs(folder / "graph.jsonl")
        lines += [line for methods in graphs.values() for line in methods.values()]
    write_json(given.output, summarise(tables, lines, seed=given.seed))


if __name__ == "__main__":
    run_script(main)
