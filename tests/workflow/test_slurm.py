"""The whole workflow on a Slurm cluster of two nodes: what jobs ask for, and what becomes of lost ones."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from slurm import PLUGINS, Slurm, kill, missing, wait
from test_crash import results
from tiny_run import RUN

PASSES = {f"{rule}_{part}" for rule in ("activations", "sweep", "windows") for part in (1, 2)}
ON_GPU = PASSES | {"model", "effects", "manifest"}  # "model" and "fit" are groups of rules for a block
WITHOUT = {"corpus", "logits", "maxima", "fit", "render", "similar", "summary", "atlas"}


@pytest.fixture
def slurm() -> Iterator[Slurm]:
    """Without Slurm the test is skipped, but fails in continuous integration."""
    if lacking := missing():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(lacking)
    with tempfile.TemporaryDirectory(prefix="slurm") as folder:
        Path(folder).chmod(0o755)
        with Slurm(Path(folder)) as running:
            yield running


@pytest.mark.slow
def test_an_atlas_comes_from_a_cluster_that_loses_a_job_and_a_node(
    slurm: Slurm, copied: Path, finished: Path, tmp_path: Path
) -> None:
    shutil.rmtree(copied / RUN)
    profile = ["--workflow-profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "1"]
    snakemake = str(Path(sys.executable).parent / "snakemake")
    command = slurm.inside([snakemake, *profile, "--config", "passes=2"])
    with (tmp_path / "said").open("w+") as said:
        environment = os.environ | {"PYTHONPATH": str(PLUGINS)}
        workflow = subprocess.Popen(
            command, cwd=copied, env=environment, stdout=said, stderr=subprocess.STDOUT
        )
        try:
            wait(lambda: workflow.poll() is not None or asking(slurm))
            (lost, *_) = asking(slurm)
            slurm.lose(lost)
            wait(lambda: workflow.poll() is not None or kill(is_fitting(copied)))
            assert workflow.wait() == 0, (tmp_path / "said").read_text()
        finally:
            workflow.kill()
            workflow.wait()
    found, expected = results(copied), results(finished)
    assert found.keys() == expected.keys()
    assert [name for name in found if found[name] != expected[name]] == []
    assert (copied / RUN / "manifest.json").exists()

    jobs = slurm.jobs()
    assert {what(job) for job in jobs if job.get("TresPerJob") == "gres:gpu:1"} == ON_GPU
    assert {what(job) for job in jobs} == ON_GPU | WITHOUT
    assert {what(job) for job in jobs if job["NumCPUs"] == "8"} == PASSES
    assert "fit" in [what(job) for job in jobs if job["JobState"] == "FAILED"]  # of each block that was at it
    done = [job["NodeList"] for job in jobs if what(job) == "model" and job["JobState"] == "COMPLETED"]
    assert len(done) >= 2 and lost not in done
    assert slurm.ask("sinfo", "-h", "-n", lost, "-o", "%t").startswith("down"), "Slurm has noticed"


def what(job: dict[str, str]) -> str:
    """The rule of a job, or its group of rules."""
    return re.match(r"rule_((activations|sweep|windows)_\d|[a-z]+)", job["Comment"])[1]


def asking(slurm: Slurm) -> list[str]:
    """The nodes of running jobs that ask the model about a block."""
    return [job["NodeList"] for job in slurm.jobs() if what(job) == "model" and job["JobState"] == "RUNNING"]


def is_fitting(folder: Path) -> Callable[[Path], bool]:
    """Tells the processes, by their folder in /proc, that fit graphs in a checkout."""
    return lambda path: (
        b"\0scripts/graph.py\0" in (path / "cmdline").read_bytes() and (path / "cwd").readlink() == folder
    )
