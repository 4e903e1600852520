"""Test substitutes for the important tokens in the examples of a block."""

import argparse
from pathlib import Path

from n2g.files.tables import write_rows
from n2g.method.augment import augment, candidates_for, distinct, propose_all
from n2g.method.fitting_data import FittingBlock
from n2g.method.neutral_text import from_texts, prefixes_for
from n2g.method.stage_tables import load_salient
from n2g.model.prompts import drive
from n2g.workflow.model_options import (
    add_block_options,
    add_model_options,
    methods,
    open_engine,
    open_proposer,
)
from n2g.workflow.run_script import run_script


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_model_options(parser)
    add_block_options(parser)
    parser.add_argument("--proposer", default="embedding", help="embedding, causal or masked-lm")
    parser.add_argument("--masked-lm", type=Path, help="folder of a masked language model")
    given = parser.parse_args()

    rows = []
    engine = open_engine(given, [given.layer], [0])
    proposer = open_proposer(given, engine)
    for settings in methods(given):
        block = FittingBlock(given.corpus, given.block, settings)
        neutral = from_texts(block.train, settings)
        prefixes = prefixes_for(neutral, settings)
        fillers = neutral.fillers[: len(prefixes)]
        salients = list(load_salient(given.block, block))
        if settings.method != "paper":
            salients = distinct(salients)
        proposed = propose_all(proposer, [salient for *_, salient in salients], settings)
        others: dict = {}
        for unit, _, salient in salients:
            others.setdefault(unit.key, []).append(salient)
        candidates = [candidates_for(one, others[unit.key], proposed, settings) for unit, _, one in salients]
        owners = [(unit, number) for unit, number, _ in salients]
        steps = [
            augment(salient, wanted, prefixes, fillers, settings.firing_threshold * unit.maximum, settings)
            for (unit, _, salient), wanted in zip(salients, candidates, strict=True)
        ]
        answer = engine.answers(
            given.layer, [u.neuron for u, _ in owners], [u.sign for u, _ in owners], shared=True
        )
        found = drive(steps, answer, f"augment ({settings.method})")
        for (unit, number), tried in zip(owners, found, strict=True):
            names = {"method": settings.method, "neuron": unit.neuron, "pole": unit.pole, "example": number}
            rows += [{**names, **vars(one)} for one in tried]
    write_rows(given.output, "augment", rows)


if __name__ == "__main__":
    run_script(main)
