"""Prune the examples of every neuron of a block to the shortest text that keeps the activation."""

import argparse

from n2g.files.tables import write_rows
from n2g.method.examples import chosen_examples
from n2g.method.fitting_data import FittingBlock
from n2g.method.neutral_text import from_texts, prefixes_for
from n2g.method.prune import prune
from n2g.model.prompts import drive
from n2g.workflow.model_options import add_block_options, add_model_options, methods, open_engine
from n2g.workflow.run_script import run_script


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_model_options(parser)
    add_block_options(parser)
    given = parser.parse_args()

    rows = []
    engine = open_engine(given, [given.layer], [0])
    for settings in methods(given):
        block = FittingBlock(given.corpus, given.block, settings)
        neutral = from_texts(block.train, settings)
        chosen = list(chosen_examples(block))
        units = [unit for unit, *_ in chosen]
        answer = engine.answers(given.layer, [u.neuron for u in units], [u.sign for u in units])
        steps = [prune(one, prefixes_for(neutral, settings), settings) for *_, one in chosen]
        numbers: dict = {}
        for (unit, position, example), pruned in zip(
            chosen, drive(steps, answer, f"prune ({settings.method})"), strict=True
        ):
            numbers[unit.key] = numbers.get(unit.key, -1) + 1
            rows.append(
                {
                    "method": settings.method,
                    "neuron": unit.neuron,
                    "pole": unit.pole,
                    "example": numbers[unit.key],
                    "position": position,
                    "activation": example.activation,
                    "tokens": pruned.tokens,
                    "kept": pruned.kept,
                    "start": pruned.start,
                    "failed": pruned.failed,
                }
            )
    write_rows(given.output, "prune", rows)


if __name__ == "__main__":
    run_script(main)
