"""Write out the patterns of all graphs, and find similar neurons."""

import argparse
from itertools import chain
from pathlib import Path

import numpy as np

from n2g.compare.activation_correlation import behavioural
from n2g.compare.pattern_similarity import structural
from n2g.compare.similar_table import similar_columns
from n2g.files.tables import read_arrays, write_table
from n2g.graphs.graph_file import read_graphs
from n2g.graphs.patterns import pattern_columns
from n2g.ids import block_folders
from n2g.method.observations import map_pool
from n2g.texts.corpus_files import load_documents
from n2g.workflow.run_options import add_run_options
from n2g.workflow.run_script import run_script

GROUP = 8192  # rows of the tables that are read together


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True, help="folder of the tokenised corpus")
    add_run_options(parser)
    parser.add_argument("--method", required=True, help="method whose graphs to use: atlas or paper")
    parser.add_argument("--output", type=Path, required=True, help="folder for the two tables")
    parser.add_argument("--processes", type=int, default=1, help="number of processes")
    given = parser.parse_args()

    units, graphs = [], []
    folders = [folder for _, folder in block_folders(given.run, given.blocks)]
    for folder in folders:  # a block's neurons are in the same order everywhere
        for (neuron, pole), lines in read_graphs(folder / "graph.jsonl").items():
            line = lines[given.method]
            units.append((line["layer"], neuron, pole))
            graphs.append(line["graph"])
    write_table(given.output / "patterns.parquet", "patterns", pattern_columns(graphs, units), GROUP)

    documents = load_documents(given.corpus)
    paths = [folder / "pools.safetensors" for folder in folders]
    pool = read_arrays(paths[0])["test_documents"]
    kept = np.concatenate([np.arange(documents.lengths[number]) > 0 for number in pool])
    pools = [map_pool(path, "test") for path in paths]
    pairs = chain(
        structural(graphs, processes=given.processes),
        behavioural(pools, kept, threads=given.processes),
    )
    write_table(given.output / "similar.parquet", "similar", similar_columns(pairs, units), GROUP)


if __name__ == "__main__":
    run_script(main)
