"""What is measured, and how much of it."""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import machine
import notes
import pages
import torch
from meter import BareModel, Meter
from published import Published
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

from n2g.files.tables import read_json, read_table
from n2g.ids import Block as Range
from n2g.method.examples import chosen_examples
from n2g.method.fitting_data import FittingBlock
from n2g.method.proposers import make_proposer
from n2g.method.prune import bare
from n2g.settings import Settings
from n2g.workflow.model_options import add_model_options, open_engine


@dataclass(frozen=True)
class Amount:
    """How much is measured.

    neurons: of each layer. texts, vocabulary: tokens for activations and sweep. published: neurons per layer for the
    published procedure, and examples of each. growth: how many times the block size is multiplied by four. copies: of
    every record in the larger site.
    """

    neurons: int
    texts: int
    vocabulary: int
    published: int
    growth: int
    copies: int


FULL = Amount(neurons=8, texts=30_000, vocabulary=4_096, published=2, growth=2, copies=5)
QUICK = Amount(neurons=2, texts=3_000, vocabulary=512, published=1, growth=1, copies=2)


@dataclass(frozen=True)
class Comparison:
    """One layer's cost per neuron: seconds and prompts of the published procedure (extrapolated from few examples),
    seconds and prompts of the engine for method "paper", and the engine's seconds for everything the run does."""

    layer: int
    examples: int
    published: float
    published_prompts: float
    paper: float
    paper_prompts: float
    both: float


@dataclass(frozen=True)
class Growth:
    """The cost of a stage for one of the blocks, of at most `size` neurons, into which the same neurons are divided.

    busy: GPU utilisation during the block, in percent; None if it is unknown.
    """

    size: int
    busy: float | None
    measured: Measured


@dataclass(frozen=True)
class Results:
    """The content of the report."""

    facts: Mapping[str, str]
    stages: Sequence[Measured]
    growth: Sequence[Growth]
    comparisons: Sequence[Comparison]
    jobs: Sequence[notes.Job]
    overhead: notes.Overhead
    sites: Sequence[pages.Site]
    seconds: float


