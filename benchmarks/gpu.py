"""Whole layers on a GPU without network, Snakemake or site: what they take, and whether results mean the same as on the
CPU.

    python benchmarks/gpu.py pack FOLDER                # where a run is finished: model and corpus in pieces of 50 MB
    python benchmarks/gpu.py run FOLDER --layers 0,3    # where the GPU is: writes benchmarks/gpu.md

`run` needs the pieces, this repository and the packages of the run environment. It begins no further block after
`--minutes`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "scripts")]

import machine  # noqa: E402
from meter import Meter  # noqa: E402
from workload import (  # noqa: E402
    BLOCK_STAGES,
    Measured,
    Run,
    cut_block,
    cut_texts,
    measure_block,
    run_stage,
    spread,
    taken,
)

from n2g.errors import InputError  # noqa: E402
from n2g.files.tables import CONTRACTS, read_table  # noqa: E402
from n2g.ids import Block  # noqa: E402
from n2g.model.checkpoint import boot, read_description  # noqa: E402
from n2g.texts.sources import MANIFEST, Source  # noqa: E402
from n2g.workflow.run_script import run_script  # noqa: E402

# The first releases of Python 3.11 know no filter; the archive is one that `pack` made.
SAFELY = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
PIECE = 50_000_000  # bytes
COMPARED = 8  # neurons of each layer that the CPU does too
TEXTS = 20_000  # tokens of the activations that the CPU computes too


def pack(run: Run, folder: Path) -> None:
    """Write the fetched model and the corpus of a finished run as pieces, and what is needed to put them together."""
    folder.mkdir(parents=True)
    digest = hashlib.sha256()
    with tempfile.TemporaryFile() as whole:
        with tarfile.open(fileobj=whole, mode="w") as archive:
            archive.add(_fetched(run), "model")
            archive.add(run.corpus, "corpus")
        whole.seek(0)
        for number, content in enumerate(iter(lambda: whole.read(PIECE), b"")):
            digest.update(content)
            (folder / f"piece-{number:02d}").write_bytes(content)
    config = {
        key: run.config[key] for key in ("method", "seed", "settings", "proposer", "masked_lm", "poles")
    }
    about = {"sha256": digest.hexdigest(), "pieces": number + 1, "config": config}
    (folder / "pieces.json").write_text(json.dumps(about, indent=1), encoding="utf-8")


def _fetched(run: Run) -> Path:
    """The folder of the model as it was fetched, which is smaller than the checkpoint made from it."""
    model = run.config["model"]
    folder = Path("resources/models") / Source.parse(model["source"], model["file"], model["sha256"]).key
    if not (folder / MANIFEST).is_file():
        raise InputError(
            f"model.source: {model['source']} is not in resources/models any more: fetch it again."
        )
    return folder


def unpack(folder: Path, target: Path) -> dict[str, Any]:
    """Put the pieces together below `target`; gives the run's configuration.

    Raises:
        InputError: a piece is missing or damaged.
    """
    about = json.loads((folder / "pieces.json").read_text("utf-8"))
    digest = hashlib.sha256()
    with tempfile.TemporaryFile(dir=target) as whole:
        for number in range(about["pieces"]):
            path = folder / f"piece-{number:02d}"
            if not path.is_file():
                raise InputError(f"{path} is missing: copy all {about['pieces']} pieces.")
            content = path.read_bytes()
            digest.update(content)
            whole.write(content)
        if digest.hexdigest() != about["sha256"]:
            raise InputError(f"The pieces in {folder} are damaged: copy them anew.")
        whole.seek(0)
        with tarfile.open(fileobj=whole) as archive:
            archive.extractall(target, **SAFELY)
    program = [sys.executable, HERE.parent / "scripts/checkpoint.py"]
    options = ["--model", target / "model" / MANIFEST, "--output", target / "checkpoint/checkpoint.json"]
    subprocess.run([*program, *options], check=True)
    return about["config"]


def opened(root: Path, work: Path, config: dict[str, Any], layers: Sequence[int], size: int) -> Run:
    """The whole layers as a run in `root` whose blocks are still to be made."""
    checkpoint = work / "checkpoint/checkpoint.json"
    model = read_description(checkpoint)
    parts = [range(first, min(first + size, model.d_mlp)) for first in range(0, model.d_mlp, size)]
    selected = [(layer, Block(part[0], part[-1])) for layer in layers for part in parts]
    root.mkdir()
    (root / "corpus").symlink_to(work / "corpus")
    return Run({**config, "threads": None}, root, checkpoint, model, selected, {})


def activations(run: Run, corpus: Path, meter: Meter) -> tuple[Measured, float | None]:
    """The pass over the texts for every block, and the GPU's mean utilisation in it."""
    names = [f"{layer}/{block}" for layer, block in run.selected]
    options = [
        *run.model_options(),
        "--corpus",
        corpus,
        "--blocks",
        *names,
        "--poles",
        ",".join(run.config["poles"]),
    ]
    with machine.utilisation(meter.device) as busy:
        seconds = run_stage("activations", [*options, "--output", run.root], meter)
    count = sum(len(block.neurons) for _, block in run.selected)
    return taken("activations", None, count, seconds, meter), mean(busy) if busy else None


