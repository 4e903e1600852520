"""What a run says at its start and at its end: what it will take and use, and what came out."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from n2g.errors import WARNING
from n2g.files.tables import read_json
from n2g.workflow.benchmark_files import costs_so_far, mean_seconds
from n2g.workflow.cores import Cores
from n2g.workflow.machine import Device
from n2g.workflow.readable_log import duration_in_words

MB_PER_NEURON = 0.5  # on disk, with its pages (docs/scale.md)
SHOWN = 5  # warnings
# Predictors of summary.json that see the same as a graph: texts, and no more of the model than its activations on them.
BASELINES = {
    "token_lookup": "token lookup",
    "token_lookup_all": "token lookup, all tokens",
    "token_lookup_calibrated": "token lookup, calibrated",
    "ngram": "n-grams",
    "ngram_backoff": "n-grams with back-off",
    "paper": "N2G (Foote et al. 2023)",
    "texts_only": "texts only, without querying the model",
}
GB = 1e9


def beginning(
    jobs: Mapping[str, int],
    neurons: int,
    folder: Path,
    device: Device,
    cores: Cores,
    kind: str = "neurons",
) -> str:
    """What a run will take and use.

    Args:
        jobs: rule -> number of jobs to do.
        neurons: how many are selected, counting each pole; 0 where that is not known yet.
        folder: of the run.
        device: that its jobs will use.
        cores: that they share.
        kind: `neurons` or `latents`.
    """
    costs = costs_so_far(folder / "benchmarks")
    took = mean_seconds(costs)
    known = {rule: count for rule, count in jobs.items() if rule in took}
    seconds = sum(count * took[rule] for rule, count in known.items())
    total = sum(jobs.values())
    left_out = total - sum(known.values())
    if known:
        but = f"; the other {left_out} were never timed" if left_out else ""
        expected = (
            f"about {duration_in_words(seconds)} of jobs one after another, as timed before in this run{but}"
        )
    else:
        expected = "not known before the first jobs; each line below says what is left, once that can be told"
    largest = max((job.memory for done in costs.values() for job in done), default=0.0)
    used = f"; no job has used more than {largest / 1e3:.1f} GB so far" if largest else ""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    disk = f"about {max(neurons * MB_PER_NEURON / 1e3, 0.1):.1f} GB for the results, " if neurons else ""
    at_once = f"up to {cores.available} at once" if cores.available else "on other machines"
    return "\n".join(
        [
            f"Jobs:    {total} for {neurons or 'the selected'} {kind}, {at_once}",
            f"Device:  {device.description if cores.available else 'what each job is given'}",
            f"Time:    {expected}",
            f"Memory:  {_free_memory()}{used}",
            f"Disk:    {disk}{_gb(shutil.disk_usage(existing).free)} free",
            f"Logs:    {folder / 'logs'}, one file a job, with the progress of long ones; all lines of Snakemake with "
            "--verbose",
        ]
    )


def _free_memory() -> str:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        (line,) = (line for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError):
        return "not known"
    return f"{_gb(int(line.split()[1]) * 1024)} free"


def _gb(size: float) -> str:
    return (
        f"{size / GB:.0f} GB"
        if size >= 10 * GB
        else f"{size / GB:.1f} GB"
        if size >= GB / 10
        else f"{size / 1e6:.1f} MB"
    )


def outcome(folder: Path, described: str, since: float | None = None) -> str:
    """What came out of a finished run, in a few lines; nothing where the results lie in other storage.

    Args:
        folder: of the run.
        described: how many neurons or latents, counting each pole.
        since: when it started, on the clock `time.monotonic`; None where nothing was left to do.
    """
    if not (folder / "summary.json").is_file():
        return ""
    took = f" in {duration_in_words(time.monotonic() - since)}" if since is not None else ""
    scores = read_json(folder / "summary.json")["overall"]
    atlas = folder / "atlas"
    lines = [
        f"Described: {described}{took}",
        *(f"F1:        {_scores(scores[name], name)}" for name in ("top", "random") if scores.get(name)),
        f"Atlas:     {atlas}",
        "See it:    make serve",
    ]
    found = warnings(folder / "logs")
    more = [f"... and {len(found) - SHOWN} more in {folder / 'logs'}"] if len(found) > SHOWN else []
    return "\n".join([*lines, *(f"Warning:   {line}" for line in [*found[:SHOWN], *more])])


def _scores(predictors: Mapping[str, Any], name: str) -> str:
    """The mean F1 of the graphs, and that of the best baseline."""
    known = [(predictors[one]["f1"], title) for one, title in BASELINES.items() if one in predictors]
    best, title = max((pair for pair in known if pair[0] is not None), default=(None, ""))
    graph = predictors.get("graph", {}).get("f1")
    beside = f"; best baseline {best:.2f} ({title})" if best is not None else ""
    mean = f"{graph:.2f}" if graph is not None else "none"
    return f"{mean} on {name} test documents{beside}"


def warnings(logs: Path) -> list[str]:
    """What the programs of a run warned of, each once, in the order of their logs' names."""
    found: dict[str, None] = {}
    for log in sorted(logs.rglob("*.log")):
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith(WARNING):
                found.setdefault(line.removeprefix(WARNING))
    return list(found)
