"""A copy of this checkout, and a small run of the whole workflow in it, made once for all tests."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tiny
import yaml

ROOT = Path(__file__).parents[1]
FILES = (
    "Snakefile",
    "rules",
    "scripts",
    "schemas",
    "envs",
    "site",
    "docs",
    "profiles",
    "requirements",
    "Makefile",
    "pyproject.toml",
)
RUN = "results/tiny"


def checkout(folder: Path) -> Path:
    """A folder with a copy of all that a checkout has; config.yaml, resources and results are its own."""
    folder.mkdir(parents=True, exist_ok=True)
    for source in (ROOT / name for name in FILES):
        if source.is_dir():
            shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder / source.name)
    return folder


def configure(folder: Path, **changes: object) -> None:
    """Write config.yaml: two layers of a small model, two neurons of each in blocks of their own."""
    config = {
        "run": "tiny",
        "model": {"source": "model"},
        "corpus": {"source": "texts.txt", "max_length": 32},
        "layers": "0-1",
        "neurons": "0-1",
        "block_size": 2,
        "settings": {"prefix_length": 4},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config | changes))


def snakemake(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run the workflow in a folder; exit status and everything it says."""
    command = [Path(sys.executable).parent / "snakemake", *arguments]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout whose small run is done; tests only read it, or take a copy."""
    folder = checkout(tmp_path_factory.mktemp("finished"))
    tiny.save_llama(folder / "model")
    (folder / "texts.txt").write_text("\n\n".join(tiny.TEXTS))
    configure(folder)
    status, said = snakemake(folder)
    assert status == 0, said
    return folder


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, times of files included, that a test may change."""
    return Path(shutil.copytree(finished, tmp_path / "run", symlinks=True))
