"""Average the scores of all blocks over neurons and layers."""

import argparse
from pathlib import Path

from n2g.errors import run_script
from n2g.store import read_graphs
from n2g.summary import summarise
from n2g.tables import read_table, write_json


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--evaluations", type=Path, nargs="+", required=True, help="every evaluate.parquet")
    parser.add_argument("--graphs", type=Path, nargs="+", required=True, help="every graph.jsonl, as ordered")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    parser.add_argument("--output", type=Path, required=True, help="the summary, JSON")
    given = parser.parse_args()

    tables, lines = [], []
    for evaluation, graphs in zip(given.evaluations, given.graphs, strict=True):
        block = [line for methods in read_graphs(graphs).values() for line in methods.values()]
        tables.append((block[0]["layer"], read_table(evaluation, "evaluate")))
        lines.extend(block)
    write_json(given.output, summarise(tables, lines, seed=given.seed))


if __name__ == "__main__":
    run_script(main)
