"""profiles/kubernetes: what it plans, and what it asks a cluster for. Nothing runs on a real one."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from loopback import JsonHandler, running
from tiny_run import JOB, RUN, snakemake

# Where `make test` puts the packages of requirements/kubernetes.lock.
PLUGINS = Path(sys.prefix) / "kubernetes"
GPU = "nvidia.com/gpu"


class Interface(JsonHandler):
    """Takes every job, as the interface of a cluster would, and says of each that it failed."""

    def do_POST(self) -> None:
        body = self.received()
        if self.path.endswith("/jobs"):
            self.server.jobs.append(body)
        self.answer(body)

    def do_GET(self) -> None:
        self.answer({"status": {"failed": 1}} if "/jobs/" in self.path else {"items": []})

    def do_DELETE(self) -> None:
        self.answer({})

    def answer(self, content: dict) -> None:
        self.send(200, json.dumps(content).encode())


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ThreadingHTTPServer]:
    """A server on this machine that kubeconfig in `tmp_path` names as the cluster; its `jobs` are those submitted."""
    with running(ThreadingHTTPServer(("127.0.0.1", 0), Interface)) as server:
        server.jobs = []
        named = {"name": "here", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}
        context = {"name": "here", "context": {"cluster": "here", "user": "me"}}
        config = {"clusters": [named], "contexts": [context], "users": [{"name": "me", "user": {}}]}
        (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config | {"current-context": "here"}))
        yield server


def run_with_profile(folder: Path, store: Path, *arguments: str) -> tuple[int, str]:
    """Run the workflow with the profile and results in `store`; exit status and everything it says."""
    if not PLUGINS.is_dir() or not shutil.which("rsync"):
        sentence = f"no {PLUGINS}, which `make test` installs, or no rsync"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(sentence)
    command = [Path(sys.executable).parent / "snakemake", "--workflow-profile", "profiles/kubernetes"]
    environment = os.environ | {"PYTHONPATH": str(PLUGINS), "KUBECONFIG": str(store.parent / "kubeconfig")}
    done = subprocess.run(
        [*command, "--default-storage-prefix", store, *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


def test_the_plan_for_a_cluster_is_that_for_one_machine(copied: Path, tmp_path: Path) -> None:
    shutil.rmtree(copied / RUN)
    status, said = run_with_profile(copied, tmp_path / "store", "--dry-run")
    assert status == 0, said
    there, here = (
        JOB.findall(text.rpartition("Job stats:")[2]) for text in (said, snakemake(copied, "-n")[1])
    )
    assert len(there) > 14
    assert sorted(there) == sorted(here)


def test_pods_ask_for_a_gpu_where_the_model_runs(
    copied: Path, tmp_path: Path, cluster: ThreadingHTTPServer
) -> None:
    """The first jobs of each kind: none of them is done where Snakemake runs."""
    shutil.move(copied / "results", tmp_path / "store" / "results")
    chosen = ("--forcerun", "sweep", "logits", "prune", "--until", "sweep", "logits", "augment")
    patience = ("--retries", "0", "--seconds-between-status-checks", "1")
    status, said = run_with_profile(copied, tmp_path / "store", *chosen, *patience)
    assert status == 1, said
    pods = [job["spec"]["template"]["spec"]["containers"][0] for job in cluster.jobs]
    found = {
        (
            *sorted(re.search(r"--allowed-rules ([\w ]+) --", pod["args"][1])[1].split()),
            *(pod["resources"]["limits"].get(name) for name in ("cpu", GPU)),
        )
        for pod in pods
    }
    assert found == {
        ("augment", "prune", "saliency", "1000m", "1"),
        ("sweep", "8000m", "1"),
        ("logits", "1000m", None),
    }
    assert len(pods) == 4, "one for each block, and two for all blocks"
    assert {mount["mountPath"] for mount in pods[0]["volumeMounts"]} >= {"/workdir/resources", "/atlas"}
