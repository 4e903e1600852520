"""Results kept by one of Snakemake's storage plugins instead of in the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from slurm import PLUGINS
from tiny_run import RUN

PREPARED = shutil.which("rsync") and PLUGINS.is_dir()


@pytest.mark.slow
def test_results_in_storage_have_the_same_bytes(copied: Path, finished: Path, tmp_path: Path) -> None:
    if not PREPARED:
        sentence = "the storage plugin is missing, which `make test` installs, or rsync, which it runs"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(sentence)
    store = tmp_path / "store"
    shutil.move(copied / "results", store / "results")
    for block in (store / RUN).glob("[01]/*"):
        (block / "logits.parquet").unlink()
        (block / "connections.parquet").unlink()
        shutil.rmtree(block / "render")
    shutil.rmtree(store / RUN / "atlas")
    (store / RUN / "manifest.json").unlink()
    (store / RUN / "1" / "00000-00001" / "evaluate.parquet").unlink()
    command = [Path(sys.executable).parent / "snakemake", "--default-storage-provider", "fs"]
    done = subprocess.run(
        [*command, "--default-storage-prefix", store],
        cwd=copied,
        env=os.environ | {"PYTHONPATH": str(PLUGINS)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert not (copied / "results").exists()
    found, expected = (
        {path.relative_to(folder): path.read_bytes() for path in files_of(folder)}
        for folder in (store / RUN, finished / RUN)
    )
    assert found.keys() == expected.keys()
    assert [name for name in found if found[name] != expected[name]] == []


def files_of(run: Path) -> list[Path]:
    """Every file of a run but those that tell times, and Snakemake's marks in folders."""
    timed = ("logs", "benchmarks", "manifest.json")
    files = [path for path in run.rglob("*") if path.is_file() and path.name != ".snakemake_timestamp"]
    return [path for path in files if path.relative_to(run).parts[0] not in timed]
