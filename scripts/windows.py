"""Show the model only the last tokens of a sample of random test documents, all given neurons at once."""

import argparse

from n2g.method.block_units import floors_at, write_by_block
from n2g.method.evidence import Texts
from n2g.method.neutral_text import from_texts
from n2g.scores.windows import FLOOR, LENGTHS, ask_windows, sample
from n2g.texts.corpus_files import load_documents
from n2g.workflow.model_options import methods
from n2g.workflow.run_script import run_script
from n2g.workflow.unit_options import add_units_options, open_units


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_units_options(parser)
    parser.add_argument("--tokens", type=int, required=True, help="tokens of the sample, at most")
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS, help="of the windows, in tokens")
    given = parser.parse_args()

    settings = methods(given)[0]
    wanted, engine, units, maxima = open_units(given)
    floors = floors_at(FLOOR * settings.firing_threshold, maxima)
    documents = load_documents(given.corpus)
    prefix = from_texts(Texts.of(documents.without_test(), "train"), settings).prefixes[0]
    sampled = sample(documents, given.tokens)
    found = ask_windows(engine, documents, sampled, prefix, units, floors, given.lengths)
    columns = ("length", "position", "activation")
    named = {layer: (unit, dict(zip(columns, rest, strict=True))) for layer, (unit, *rest) in found.items()}
    write_by_block(given.output, "windows", wanted, units, named)


if __name__ == "__main__":
    run_script(main)
