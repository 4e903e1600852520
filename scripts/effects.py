"""Measure what every neuron of a block does to the model's next-token prediction where it fires."""

import argparse

from n2g.files.tables import write_rows
from n2g.graphs.graph_file import read_graphs
from n2g.method.observations import load_observations
from n2g.scores.effect_places import choose_places
from n2g.scores.effects import effect_rows, means, measure
from n2g.scores.evaluate import hold_out
from n2g.settings import Settings
from n2g.texts.corpus_files import load_documents
from n2g.units.encoder import FIXED
from n2g.workflow.model_options import add_block_options, add_model_options, open_engine
from n2g.workflow.run_script import run_script


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_model_options(parser)
    add_block_options(parser)
    parser.add_argument("--places", type=int, default=20, help="held-out tokens of each kind, at most")
    parser.add_argument("--seed", type=int, default=0, help="of the draw of places and of the bootstrap")
    given = parser.parse_args()

    documents, observations = load_documents(given.corpus), load_observations(given.block)
    share = Settings.from_options(given.settings).firing_threshold
    texts, graphs = hold_out(documents, observations), read_graphs(given.block / "graph.jsonl")
    places = choose_places(texts, observations, graphs, share, given.seed)
    chosen = [one.some(0, given.places) for one in places]
    engine = open_engine(given, [given.layer], [0], changes=True)
    if not engine.can_change:
        print(f"What these latents do cannot be measured: {FIXED}.")
        chosen = []
    measured = measure(engine, documents, given.layer, chosen, means(documents, observations))
    write_rows(given.output, "effects", list(effect_rows(measured, seed=given.seed)))


if __name__ == "__main__":
    run_script(main)
