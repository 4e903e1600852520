"""What jobs cost, as Snakemake measured it."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class Cost(NamedTuple):
    """Of one job: seconds, the most memory (MB) that it used, and seconds of CPU time."""

    seconds: float
    memory: float
    cpu: float = 0.0


def read_benchmark(path: Path) -> list[Cost]:
    """The jobs in a benchmark file."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [
        Cost(float(row["s"]), _number(row["max_rss"]), _number(row.get("cpu_time") or "")) for row in rows
    ]


def costs_so_far(folder: Path) -> dict[str, list[Cost]]:
    """Rule -> its jobs; a file that is just being written counts for nothing.

    folder: `benchmarks/` of a run, with `{rule}.tsv`, `{rule}/{part}.tsv` and `{rule}/{layer}/{block}.tsv`.
    """
    found: dict[str, list[Cost]] = {}
    for path in folder.rglob("*.tsv"):
        rule = path.relative_to(folder).parts[0].removesuffix(".tsv")
        try:
            found.setdefault(rule, []).extend(read_benchmark(path))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return {rule: jobs for rule, jobs in found.items() if jobs}


def mean_seconds(costs: Mapping[str, Sequence[Cost]]) -> dict[str, float]:
    """Rule -> mean seconds of its jobs, of which it has at least one."""
    return {rule: sum(job.seconds for job in jobs) / len(jobs) for rule, jobs in costs.items()}


def _number(text: str) -> float:
    """A number of a benchmark file; jobs that end at once have no memory measured."""
    try:
        return float(text)
    except ValueError:
        return 0.0
