"""Which neurons to recompute, and the published records to compare them with."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from n2g.errors import InputError, exit_with_sentence
from n2g.ids import LETTERS, Block, NeuronId, block_folder
from n2g.workflow.params import kind_of
from n2g.workflow.passes import Part


def neurons_to_reproduce(config: Mapping[str, Any], blocks: Sequence[tuple[int, Block]]) -> list[NeuronId]:
    """The neurons that a configuration wants reproduced: the one it names, or a seeded sample of the selected ones.

    config: needs the keys ``units``, ``neuron``, ``sample``, ``poles`` and ``seed``.
    """
    if config["neuron"]:
        return [NeuronId.parse(config["neuron"])]
    selected = [
        NeuronId.of(layer, neuron, pole, LETTERS[kind_of(config)])
        for layer, block in blocks
        for neuron in block.neurons
        for pole in config["poles"]
    ]
    count = min(config["sample"] or 0, len(selected))
    return sorted(random.Random(config["seed"]).sample(selected, count))


def published_record(run: Path, neuron: NeuronId, blocks: Sequence[tuple[int, Block]]) -> Path | None:
    """The record of a neuron in a run: from the selected block that holds it, else from a block of its own.

    Blocks of earlier selections may have been left there, so no others are looked into.
    """
    selected = [block for layer, block in blocks if layer == neuron.layer and neuron.neuron in block.neurons]
    folders = (block_folder(run, neuron.layer, block) for block in (*selected, neuron.block))
    return next(filter(Path.is_file, (folder / "render" / f"{neuron}.json" for folder in folders)), None)


def published_records(
    run: Path, neurons: Sequence[NeuronId], blocks: Sequence[tuple[int, Block]]
) -> list[str]:
    """The published records of the neurons to reproduce."""
    return [str(published_record(run, neuron, blocks)) for neuron in neurons]


def published_then_recomputed(
    run: Path, neurons: Sequence[NeuronId], blocks: Sequence[tuple[int, Block]], scratch: Sequence[Part]
) -> list[str]:
    """The records of the neurons to reproduce, each recomputed in a block of its own in the scratch folder.

    Ends with a sentence where there is none to compare with.
    """
    with exit_with_sentence():
        check_published(run, neurons, blocks)
    return scratch[0].files("render")


def check_published(run: Path, neurons: Sequence[NeuronId], blocks: Sequence[tuple[int, Block]]) -> None:
    """Raise InputError where no neuron is asked for, or one has no record to compare with.

    blocks: the selected ones.
    """
    if not neurons:
        raise InputError(
            "neuron: is not set: name one, as in --config neuron=L3.N42, or say how many, as in --config sample=25."
        )
    for neuron in neurons:
        if published_record(run, neuron, blocks) is None:
            raise InputError(
                f"{neuron} has no record in {run} to compare with: make one with `snakemake neuron --config "
                f"neuron={neuron}`."
            )
