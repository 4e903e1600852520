"""A copy of this checkout, and a small run of the whole workflow in it, made once for all tests."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import tiny
import yaml
from warm_python import folder_with_python

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
JOB = re.compile(r"^(\w+) +(\d+)$", re.MULTILINE)
RUN = "results/tiny"
# What takes most of the time of a short call of Snakemake is to import all this, so it is done once for all calls.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "snakemake.cli",
        "snakemake_logger_plugin_rich",
        "docutils.nodes",
        "jsonschema",
        "pandas",
        "pyarrow.parquet",
    ]
)


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
        "corpus": {"source": "texts.txt", "max_length": 32, "further_tokens": 0},
        "layers": "0-1",
        "neurons": "0-1",
        "block_size": 2,
        "settings": {"prefix_length": 4},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config | changes))


def snakemake(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run the workflow in a folder; exit status and everything it says."""
    with tempfile.NamedTemporaryFile() as said:
        path = os.pathsep.join(
            [str(folder_with_python()), str(Path(sys.executable).parent), os.environ["PATH"]]
        )
        given = (folder, list(map(str, arguments)), os.environ | {"PATH": path}, said.name)
        process = FORKS.Process(target=_run_command, args=given)
        process.start()
        process.join()
        return process.exitcode, said.read().decode()


def _run_command(folder: Path, arguments: list[str], environment: dict[str, str], said: str) -> None:
    """What the command `snakemake` does, in a process of its own that has just been forked."""
    from snakemake.cli import main

    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for stream in (1, 2):
        os.dup2(os.open(said, os.O_WRONLY | os.O_APPEND), stream)
    main(arguments)


@contextmanager
def taking_turns(folder: Path) -> Iterator[None]:
    """Of the processes that come with the same folder, one at a time is in the block."""
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout whose small run is done; tests only read it, or take a copy.

    Where processes share out the tests, each has a copy of one that the first has made.
    """
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, done = base / "first", base / "first-done"
    with taking_turns(base):
        if not done.exists():
            checkout(folder)
            tiny.save_llama(folder / "model")
            (folder / "texts.txt").write_text("\n\n".join(tiny.TEXTS))
            configure(folder)
            status, said = snakemake(folder)
            assert status == 0, said
            done.touch()
    return Path(shutil.copytree(folder, tmp_path_factory.mktemp("finished") / "run", symlinks=True))


def fetch(folder: Path) -> None:
    """Give a checkout the downloads of this one, with those made that its config.yaml asks for."""
    resources = ROOT / "resources"
    resources.mkdir(exist_ok=True)
    (folder / "resources").symlink_to(resources)
    with taking_turns(resources):
        status, said = snakemake(folder, "model", "--cores", "1", "--resources", "gpu=1")
    assert status == 0, said


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, times of files included, that a test may change."""
    return Path(shutil.copytree(finished, tmp_path / "run", symlinks=True))


def planned(said: str) -> dict[str, int]:
    """Stage -> how many jobs a dry run plans; `inputs` stands for the rules of its file, `sweep` also for `maxima`."""
    found: dict[str, int] = {}
    for rule, count in JOB.findall(said.partition("Job stats:")[2].partition("\n\n")[0]):
        if rule not in ("all", "total"):
            inputs = rule in ("checkpoint", "units") or rule.startswith("fetch_")
            stage = (
                "inputs"
                if inputs
                else re.sub("_(of_block|recomputed|\\d+)$", "", rule).replace("maxima", "sweep")
            )
            found[stage] = found.get(stage, 0) + int(count)
    return found


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder but those with a dot, by its path in it."""
    files = (path for path in folder.rglob("[!.]*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
