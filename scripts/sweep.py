"""Ask the model for every token of the vocabulary after neutral text, all given neurons at once."""

import argparse
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from n2g.files.tables import read_table, write_table
from n2g.ids import Block, block_folder, blocks_by_layer
from n2g.method.activations import Units
from n2g.method.evidence import Texts
from n2g.method.neutral_text import from_texts
from n2g.method.sweep import sweep
from n2g.texts.corpus_files import load_texts_for_fitting
from n2g.texts.pairs import within
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
    parser.add_argument("--settings", type=json.loads, default={}, help="of the method, as JSON")
    parser.add_argument("--pair-tokens", type=int, default=0, help="tokens that pairs may take of the model")
    parser.add_argument("--output", type=Path, required=True, help="folder of the run")
    given = parser.parse_args()

    wanted = blocks_by_layer(given.blocks)
    engine = open_engine(given, list(wanted), [b.last for blocks in wanted.values() for b in blocks])
    settings = methods(given)[0]
    maxima = read_table(given.maxima, given.maxima.stem)
    units, floors = {}, {}
    for layer, blocks in wanted.items():
        rows = pa.concat_tables([rows_of(maxima, layer, block) for block in blocks])
        signs = np.where(rows["pole"].to_numpy() == "negative", -1, 1)
        units[layer] = Units(rows["neuron"].to_numpy().astype(np.int64), signs)
        floor = settings.alone * rows["maximum"].to_numpy()
        floors[layer] = np.where(floor > 0, floor, np.inf)
    vocabulary = read_table(given.corpus / "vocabulary.parquet", "vocabulary")
    tokens = vocabulary["token"].to_numpy()[~vocabulary["special"].to_numpy(zero_copy_only=False)]
    train = Texts.of(load_texts_for_fitting(given.corpus), "train")
    prefixes = from_texts(train, settings).prefixes
    single = np.sort(tokens)[:, None]
    write_found(given, wanted, units, "sweep", single, sweep(engine, tuples(single), prefixes, units, floors))
    listed = read_table(given.corpus / "pairs.parquet", "pairs", ["before", "token"])
    asked = np.stack([column.to_numpy() for column in listed.columns], 1).astype(np.int64)
    asked = asked[: within(len(asked), given.pair_tokens, len(prefixes))]
    asked = asked[np.lexsort(asked.T[::-1])]  # those with the same context stand together
    write_found(
        given, wanted, units, "pair_sweep", asked, sweep(engine, tuples(asked), prefixes, units, floors)
    )


def tuples(texts: np.ndarray) -> list[tuple[int, ...]]:
    """Token ids [text, token] as the engine takes them."""
    return list(map(tuple, texts.tolist()))


def write_found(
    given: argparse.Namespace,
    wanted: dict[int, list[Block]],
    units: dict[int, Units],
    name: str,
    texts: np.ndarray,
    found: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]],
) -> None:
    """Write what a sweep over `texts` (token ids [text, token]) found, block by block."""
    for layer, blocks in wanted.items():
        unit, text, activation = found[layer]
        neuron, pole = units[layer].neurons[unit], np.array(units[layer].poles, dtype=object)[unit]
        columns = {"neuron": neuron, "pole": pole, "token": texts[text, -1], "activation": activation}
        if texts.shape[1] > 1:
            columns["before"] = texts[text, -2]
        for block in blocks:
            mine = (neuron >= block.first) & (neuron <= block.last)
            table = {column: values[mine] for column, values in columns.items()}
            write_table(block_folder(given.output, layer, block) / f"{name}.parquet", name, table)


def rows_of(maxima: pa.Table, layer: int, block: Block) -> pa.Table:
    """Rows of a block."""
    mine = (pc.field("neuron") >= block.first) & (pc.field("neuron") <= block.last)
    if "layer" in maxima.column_names:
        mine &= pc.field("layer") == layer
    return maxima.filter(mine)


if __name__ == "__main__":
    run_script(main)
