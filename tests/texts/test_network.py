"""Downloads that the environment forbids or misdirects, and downloads of which the machine has a copy: one sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from loopback import running

PROGRAM = Path(__file__).parents[2] / "scripts" / "fetch.py"
COMMIT = "0123456789012345678901234567890123456789"


def fetched(folder: Path, source: str, *options: str, **environment: str) -> tuple[int, str]:
    """What the program says when it fetches a model: exit status and standard error."""
    command = [
        sys.executable,
        PROGRAM,
        "model",
        "--source",
        source,
        *options,
        "--output",
        folder / "fetched.json",
    ]
    given = os.environ | {"HF_HOME": str(folder / "home")} | environment
    done = subprocess.run(command, env=given, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


def refused(folder: Path, *options: str, **environment: str) -> str:
    """The one line with which the program refuses to fetch a model of the hub."""
    status, said = fetched(folder, "hf:org/model@v1", *options, **environment)
    (line,) = said.strip().splitlines()
    assert status == 1 and not (folder / "fetched.json").exists()
    return line


@pytest.fixture
def cached(tmp_path: Path) -> Path:
    """The folder where Hugging Face's libraries keep an earlier download of the model."""
    repository = tmp_path / "home" / "hub" / "models--org--model"
    snapshot = repository / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "v1").write_text(COMMIT)
    for name in ("config.json", "model.safetensors"):
        (snapshot / name).write_text(name)
    return snapshot


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        (
            "ALL_PROXY",
            "socks5://:secret@127.0.0.1:1",
            "ALL_PROXY: names a proxy of the kind socks5, and only http",
        ),
        ("all_proxy", "socks://127.0.0.1:1", "all_proxy: names a proxy of the kind socks, and only http"),
        ("HTTPS_PROXY", "http://127.0.0.1:80a", "HTTPS_PROXY: is not the URL of a proxy: write it as"),
        ("SSL_CERT_FILE", "/gone.pem", "SSL_CERT_FILE: /gone.pem is no file of certificates (No such file"),
    ],
)
def test_variables_that_no_download_gets_past(tmp_path: Path, variable: str, value: str, said: str) -> None:
    line = refused(tmp_path, **{variable: value})
    assert line.startswith(said) and "secret" not in line


def test_a_proxy_that_is_bypassed_is_none(tmp_path: Path) -> None:
    proxies = {"ALL_PROXY": "socks5://127.0.0.1:1", "NO_PROXY": "*", "HF_ENDPOINT": "http://127.0.0.1:1"}
    assert "org/model@v1 could not be downloaded" in refused(tmp_path, **proxies)


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline_the_earlier_download_is_named_and_serves(
    cached: Path, tmp_path: Path, variable: str
) -> None:
    assert refused(tmp_path, **{variable: "1"}) == (
        f"org/model@v1 could not be downloaded ({variable} is set): an earlier download is in {cached}: name this "
        f"folder as the source, or unset {variable}."
    )
    assert fetched(tmp_path, str(cached), **{variable: "1"}) == (0, "")


def test_offline_without_an_earlier_download_there_is_one_remedy(cached: Path, tmp_path: Path) -> None:
    expected = "org/model@v1 could not be downloaded (HF_HUB_OFFLINE is set): unset HF_HUB_OFFLINE."
    assert refused(tmp_path, "--file", "model.gguf", HF_HUB_OFFLINE="1") == expected


def test_without_a_connection_the_earlier_download_is_named(cached: Path, tmp_path: Path) -> None:
    line = refused(tmp_path, HF_ENDPOINT="http://127.0.0.1:1")
    assert f"an earlier download is in {cached}: name this folder as the source, or check the name" in line


@pytest.fixture
def gated() -> Iterator[str]:
    """A hub that asks for consent first; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(403)
            self.send_header("X-Error-Code", "GatedRepo")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with running(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        yield f"http://127.0.0.1:{server.server_port}"


def test_a_model_behind_a_consent_says_how_to_give_it(tmp_path: Path, gated: str) -> None:
    line = refused(tmp_path, HF_ENDPOINT=gated)
    assert "its owner asks for consent" in line and "set HF_TOKEN" in line
