"""What Snakemake noted while the run was made (its `benchmark:` files), and what it costs by itself."""

from __future__ import annotations

import csv
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

from workload import SCRIPTS, Run

# The stages whose jobs load the model.
WITH_MODEL = ("activations", "sweep", "prune", "saliency", "augment", "logits")


@dataclass(frozen=True)
class Job:
    """A finished job: its stage, layer (None for jobs of the whole run), seconds, largest memory (MiB; None where it
    was too short to be seen), and when it ended (seconds)."""

    stage: str
    layer: int | None
    seconds: float
    memory: float | None
    end: float


def jobs(run: Run) -> list[Job]:
    """Every job of the run's selected blocks, and of the run as a whole."""
    found = []
    for file in sorted((run.root / "benchmarks").glob("**/*.tsv")):
        with file.open(encoding="utf-8", newline="") as lines:
            row = list(csv.DictReader(lines, delimiter="\t"))[-1]
        stage, *block = file.relative_to(run.root / "benchmarks").with_suffix("").parts
        layer = int(block[0]) if block else None
        if layer is None or (run.blocks.get(layer) and file.stem == run.blocks[layer].name):
            memory = None if row["max_rss"] in ("-", "NA") else float(row["max_rss"])
            found.append(Job(stage, layer, float(row["s"]), memory, file.stat().st_mtime))
    return found


def gap(found: Sequence[Job]) -> float | None:
    """Median seconds between the end of a job and the start of the next; None where the files tell no sequence."""
    order = sorted(found, key=lambda job: job.end)
    gaps = [after.end - after.seconds - before.end for before, after in pairwise(order)]
    usual = median(gaps) if gaps else -1
    return usual if 0 <= usual < 5 else None


@dataclass(frozen=True)
class Overhead:
    """What is no work, in seconds: until the first job, between two jobs, and until a stage's program begins."""

    planning: float
    between: float | None
    starts: Mapping[str, float]


def overhead(run: Run, configuration: Path) -> Overhead:
    """Measure it, with programs that are started and do nothing."""
    snakemake = [sys.executable, "-m", "snakemake", "--dry-run", "--forceall", "--nolock", "--quiet", "all"]
    snakemake += ["--snakefile", str(SCRIPTS.parent / "Snakefile"), "--configfile", str(configuration)]
    code = "import sys; sys.path.insert(0, sys.argv[1]); from n2g.checkpoint import boot; boot(*sys.argv[2:])"
    model = [str(SCRIPTS), str(run.checkpoint), str(run.config["device"]), run.config["dtype"]]
    with_model = min(seconds([sys.executable, "-c", code, *model]) for _ in range(2))
    known = jobs(run)
    stages = sorted({job.stage for job in known if (SCRIPTS / f"{job.stage}.py").exists()})
    starts = {
        stage: with_model
        if stage in WITH_MODEL
        else seconds([sys.executable, str(SCRIPTS / f"{stage}.py"), "--help"])
        for stage in stages
    }
    return Overhead(seconds(snakemake), gap(known), starts)


def seconds(command: Sequence[str]) -> float:
    """Seconds that a command takes. Raises CalledProcessError where it fails."""
    begin = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - begin
