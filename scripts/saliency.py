"""Measure the importance of the tokens in the pruned examples of a block."""

import argparse

from n2g.files.tables import write_rows
from n2g.method.fitting_data import FittingBlock
from n2g.method.neutral_text import from_texts, prefixes_for
from n2g.method.saliency import saliency
from n2g.method.stage_tables import load_pruned
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
        prefixes = prefixes_for(neutral, settings)
        pruned = list(load_pruned(given.block, block))
        answer = engine.answers(given.layer, [u.neuron for u, *_ in pruned], [u.sign for u, *_ in pruned])
        steps = [saliency(one, prefixes, neutral.fillers[: len(prefixes)], settings) for *_, one in pruned]
        found = drive(steps, answer, f"saliency ({settings.method})")
        for (unit, number, _), salient in zip(pruned, found, strict=True):
            rows.append(
                {
                    "method": settings.method,
                    "neuron": unit.neuron,
                    "pole": unit.pole,
                    "example": number,
                    "tokens": salient.tokens,
                    "importances": salient.importances,
                    "needed": salient.needed,
                    "gaps": salient.gaps,
                    "activation": salient.activation,
                    "start": salient.start,
                }
            )
    write_rows(given.output, "saliency", rows)


if __name__ == "__main__":
    run_script(main)
