"""What Snakemake recorded during the run (its `benchmark:` files), and its own overhead."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import time
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
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
    """Every job of the run's selected blocks and of the run as a whole."""
    found, selected = [], {(str(layer), str(block)) for layer, block in run.selected}
    for file in sorted((run.root / "benchmarks").glob("**/*.tsv")):
        with file.open(encoding="utf-8", newline="") as lines:
            row = list(csv.DictReader(lines, delimiter="\t"))[-1]
        stage, *block = file.relative_to(run.root / "benchmarks").with_suffix("").parts
        layer = int(block[0]) if len(block) == 2 else None
        if layer is None or tuple(block) in selected:
            memory = None if row["max_rss"] in ("-", "NA") else float(row["max_rss"])
            found.append(Job(stage, layer, float(row["s"]), memory, file.stat().st_mtime))
    return found


@dataclass(frozen=True)
class Course:
    """How the jobs overlapped: seconds in which at least one ran; median seconds from the end of a job to the start of
    the next."""

    busy: float
    between: float


def course(found: Sequence[Job]) -> Course | None:
    """What the timestamps of the files show; None if they cannot be those of the jobs, as in copies."""
    order = sorted(found, key=lambda job: job.end - job.seconds)
    ends = sorted(job.end for job in found)
    busy, until, gaps = 0.0, -inf, []
    for job in order:
        start = job.end - job.seconds
        busy += max(0.0, job.end - max(start, until))
        until = max(until, job.end)
        if earlier := bisect_right(ends, start):
            gaps.append(start - ends[earlier - 1])
    if not gaps or sum(job.seconds for job in found) > busy * len(os.sched_getaffinity(0)):
        return None
    return Course(busy, median(gaps))


@dataclass(frozen=True)
class Overhead:
    """Overhead in seconds: until the first job of Snakemake, and until a stage's program begins its work."""

    planning: float
    starts: Mapping[str, float]


def overhead(run: Run, configuration: Path) -> Overhead:
    """Measure it by starting programs that do nothing."""
    snakemake = [sys.executable, "-m", "snakemake", "--dry-run", "--forceall", "--nolock", "--quiet", "all"]
    snakemake += ["--snakefile", str(SCRIPTS.parent / "Snakefile"), "--configfile", str(configuration)]
    code = "import sys; sys.path.insert(0, sys.argv[1]); from n2g.model.checkpoint import boot; boot(*sys.argv[2:])"
    model = [str(SCRIPTS), str(run.checkpoint), str(run.config["device"]), run.config["dtype"]]
    with_model = min(seconds([sys.executable, "-c", code, *model]) for _ in range(2))
    stages = sorted({job.stage for job in jobs(run) if (SCRIPTS / f"{job.stage}.py").exists()})
    starts = {
        stage: with_model
        if stage in WITH_MODEL
        else seconds([sys.executable, str(SCRIPTS / f"{stage}.py"), "--help"])
        for stage in stages
    }
    return Overhead(seconds(snakemake), starts)


def seconds(command: Sequence[str]) -> float:
    """Seconds that a command takes. Raises CalledProcessError if it fails."""
    begin = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - begin