def everything(run: Run, configuration: Path, folder: Path, amount: Amount) -> Results:
    """Measure everything, in less than ten minutes on two cores; writes below `folder` only."""
    begin = time.perf_counter()
    say("start-up and Snakemake")
    overhead = notes.overhead(run, configuration)
    say("site")
    sites = [pages.measure(run, folder / f"site-{times}", times) for times in (1, amount.copies)]
    meter = load(run)
    about = machine.facts(meter.device, run.config["dtype"])
    stages = corpus_stages(run, folder, amount, meter)
    for layer, block in run.blocks.items():
        say(f"layer {layer}")
        neurons = spread(run.neurons(layer), amount.neurons)
        cut = cut_block(block, folder / "blocks" / str(layer) / block.name, neurons)
        stages += measure_block(run, layer, cut, len(neurons), meter, run.config["method"])
    meter.bare = None
    gc.collect()  # its weights are in reference cycles
    grown = growth(run, folder, amount, meter)
    layers = list(run.blocks)
    some = sorted({layers[0], layers[len(layers) // 2], layers[-1]})
    compared = [against_published(run, layer, folder, amount, meter, stages) for layer in some]
    compared = [one for one in compared if one]
    took = time.perf_counter() - begin
    return Results(about, stages, grown, compared, notes.jobs(run), overhead, sites, took)


def load(run: Run) -> Meter:
    """The model in an engine that times itself, next to the bare model (none for native models)."""
    parser = argparse.ArgumentParser()
    add_model_options(parser)
    given = parser.parse_args(run.model_options())
    last = max(run.neurons(layer)[-1] for layer in run.blocks)
    engine = open_engine(given, list(run.blocks), [last])
    hugging_face = run.model.format == "transformers"
    bare = BareModel(run.checkpoint.parent, engine.device, given.dtype) if hugging_face else None
    gc.collect()  # what remains of its head
    meter = Meter(engine.bridge, device=engine.device, bare=bare)
    for _ in range(3):  # warm-up
        meter.read(torch.ones((8, 32), dtype=torch.long, device=engine.device), list(run.blocks))
    return meter


def corpus_stages(run: Run, folder: Path, amount: Amount, meter: Meter) -> list[Measured]:
    """Activations and sweep, which serve all blocks at once, on a subset of the texts and of the vocabulary."""
    blocks = [f"{layer}/{block.name}" for layer, block in run.blocks.items()]
    neurons = sum(len(Range.parse(block.name).neurons) for block in run.blocks.values())
    poles = ",".join(run.config["poles"])
    say("activations")
    texts = cut_texts(run.corpus, folder / "texts", amount.texts)
    options = [*run.model_options(), "--corpus", texts, "--blocks", *blocks, "--poles", poles]
    seconds = run_stage("activations", [*options, "--output", folder / "activations"], meter)
    found = [taken("activations", None, neurons, seconds, meter)]
    say("sweep")
    words = cut_vocabulary(run.corpus, folder / "words", amount.vocabulary)
    options = [*run.model_options(), "--corpus", words, "--blocks", *blocks, "--settings", run.settings()]
    options += ["--maxima", run.root / "maxima.parquet", "--output", folder / "sweep"]
    seconds = run_stage("sweep", options, meter)
    return [*found, taken("sweep", None, neurons, seconds, meter)]


def growth(run: Run, folder: Path, amount: Amount, meter: Meter) -> list[Growth]:
    """The stages of a layer's block, divided into small blocks, into blocks four times as large, and so on up to one.

    The neurons are always the same, since some cost ten times as much as others: at most 32 of the block.
    """
    layers = list(run.blocks)
    layer = layers[(len(layers) - 1) // 2]
    neurons, found = spread(run.neurons(layer), 32), []
    for size in sorted({max(1, len(neurons) // 4**step) for step in range(amount.growth + 1)}):
        say(f"layer {layer} in blocks of {size} neurons")
        for begin in range(0, len(neurons), size):
            some = neurons[begin : begin + size]
            target = folder / "growth" / f"{size}-{begin}" / run.blocks[layer].name
            cut = cut_block(run.blocks[layer], target, some)
            with machine.utilisation(meter.device) as busy:
                measured = measure_block(run, layer, cut, len(some), meter, run.config["method"])
            found += [Growth(size, mean(busy) if busy else None, one) for one in measured]
    return found


def against_published(
    run: Run, layer: int, folder: Path, amount: Amount, meter: Meter, stages: Sequence[Measured]
) -> Comparison | None:
    """Method "paper" with the engine, and a few of its examples by the published procedure; None if nothing fires."""
    say(f"layer {layer}, published procedure")
    neurons = spread(run.neurons(layer), amount.neurons)
    source = run.blocks[layer]
    cut = cut_block(source, folder / "paper" / str(layer) / source.name, neurons)
    ours = measure_block(run, layer, cut, len(neurons), meter, "paper")
    bos = read_json(run.corpus / "corpus.json")["bos"]
    settings = Settings.from_options({**run.config["settings"], "method": "paper", "bos": bos})
    examples: dict = {}
    for unit, _, example in chosen_examples(FittingBlock(run.corpus, cut, settings)):
        examples.setdefault(unit.neuron, []).append(example)
    usual = sum(map(len, examples.values())) / len(neurons)  # mean number of examples per neuron
    vocabulary = read_table(run.corpus / "vocabulary.parquet", "vocabulary")
    proposer = make_proposer("embedding", meter.bridge, vocabulary, bos)
    hook, askers, count = meter.hook.format(layer=layer), [], 0
    for neuron in spread(sorted(examples), amount.published):
        asker = Published(meter.bridge, hook, neuron, bare(settings), meter.device)
        some = spread(examples[neuron], amount.published)
        for example in some:
            asker.example(example, proposer)
        askers.append(asker)
        count += len(some)
    if not count:
        return None
    return Comparison(
        layer,
        count,
        sum(one.seconds for one in askers) / count * usual,
        sum(one.prompts for one in askers) / count * usual,
        sum(one.seconds for one in ours) / len(neurons),
        sum(one.prompts for one in ours) / len(neurons),
        sum(one.seconds / one.neurons for one in stages if one.layer == layer),
    )


def say(what: str) -> None:
    print(f"Measuring: {what}", file=sys.stderr, flush=True)
