"""The cost of the site, by the number of its pages.

Run by hand: `python benchmarks/pages.py 18432` builds a site of that many neurons from the records of a finished run.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

HERE = Path(__file__).resolve().parent
if __name__ == "__main__":
    sys.path[:0] = [str(HERE), str(HERE.parent / "scripts")]

import pyarrow as pa  # noqa: E402
from workload import SCRIPTS, Run  # noqa: E402

from n2g.files.tables import read_table, write_table  # noqa: E402
from n2g.ids import NeuronId  # noqa: E402

TABLES = ("statistics", "evaluate", "logits", "connections")


@dataclass(frozen=True)
class Site:
    """A site that was built.

    Attributes:
        pages: neuron pages.
        seconds: time of the build.
        cpu: CPU time of its processes.
        memory: peak memory of a process, in MiB.
        size: bytes of all files.
        disk: bytes that they take on disk, folders included.
        largest: bytes of the largest file that a page may load.
    """

    pages: int
    seconds: float
    cpu: float
    memory: float
    size: int
    disk: int
    largest: int


def measure(run: Run, folder: Path, times: int, processes: int = 1) -> Site:
    """Build the site in `folder` from `times` renumbered copies of every record of the run's blocks."""
    renders = [_copies(block, folder / str(layer), times) for layer, block in run.blocks.items()]
    config = {key: run.config[key] for key in ("run", "model", "corpus", "units")} | {"poles": ["positive"]}
    options = {
        "run": folder,
        "corpus": run.corpus,
        "checkpoint": run.checkpoint,
        "summary": run.root / "summary.json",
        "tables": ",".join(TABLES),
        "config": json.dumps(config),
        "site": SCRIPTS.parent / "site",
        "docs": SCRIPTS.parent / "docs",
        "out": folder / "atlas",
        "processes": processes,
    }
    if run.units:
        options["units"] = run.units
    words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    begin = time.perf_counter()
    blocks = ["/".join(render.parts[-3:-1]) for render in renders]
    command = [sys.executable, str(SCRIPTS / "atlas.py"), *words, "--blocks", *blocks]
    job = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(job.pid, 0)
    job.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - begin
    if job.returncode:
        raise RuntimeError("the site could not be built")
    count = sum(len(list(render.glob("*.json"))) for render in renders)
    return Site(
        count, seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, *_sizes(folder / "atlas")
    )


def _sizes(atlas: Path) -> tuple[int, int, int]:
    """Bytes of all files, bytes on disk, and the bytes of the largest file that is no download."""
    size, disk, largest = 0, 0, 0
    for folder, _, names in os.walk(atlas):
        disk += Path(folder).stat().st_blocks * 512
        for name in names:
            path = Path(folder, name)
            status = path.stat()
            size, disk = size + status.st_size, disk + status.st_blocks * 512
            parts = path.relative_to(atlas).parts
            download = parts[0] == "data" and (parts[1] in ("tables", "records") or name == "neurons.csv")
            if not download:
                largest = max(largest, status.st_size)
    return size, disk, largest


def _copies(block: Path, layer: Path, times: int) -> Path:
    """A block with records numbered from 0: `times` copies of the positive poles of another."""
    files = [file for file in sorted((block / "render").glob("*.json")) if not file.stem.endswith("-")]
    target = layer / f"00000-{len(files) * times - 1:05d}" / "render"
    target.mkdir(parents=True)
    for at, file in enumerate(files):
        record = json.loads(file.read_text(encoding="utf-8"))
        for time_ in range(times):
            number = time_ * len(files) + at
            name = str(replace(NeuronId.parse(record["id"]), neuron=number))
            text = json.dumps(
                record | {"id": name, "neuron": number}, ensure_ascii=False, separators=(",", ":")
            )
            (target / f"{name}.json").write_text(text, encoding="utf-8")
            for suffix in (".svg", ".dot"):
                if file.with_suffix(suffix).exists():
                    shutil.copyfile(file.with_suffix(suffix), target / f"{name}{suffix}")
    for table in TABLES:
        rows = read_table(block / f"{table}.parquet", table)
        rows = rows.filter(pa.compute.equal(rows["pole"], "positive"))
        first = pa.compute.min(rows["neuron"]).as_py() if rows.num_rows else 0
        at = rows.schema.get_field_index("neuron")
        parts = []
        for time_ in range(times):
            numbers = pa.compute.add(rows["neuron"], time_ * len(files) - first).cast(pa.int32())
            parts.append(rows.set_column(at, rows.schema.field(at), numbers))
        write_table(target.parent / f"{table}.parquet", table, pa.concat_tables(parts))
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("neurons", type=int, help="how many neuron pages, at least")
    parser.add_argument("--configfile", type=Path, default=Path("config.yaml"), help="names the finished run")
    parser.add_argument("--processes", type=int, default=1, help="processes to use")
    parser.add_argument("--keep", type=Path, help="where to keep the site")
    given = parser.parse_args()
    run = Run.open(given.configfile)
    with tempfile.TemporaryDirectory(prefix="n2g-pages-", dir=run.root) as folder:
        known = sum(len(list((block / "render").glob("*[0-9].json"))) for block in run.blocks.values())
        site = measure(run, Path(folder), -(-given.neurons // known), given.processes)
        if given.keep:
            shutil.move(Path(folder) / "atlas", given.keep)
    print(
        f"{site.pages:,} neuron pages: {site.seconds:.0f} s ({site.cpu:.0f} s of CPU time),"
        f" {site.memory:,.0f} MiB of memory,"
        f" {site.size / 1e6:,.0f} MB in files, {site.disk / 1e6:,.0f} MB on disk,"
        f" largest file that a page loads {site.largest / 1e3:,.0f} kB"
    )


if __name__ == "__main__":
    main()
