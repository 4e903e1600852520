"""What is installed: pip's settings reach uv, and PyTorch comes without CUDA where it can. Without a network."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def install() -> ModuleType:
    """requirements/install.py, which is no part of the library."""
    spec = importlib.util.spec_from_file_location("install", ROOT / "requirements" / "install.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LISTED = """\
:env:.find-links='wheels  more'
:env:.disable-pip-version-check='1'
global.cert='/etc/ours.crt'
global.extra-index-url='file:///a/simple\\nfile:///b/simple'
global.find-links='other'
global.index-url='https://user:a=b@example.org/simple'
global.trusted-host='example.org\\nexample.org:8080'
install.cert='/etc/theirs.crt'
"""


def test_pips_settings_reach_uv(install: ModuleType) -> None:
    assert install.variables(install.read_settings(LISTED)) == {
        "UV_DEFAULT_INDEX": "https://user:a=b@example.org/simple",
        "UV_INDEX": "file:///a/simple file:///b/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": "wheels,more",
        "SSL_CERT_FILE": "/etc/theirs.crt",
        "UV_INSECURE_HOST": "example.org example.org:8080",
    }
    assert install.variables(install.read_settings("")) == {}


@pytest.mark.parametrize(("given", "handed_over"), [("1", True), ("true", True), ("0", False), (None, False)])
def test_where_pip_uses_no_index_neither_does_uv(
    install: ModuleType, monkeypatch: pytest.MonkeyPatch, given: str | None, handed_over: bool
) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("PIP_NO_INDEX", raising=False)
    if given is not None:
        monkeypatch.setenv("PIP_NO_INDEX", given)
    assert ("--no-index" in install.install_command("torch")) is handed_over


def test_what_is_set_for_uv_wins(install: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", "of-pip")
    monkeypatch.setenv("PIP_INDEX_URL", "https://pip.example.org/simple")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://uv.example.org/simple")
    environment = install.uv_environment()
    assert environment["UV_FIND_LINKS"] == "of-pip"
    assert environment["UV_DEFAULT_INDEX"] == "https://uv.example.org/simple"


@pytest.mark.parametrize(
    ("system", "has_gpu", "environment", "wanted"),
    [
        ("Linux", False, {}, True),
        ("Linux", True, {}, False),
        ("Darwin", False, {}, False),
        ("Linux", False, {"UV_TORCH_BACKEND": "cu130"}, False),
    ],
)
def test_a_build_without_cuda_is_for_machines_without_gpu(
    install: ModuleType, system: str, has_gpu: bool, environment: dict[str, str], wanted: bool
) -> None:
    assert install.wants_cpu_build(system, has_gpu, environment) is wanted


def test_a_build_at_hand_comes_first_then_pytorchs_own_index(install: ModuleType) -> None:
    index = install.CPU_INDEX
    assert install.torch_options(lambda *options: True) == ()
    assert install.torch_options(lambda *options: options == index) == index
    assert install.torch_options(lambda *options: False) is None


@pytest.mark.parametrize(
    ("found", "options", "said"),
    [([()], (), ""), ([("--torch-backend", "cpu")], ("--torch-backend", "cpu"), ""), ([], (), "gigabytes")],
)
def test_the_pinned_build_is_taken_where_no_other_is_to_be_had(
    install: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    found: list[tuple[str, ...]],
    options: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.delenv("UV_TORCH_BACKEND", raising=False)
    monkeypatch.setattr(install.platform, "system", lambda: "Linux")
    monkeypatch.setattr(install, "has_gpu", lambda: False)
    monkeypatch.setattr(install, "finds_cpu_build", lambda *given: given in found)
    assert install.choose_torch() == options
    printed = capsys.readouterr().out
    assert said in printed
    assert bool(printed) == bool(said)


@pytest.mark.parametrize(
    ("body", "gpu"), [("echo 'GPU 0: NVIDIA H100 (UUID: GPU-0)'", True), ("exit 9", False), (None, False)]
)
def test_a_gpu_is_one_that_the_driver_lists(
    install: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str | None, gpu: bool
) -> None:
    if body:
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert install.has_gpu() is gpu


@pytest.mark.parametrize(
    "variables", [{"HOME": "/proc/none"}, {"XDG_CACHE_HOME": "/proc/none"}, {"UV_CACHE_DIR": "/proc/none"}]
)
def test_uv_needs_no_home(install: ModuleType, monkeypatch: pytest.MonkeyPatch, variables: dict) -> None:
    """uv itself, asked what it would install: without a folder for its cache, it would end with an error."""
    for name in ("XDG_CACHE_HOME", "UV_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    done = subprocess.run(
        install.install_command("--dry-run", "--offline", "pytest"),
        env=install.uv_environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_uv_keeps_its_cache_where_there_is_a_home(
    install: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path))
    assert "UV_NO_CACHE" not in install.uv_environment()
