"""The Makefile, without setting anything up."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make in the repository."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
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
