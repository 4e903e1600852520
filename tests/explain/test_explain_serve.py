"""Explanations in words by a real model behind a real server: SmolLM2, and `transformers serve`, which is killed."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import planted
import pytest
import yaml
from loopback import Answer, serving
from test_explain import RULES, explained
from test_explain_client import ASKED, FAULTS
from tiny_run import ROOT, checkout, fetch

from n2g.errors import InputError
from n2g.explain.cache import Kept
from n2g.explain.chat import Reply, Request
from n2g.explain.endpoint import Endpoint
from n2g.model.checkpoint import checkpoint_key
from n2g.workflow.config import complete_config

# What `transformers serve` needs besides the workflow's packages.
PACKAGES = ("fastapi==0.165.0", "uvicorn==0.54.0")
PATIENCE = 600.0  # seconds for an answer, as the machine may be busy
PASSING = [fault for name, fault in FAULTS.items() if name != "time-out"]


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the default model; it is fetched where it is not there yet."""
    folder = checkout(tmp_path_factory.mktemp("chat"))
    shutil.copy(ROOT / "config.yaml", folder)
    fetch(folder)
    config = complete_config(yaml.safe_load((ROOT / "config.yaml").read_text()))
    return (ROOT / "resources" / "checkpoints" / checkpoint_key(config["model"])).resolve()


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packages")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-compile", "--target", folder]
    subprocess.run([*pip, *PACKAGES], check=True)
    return folder


@contextmanager
def served(model: Path, packages: Path) -> Iterator[tuple[str, subprocess.Popen]]:
    """`transformers serve` with a model on a free port: its address and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [Path(sys.executable).parent / "transformers", "serve", model, "--device", "cpu"]
    command += ["--dtype", "float32", "--host", "127.0.0.1", "--port", str(port)]
    environment = os.environ | {"PYTHONPATH": str(packages), "HF_HUB_OFFLINE": "1"}
    with subprocess.Popen(command, env=environment, stdout=-3, stderr=-3) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            for _ in range(240):
                assert process.poll() is None
                with suppress(OSError), urllib.request.urlopen(f"{url}/health"):
                    break
                time.sleep(0.5)
            yield f"{url}/v1", process
        finally:
            process.kill()


class Killed(Endpoint):
    """An endpoint whose server is killed before a question."""

    def __init__(self, process: subprocess.Popen, questions: int, *arguments: object, **options: object):
        super().__init__(*arguments, **options)
        self.process, self.left = process, questions

    def answer(self, request: Request) -> Reply:
        if self.left == 0:
            self.process.kill()
            self.process.wait()
        self.left -= 1
        return super().answer(request)


@pytest.mark.slow
def test_a_real_model_explains_through_a_real_server(
    chat: Path, packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after a question, then behind a proxy that fails in every way; what was answered is asked no more."""
    less = {"excerpts.TOP": 1, "excerpts.RANDOM": 1, "revise.SENTENCES": 1}
    for name, value in (less | {"neuron.LABEL_TOKENS": 60, "simulate.ROOM": 7}).items():
        monkeypatch.setattr(f"n2g.explain.{name}", value)
    documents = planted.random_corpus(36, 5)
    answers = tmp_path / "answers"

    with served(chat, packages) as (url, process):
        with pytest.raises(InputError, match=r"does not respond \(Request timed out: timed out\): fix this"):
            Endpoint(url, str(chat), timeout=0.05, retries=0).answer(ASKED)
        broken = Kept(Killed(process, 1, url, str(chat), timeout=PATIENCE, retries=0), answers)
        with pytest.raises(InputError, match="its answers so far are kept"):
            explained(documents, broken, RULES[:1])
        assert broken.asked == 1

    faults = list(PASSING)
    with served(chat, packages) as (url, _):

        def forward(body: dict) -> Answer:
            if faults:
                return faults.pop()()
            request = urllib.request.Request(
                f"{url}/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
            )
            with urllib.request.urlopen(request) as response:
                return response.status, response.read()

        with serving(forward) as proxy:
            whole = Kept(Endpoint(proxy.url, str(chat), timeout=PATIENCE, retries=len(PASSING)), answers)
            rows = explained(documents, whole, RULES[:1])
        assert not faults and whole.known and len(proxy.bodies) == whole.asked + len(PASSING)
    _, model = rows
    assert (model["explainer"], model["model"], model["simulator"]) == ("model", str(chat), str(chat))
    assert (model["status"], bool(model["label"])) in (("ok", True), ("unanswered", True), ("invalid", False))
    assert model["prompt_tokens"] > model["completion_tokens"] > 0

    again = Kept(Endpoint("http://127.0.0.1:1/v1", str(chat), retries=0), answers)
    assert explained(documents, again, RULES[:1]) == rows and again.asked == 0