def agreement(one: Path, other: Path, name: str) -> float:
    """Fraction of the rows of one table that are in the other too, but for numbers of floating point."""
    tables = [read_table(folder / f"{name}.parquet", name).to_pylist() for folder in (one, other)]
    schema = CONTRACTS[name].schema
    exact = [
        field.name for field in schema if not {"float", "double"} & set(re.findall(r"\w+", str(field.type)))
    ]
    first, second = ({json.dumps([row[column] for column in exact]) for row in table} for table in tables)
    return len(first & second) / max(1, len(first | second))


def compared(run: Run, reference: Run, meters: Sequence[Meter], folder: Path) -> Iterator[tuple[str, float]]:
    """How far results agree with the CPU's, by stage: some neurons of each layer, and the maxima on some texts."""
    texts = cut_texts(run.corpus, folder / "texts", TEXTS)
    cuts = []
    for one, meter in zip((run, reference), meters, strict=True):
        small = replace(one, root=folder / "activations" / one.root.name, selected=one.selected[:1])
        activations(small, texts, meter)
        layer, block = small.selected[0]
        table = read_table(small.root / f"{layer}/{block}/statistics.parquet", "statistics")
        cuts.append(table["maximum"].to_numpy())
    gap = abs(cuts[0] - cuts[1]) / abs(cuts[1]).clip(1e-9)
    yield "maximum of a neuron, largest relative difference", float(gap.max())
    seen = set()
    for layer, block in run.selected:
        source = run.root / f"{layer}/{block}"
        if layer in seen or not source.is_dir():
            continue
        seen.add(layer)
        neurons = spread(list(block.neurons), COMPARED)
        made = []
        for one, meter in zip((run, reference), meters, strict=True):
            target = folder / one.root.name / str(layer) / str(block)
            made.append(cut_block(source, target, neurons))
            measure_block(one, layer, made[-1], len(neurons), meter, one.config["method"])
        for stage in BLOCK_STAGES:
            yield f"layer {layer}, {stage}: fraction of equal rows", agreement(*made, stage)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    packing = commands.add_parser("pack", help="write the pieces")
    packing.add_argument("folder", type=Path)
    packing.add_argument(
        "--configfile", type=Path, default=Path("config.yaml"), help="names the finished run"
    )
    running = commands.add_parser("run", help="measure")
    running.add_argument("folder", type=Path, help="with the pieces")
    running.add_argument("--layers", default="0", help="numbers, comma-separated")
    running.add_argument("--block-size", type=int, default=768)
    running.add_argument("--device", default="cuda")
    running.add_argument("--dtype", default="float32")
    running.add_argument("--minutes", type=float, default=7.0, help="after which no further block begins")
    running.add_argument("--output", type=Path, default=HERE / "gpu.md")
    given = parser.parse_args()
    if given.command == "pack":
        pack(Run.open(given.configfile), given.folder)
        return
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="n2g-gpu-") as folder:
        work = Path(folder)
        config = unpack(given.folder, work)
        layers = [int(layer) for layer in given.layers.split(",")]
        runs = [
            opened(work / name, work, {**config, "device": device, "dtype": dtype}, layers, given.block_size)
            for name, device, dtype in (
                ("measured", given.device, given.dtype),
                ("reference", "cpu", "float32"),
            )
        ]
        meters = [
            Meter(
                boot(run.checkpoint.parent, run.config["device"], run.config["dtype"]),
                device=run.config["device"],
            )
            for run in runs
        ]
        facts = machine.facts(given.device, given.dtype)
        rows = [activations(runs[0], runs[0].corpus, meters[0])]
        for layer, block in runs[0].selected:
            if time.perf_counter() - begin > 60 * given.minutes:
                break
            with machine.utilisation(given.device) as busy:
                found = measure_block(
                    runs[0],
                    layer,
                    runs[0].root / f"{layer}/{block}",
                    len(block.neurons),
                    meters[0],
                    config["method"],
                )
            rows += [(one, mean(busy) if busy else None) for one in found]
        agree = list(compared(*runs, meters, work / "compared"))
    given.output.write_text(report(facts, rows, agree), encoding="utf-8")
    print(f"The report is in {os.path.relpath(given.output)}.")


def report(
    facts: dict[str, str], rows: Sequence[tuple[Measured, float | None]], agree: Sequence[tuple[str, float]]
) -> str:
    """The tables of seconds and of agreement."""
    lines = ["# Whole layers on a GPU", "", "Written by `python benchmarks/gpu.py run`.", ""]
    lines += ["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in facts.items()), ""]
    lines += ["| Stage | Layer | Neurons | Seconds | Tokens per second | Utilisation | GPU memory |"]
    lines += ["| --- | ---: | ---: | ---: | ---: | ---: | ---: |"]
    for one, busy in rows:
        cells = [
            one.stage,
            "" if one.layer is None else str(one.layer),
            str(one.neurons),
            f"{one.seconds:.1f}",
        ]
        cells += [f"{one.tokens / one.seconds:,.0f}", "" if busy is None else f"{busy:.0f} %"]
        cells += [f"{one.memory / 2**30:.1f} GiB"]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "| Against the CPU in float32 | |", "| --- | ---: |"]
    lines += [f"| {name} | {value:.2g} |" for name, value in agree]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    run_script(main)
