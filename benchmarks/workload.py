"""A small piece of a finished run, and the stages of the workflow on it, in this process."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from meter import Meter, Ratio, ratio

from n2g.errors import InputError
from n2g.files.tables import read_table, write_table
from n2g.ids import Block, block_folder
from n2g.model.checkpoint import Description, checkpoint_key, read_description
from n2g.units.description import latents_size, units_key
from n2g.workflow.config import load_config
from n2g.workflow.params import kind_of
from n2g.workflow.selection import selected_blocks

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
OBSERVED = ("statistics", "firings", "examples", "background")
BLOCK_STAGES = ("prune", "saliency", "augment")


@dataclass(frozen=True)
class Run:
    """A finished run: its configuration, its folder, its model, all selected blocks with their layers, the folder of
    the largest block of each layer, of which pieces are measured, and what reads its latents, if it is about those."""

    config: Mapping[str, Any]
    root: Path
    checkpoint: Path
    model: Description
    selected: Sequence[tuple[int, Block]]
    blocks: Mapping[int, Path]
    units: Path | None = None

    @classmethod
    def open(cls, configuration: Path) -> Run:
        """The run that a configuration names, below the current folder.

        Raises InputError, with what to do first, where it is not finished.
        """
        config = load_config(configuration)
        root = Path("results") / config["run"]
        checkpoint = Path("resources/checkpoints") / checkpoint_key(config["model"]) / "checkpoint.json"
        if not (root / "summary.json").is_file() or not checkpoint.is_file():
            raise InputError(f"There is no finished run in {root} to measure: run `make atlas` first.")
        model = read_description(checkpoint)
        size, units = (model.n_layers, model.d_mlp), None
        if kind_of(config) == "latents":
            units = Path("resources/units") / units_key(config["units"], str(checkpoint)) / "units.json"
            size = latents_size(units) or size
        selected = selected_blocks(config, *size)
        largest = max((block for _, block in selected), key=lambda block: len(block.neurons))
        blocks = {layer: block_folder(root, layer, largest) for layer, _ in selected}
        return cls(config, root, checkpoint, model, selected, blocks, units)

    @property
    def corpus(self) -> Path:
        return self.root / "corpus"

    def neurons(self, layer: int) -> list[int]:
        """The neurons of the layer's largest block."""
        table = read_table(self.blocks[layer] / "statistics.parquet", "statistics")
        return sorted(set(table["neuron"].to_pylist()))

    def settings(self, **changes: Any) -> str:
        """The settings of the method as the scripts take them."""
        given = {key: self.config[key] for key in ("method", "seed")}
        return json.dumps(given | dict(self.config["settings"]) | changes)

    def model_options(self) -> list[str]:
        """The scripts' options for the model."""
        threads = str(self.config["threads"] or len(os.sched_getaffinity(0)))
        options = {
            "checkpoint": self.checkpoint,
            "device": self.config["device"],
            "dtype": self.config["dtype"],
            "threads": threads,
        }
        return [word for name, value in options.items() for word in (f"--{name}", str(value))]


@dataclass(frozen=True)
class Measured:
    """The cost of a stage for some neurons of a layer (of all layers if `layer` is None).

    seconds: of the whole stage in this process, with the model already loaded; engine: the part spent in the engine;
    bare: seconds of the bare model on the same shapes, which are not included. tokens: that went through the model,
    padding included; prompt_tokens: without padding. memory: peak bytes of tensors on the GPU, without those of the
    bare model; 0 without a GPU.
    """

    stage: str
    layer: int | None
    neurons: int
    seconds: float
    engine: float
    bare: float
    tokens: int
    prompts: int
    prompt_tokens: int
    ratio: Ratio | None
    memory: int


def cut_block(source: Path, target: Path, neurons: Sequence[int]) -> Path:
    """Write a block that holds some of the neurons of another, up to the stage that observes them."""
    target.mkdir(parents=True)
    for name in OBSERVED:
        table = read_table(source / f"{name}.parquet", name)
        wanted = pc.is_in(table["neuron"], pa.array(neurons, pa.int32()))
        write_table(target / f"{name}.parquet", name, table.filter(wanted))
    shutil.copyfile(
        source / "pools.safetensors", target / "pools.safetensors"
    )  # no stage measured here reads it
    return target


def cut_texts(corpus: Path, target: Path, tokens: int) -> Path:
    """Write a corpus of the first documents of another, with about that many tokens."""
    table = read_table(corpus / "documents.parquet", "documents")
    count = int(np.searchsorted(np.cumsum(table["length"].to_numpy()), tokens)) + 1
    shutil.copytree(corpus, target)
    write_table(target / "documents.parquet", "documents", table.slice(0, count))
    return target


def cut_vocabulary(corpus: Path, target: Path, tokens: int) -> Path:
    """Write a corpus whose vocabulary holds about that many tokens, evenly sampled."""
    table = read_table(corpus / "vocabulary.parquet", "vocabulary")
    shutil.copytree(corpus, target)
    kept = np.arange(0, len(table), max(1, len(table) // tokens))
    write_table(target / "vocabulary.parquet", "vocabulary", table.take(kept))
    return target


def spread(items: Sequence[int], count: int) -> list[int]:
    """At most `count` of the items, evenly sampled."""
    return list(items[:: max(1, len(items) // count)][:count])


def run_stage(name: str, options: Sequence[object], meter: Meter) -> float:
    """Run a stage's script in this process with a model that is already loaded; returns its seconds, without those of
    the bare model."""
    meter.reset()
    spec = importlib.util.spec_from_file_location(f"stage_{name}", SCRIPTS / f"{name}.py")
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    program.open_engine = lambda *_: meter
    arguments = mock.patch.object(sys, "argv", [name, *map(str, options)])
    with arguments, redirect_stderr(io.StringIO()):  # progress bars
        begin = time.perf_counter()
        program.main()
        meter.note_memory()
        return time.perf_counter() - begin - meter.bare_seconds


def measure_block(
    run: Run, layer: int, block: Path, neurons: int, meter: Meter, method: str
) -> list[Measured]:
    """Prune, saliency and augment of such a block."""
    options = [*run.model_options(), "--corpus", run.corpus, "--block", block, "--layer", layer]
    options += ["--settings", run.settings(method=method)]
    found = []
    for stage in BLOCK_STAGES:
        more = ["--output", block / f"{stage}.parquet"]
        if stage == "augment":
            more += ["--proposer", run.config["proposer"]]
            more += ["--masked-lm", run.config["masked_lm"]] if run.config["masked_lm"] else []
        seconds = run_stage(stage, [*options, *more], meter)
        found.append(taken(stage, layer, neurons, seconds, meter))
    return found


def taken(stage: str, layer: int | None, neurons: int, seconds: float, meter: Meter) -> Measured:
    """The figures of the stage that has just run."""
    return Measured(
        stage,
        layer,
        neurons,
        seconds,
        meter.engine_seconds,
        meter.bare_seconds,
        meter.tokens,
        meter.prompts,
        meter.prompt_tokens,
        ratio(meter.passes),
        meter.memory,
    )
