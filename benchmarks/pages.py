"""How long the site takes, by the number of its pages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from workload import SCRIPTS, Run


@dataclass(frozen=True)
class Site:
    """A site that was built: neuron pages, seconds, largest memory of a process (MiB)."""

    pages: int
    seconds: float
    memory: float


def measure(run: Run, folder: Path, times: int) -> Site:
    """Build the site with every record of the run's blocks that many times, under new numbers."""
    renders = [_copies(block / "render", folder / str(layer), times) for layer, block in run.blocks.items()]
    config = {key: run.config[key] for key in ("run", "model", "corpus", "poles")} | {"poles": ["positive"]}
    options = {
        "corpus": run.corpus,
        "checkpoint": run.checkpoint,
        "summary": run.root / "summary.json",
        "config": json.dumps(config),
        "site": SCRIPTS.parent / "site",
        "docs": SCRIPTS.parent / "docs",
        "out": folder / "atlas",
    }
    words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    begin = time.perf_counter()
    command = [sys.executable, str(SCRIPTS / "atlas.py"), "--renders", *map(str, renders), *words]
    job = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(job.pid, 0)
    job.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - begin
    if job.returncode:
        raise RuntimeError("the site could not be built")
    shutil.rmtree(folder / "atlas")
    count = sum(len(list(render.glob("*.json"))) for render in renders)
    return Site(count, seconds, used.ru_maxrss / 1024)


def _copies(render: Path, layer: Path, times: int) -> Path:
    """A folder of records numbered from 0 on; the positive poles of a block, again and again."""
    records = [file for file in sorted(render.glob("*.json")) if not file.stem.endswith("-")] * times
    target = layer / f"00000-{len(records) - 1:05d}" / "render"
    target.mkdir(parents=True)
    for number, file in enumerate(records):
        name = f"L{layer.name}.N{number}"
        record = json.loads(file.read_text(encoding="utf-8")) | {"id": name, "neuron": number}
        (target / f"{name}.json").write_text(json.dumps(record), encoding="utf-8")
        for suffix in (".svg", ".dot"):
            if file.with_suffix(suffix).exists():
                shutil.copyfile(file.with_suffix(suffix), target / f"{name}{suffix}")
    return target
