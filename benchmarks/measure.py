"""What is measured, and how much of it."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from machine import facts
from meter import BareModel, Meter
from workload import (
    Measured,
    Run,
    cut_block,
    cut_texts,
    cut_vocabulary,
    measure_block,
    run_stage,
    spread,
    taken,
)

from n2g.ids import Block
from n2g.session import add_model_options, open_engine


@dataclass(frozen=True)
class Amount:
    """How much is measured: neurons of each layer, tokens of the texts, tokens of the vocabulary."""

    neurons: int
    texts: int
    vocabulary: int


FULL = Amount(neurons=8, texts=30_000, vocabulary=4_096)
QUICK = Amount(neurons=2, texts=3_000, vocabulary=512)


@dataclass(frozen=True)
class Results:
    """All that the report tells."""

    facts: Mapping[str, str]
    stages: list[Measured]
    seconds: float


def everything(run: Run, folder: Path, amount: Amount) -> Results:
    """Measure all of it, in about ten minutes on two cores; writes below `folder` only."""
    begin = time.perf_counter()
    meter = load(run)
    about = facts(meter.device, run.config["dtype"])
    stages = corpus_stages(run, folder, amount, meter)
    for layer, block in run.blocks.items():
        say(f"layer {layer}")
        neurons = spread(run.neurons(layer), amount.neurons)
        cut = cut_block(block, folder / "blocks" / str(layer) / block.name, neurons)
        stages += measure_block(run, layer, cut, len(neurons), meter, run.config["method"])
    return Results(about, stages, time.perf_counter() - begin)


def load(run: Run) -> Meter:
    """The model in an engine that keeps the time, beside the bare model (without one for native models)."""
    parser = argparse.ArgumentParser()
    add_model_options(parser)
    given = parser.parse_args(run.model_options())
    last = max(run.neurons(layer)[-1] for layer in run.blocks)
    engine = open_engine(given, list(run.blocks), [last])
    hugging_face = run.model.format == "transformers"
    bare = BareModel(run.checkpoint.parent, engine.device, given.dtype) if hugging_face else None
    meter = Meter(engine.bridge, device=engine.device, bare=bare)
    for _ in range(3):  # the first passes set things up
        meter.read(torch.ones((8, 32), dtype=torch.long, device=engine.device), list(run.blocks))
    return meter


def corpus_stages(run: Run, folder: Path, amount: Amount, meter: Meter) -> list[Measured]:
    """Activations and sweep, which serve all blocks at once, on a part of the texts and of the vocabulary."""
    blocks = [f"{layer}/{block.name}" for layer, block in run.blocks.items()]
    neurons = sum(len(Block.parse(block.name).neurons) for block in run.blocks.values())
    poles = ",".join(run.config["poles"])
    say("activations")
    texts = cut_texts(run.corpus, folder / "texts", amount.texts)
    options = [*run.model_options(), "--corpus", texts, "--blocks", *blocks, "--poles", poles]
    seconds = run_stage("activations", [*options, "--output", folder / "activations"], meter)
    found = [taken("activations", None, neurons, seconds, meter)]
    say("sweep")
    words = cut_vocabulary(run.corpus, folder / "words", amount.vocabulary)
    for layer, block in run.blocks.items():
        cut_block(block, folder / "sweep" / str(layer) / block.name, run.neurons(layer))
    options = [*run.model_options(), "--corpus", words, "--blocks", *blocks, "--settings", run.settings()]
    seconds = run_stage("sweep", [*options, "--output", folder / "sweep"], meter)
    return [*found, taken("sweep", None, neurons, seconds, meter)]


def say(what: str) -> None:
    print(f"Measuring: {what}", file=sys.stderr, flush=True)
