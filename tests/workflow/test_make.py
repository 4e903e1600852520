"""The Makefile, without setting anything up."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_run import checkout

ROOT = Path(__file__).parents[2]


def make(*arguments: str, cwd: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run make in the repository, or in another checkout, with some environment variables set."""
    return subprocess.run(
        ["make", *arguments], cwd=cwd, env=os.environ | variables, capture_output=True, text=True
    )


def test_help_is_the_default_and_lists_every_command() -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    listed = re.findall(r"^  make (\w+)", make().stdout, re.MULTILINE)
    assert listed == [target for target in targets if target not in ("browser", "slurm")]


@pytest.mark.parametrize(
    ("check", "sentence"),
    [
        ("sys.version_info = (3, 10, 1)", "Python 3.11 or newer is needed"),
        ("sys.modules['ensurepip'] = None", "Python's venv module is missing"),
    ],
)
def test_an_unfit_python_is_named_with_the_remedy(tmp_path: Path, check: str, sentence: str) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\n[ "$1" != -c ] || exec python3 -c "import sys; {check}; $2"\n')
    python.chmod(0o755)
    done = make("atlas", f"PYTHON={python}")
    assert done.returncode
    assert done.stderr.startswith(sentence)
    assert not done.stdout


@pytest.mark.parametrize(
    ("target", "extras"),
    [
        (["atlas"], []),
        (["atlas", "ARGS=--config 'explain={base_url: http://localhost/v1, model: m}'"], ["explain"]),
        (["crate"], ["crate"]),
        (["setup", "EXTRAS=crate cluster"], ["cluster", "crate"]),
    ],
)
def test_only_what_is_asked_for_is_installed(target: list[str], extras: list[str]) -> None:
    done = make("-n", *target, "PYTHON=no-such-python")  # whose stamps are not there
    assert re.findall(r"requirements/install\.py (\w+)$", done.stdout, re.MULTILINE) == ["run", *extras], done


@pytest.mark.parametrize(
    ("listed", "device"),
    [
        ("exit 9", "auto"),  # there is nvidia-smi, but no GPU
        (
            "echo 'GPU 0: GeForce GT 710 (UUID: GPU-0)'",
            "auto",
        ),  # too old, or hidden, or PyTorch is for the CPU
        ("echo 'GPU 0: NVIDIA H200 (UUID: GPU-0)'", "cpu"),
    ],
)
def test_all_cores_work_where_no_gpu_can_be_used(tmp_path: Path, listed: str, device: str) -> None:
    """PyTorch is asked, since nvidia-smi also lists GPUs that it cannot use."""
    for name, body in (("nproc", "echo 16"), ("nvidia-smi", listed)):
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    folder = checkout(tmp_path / "run")
    shutil.copy(ROOT / "config.yaml", folder)
    (folder / ".venv").symlink_to(sys.prefix)
    done = make(
        *("-n", "atlas", "ENVIRONMENT=.venv", f"ARGS=--config device={device}"),
        cwd=folder,
        PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        CUDA_VISIBLE_DEVICES="",
    )
    assert "set -- --cores 16 --resources gpu=4; " in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("--configfile gone.yaml", "gone.yaml: cannot be read (No such file or directory): name an existing"),
        ("--configfile Makefile", "Makefile: "),
        ("--configfile .venv", ".venv: cannot be read (Is a directory)"),
        ("--config layers", "--config layers: is no key and value: write it as in --config layers=0-2."),
        ("--config =3", "--config =3: is no key and value"),
    ],
)
def test_arguments_that_snakemake_has_a_traceback_for(tmp_path: Path, arguments: str, sentence: str) -> None:
    folder = checkout(tmp_path / "run")
    shutil.copy(ROOT / "config.yaml", folder)
    (folder / ".venv").symlink_to(sys.prefix)
    done = make("atlas", "ENVIRONMENT=.venv", f"ARGS={arguments}", cwd=folder)
    assert done.returncode and done.stderr.startswith(sentence), done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_a_port_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    for name in ("Makefile", "config.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "results" / "demo" / "atlas").mkdir(parents=True)
    (tmp_path / "results" / "demo" / "atlas" / "index.html").touch()
    demo = ("serve", "ENVIRONMENT=.venv", "ARGS=--config run=demo")
    with socket.create_server(("127.0.0.1", 0)) as other:
        for port in (other.getsockname()[1], "80a", 99999):
            done = make(*demo, f"PORT={port}", cwd=tmp_path)
            assert done.returncode and not done.stdout
            assert done.stderr.startswith(f"Port {port} cannot be used, or is in use: name another one")
            assert "Traceback" not in done.stderr
