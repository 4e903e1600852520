"""Ask the model for every token of the vocabulary after neutral text, all given neurons at once."""

import argparse

import numpy as np

from n2g.files.tables import read_table
from n2g.method.block_units import floors_at, write_by_block
from n2g.method.evidence import Texts
from n2g.method.neutral_text import from_texts
from n2g.method.sweep import sweep
from n2g.texts.corpus_files import load_texts_for_fitting
from n2g.texts.pairs import within
from n2g.workflow.model_options import methods
from n2g.workflow.run_script import run_script
from n2g.workflow.unit_options import add_units_options, open_units


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_units_options(parser)
    parser.add_argument(
        "--pair-tokens", type=int, default=0, help="budget for pairs, in tokens that the model reads"
    )
    given = parser.parse_args()

    settings = methods(given)[0]
    wanted, engine, units, maxima = open_units(given)
    floors = floors_at(settings.alone, maxima)
    vocabulary = read_table(given.corpus / "vocabulary.parquet", "vocabulary")
    tokens = vocabulary["token"].to_numpy()[~vocabulary["special"].to_numpy(zero_copy_only=False)]
    train = Texts.of(load_texts_for_fitting(given.corpus), "train")
    prefixes = from_texts(train, settings).prefixes
    single = np.sort(tokens)[:, None]
    found = columns(single, sweep(engine, tuples(single), prefixes, units, floors))
    write_by_block(given.output, "sweep", wanted, units, found)
    listed = read_table(given.corpus / "pairs.parquet", "pairs", ["before", "token"])
    asked = np.stack([column.to_numpy() for column in listed.columns], 1).astype(np.int64)
    asked = asked[: within(len(asked), given.pair_tokens, len(prefixes))]
    asked = asked[np.lexsort(asked.T[::-1])]  # those with the same context stand together
    found = columns(asked, sweep(engine, tuples(asked), prefixes, units, floors))
    write_by_block(given.output, "pair_sweep", wanted, units, found)


def tuples(texts: np.ndarray) -> list[tuple[int, ...]]:
    """Token ids [text, token] as the engine takes them."""
    return list(map(tuple, texts.tolist()))


def columns(
    texts: np.ndarray, found: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]]
) -> dict[int, tuple[np.ndarray, dict[str, np.ndarray]]]:
    """What a sweep over `texts` (token ids [text, token]) found, as columns of its table."""
    table = {}
    for layer, (unit, text, activation) in found.items():
        named = {"token": texts[text, -1], "activation": activation}
        if texts.shape[1] > 1:
            named["before"] = texts[text, -2]
        table[layer] = unit, named
    return table


if __name__ == "__main__":
    run_script(main)
