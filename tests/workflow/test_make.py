"""The Makefile, without setting anything up."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def make(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run make in the repository, with some environment variables set."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")} | variables
    return subprocess.run(["make", *arguments], cwd=ROOT, env=outside, capture_output=True, text=True)


def test_help_is_the_default_and_lists_every_command() -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    listed = re.findall(r"^  make (\w+)", make().stdout, re.MULTILINE)
    assert listed == [target for target in targets if target not in ("unlock", "browser", "slurm")]


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
    ("cores", "gpus", "flags"),
    [
        (2, 0, "--cores 2 --resources gpu=2"),
        (16, 0, "--cores 4 --resources gpu=4"),
        (16, 1, "--cores 16 --resources gpu=1"),
        (3, 8, "--cores 3 --resources gpu=8"),
    ],
)
def test_jobs_run_side_by_side_where_cores_and_gpus_are(
    tmp_path: Path, cores: int, gpus: int, flags: str
) -> None:
    listed = "".join(f"echo 'GPU {number}: NVIDIA H200 (UUID: GPU-0)'\n" for number in range(gpus))
    for name, body in (("nproc", f"echo {cores}\n"), ("nvidia-smi", listed or "exit 9\n")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}")
        (tmp_path / name).chmod(0o755)
    done = make("-n", "atlas", PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert f"snakemake {flags} " in done.stdout, done.stderr
