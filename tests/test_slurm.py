"""The workflow on a Slurm cluster of two nodes: what jobs ask for, and what becomes of lost ones."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from slurm import PLUGINS, Slurm, kill, missing, wait
from tiny_run import RUN

MADE = ("prune.parquet", "saliency.parquet", "augment.parquet", "graph.jsonl")
FIRST, SECOND = "0/00000-00001", "1/00000-00001"


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
def test_blocks_run_on_a_cluster_that_loses_a_job_and_a_node(
    slurm: Slurm, copied: Path, finished: Path, tmp_path: Path
) -> None:
    for block, names in ((FIRST, MADE), (SECOND, MADE[2:])):
        for name in names:
            (copied / RUN / block / name).unlink()
    wanted = [f"{RUN}/{block}/graph.jsonl" for block in (FIRST, SECOND)]
    profile = ["--workflow-profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "1"]
    command = slurm.inside([str(Path(sys.executable).parent / "snakemake"), *wanted, *profile])
    with (tmp_path / "said").open("w+") as said:
        environment = os.environ | {"PYTHONPATH": str(PLUGINS)}
        workflow = subprocess.Popen(
            command, cwd=copied, env=environment, stdout=said, stderr=subprocess.STDOUT
        )
        try:
            wait(lambda: running(slurm, "n1") and running(slurm, "n2"))
            slurm.lose("n2")
            wait(lambda: workflow.poll() is not None or kill(is_fitting(copied)))
            assert workflow.wait() == 0, (tmp_path / "said").read_text()
        finally:
            workflow.kill()
            workflow.wait()
    for path in [f"{RUN}/{block}/{name}" for block in (FIRST, SECOND) for name in MADE]:
        assert (copied / path).read_bytes() == (finished / path).read_bytes(), path
    jobs = slurm.jobs()
    gpu = {job["Comment"] for job in jobs if job.get("TresPerJob") == "gres:gpu:1"}
    assert gpu == {job["Comment"] for job in jobs if "rule_graph" not in job["Comment"]}
    assert len(gpu) < len({job["Comment"] for job in jobs}), "graphs need no GPU"
    assert [job["JobState"] for job in jobs if "rule_graph" in job["Comment"]].count("FAILED") == 1
    assert slurm.ask("sinfo", "-h", "-n", "n2", "-o", "%t").startswith("down"), "Slurm has noticed"


def running(slurm: Slurm, node: str) -> bool:
    """Whether a job runs on the node."""
    return any(job["NodeList"] == node and job["JobState"] == "RUNNING" for job in slurm.jobs())


def is_fitting(folder: Path) -> Callable[[Path], bool]:
    """Tells the processes, by their folder in /proc, that fit graphs in a checkout."""
    return lambda path: (
        b"\0scripts/graph.py\0" in (path / "cmdline").read_bytes() and (path / "cwd").readlink() == folder
    )
