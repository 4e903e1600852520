"""Where a run's files lie: paths with the wildcard {run}, those of a block with {layer} and {block} too."""

from __future__ import annotations

from pathlib import Path

from n2g.errors import InputError


def check_folder(folder: Path) -> None:
    """Raise InputError where a folder to write to is a link to nothing, such as to a disk that is not mounted, or a
    file."""
    if (folder.is_symlink() or folder.exists()) and not folder.is_dir():
        raise InputError(
            f"{folder} is a link to nothing, or no folder: mount or make what it stands for, or remove it."
        )


def run_file(name: str) -> str:
    """Path of a file of the whole run.

    >>> run_file("summary.json")
    'results/{run}/summary.json'
    """
    return f"results/{{run}}/{name}"


def block_file(name: str) -> str:
    """Path of a file of one block.

    >>> block_file("prune.parquet")
    'results/{run}/{layer}/{block}/prune.parquet'
    """
    return run_file(f"{{layer}}/{{block}}/{name}")


def run_log(stage: str) -> str:
    """Path of the log of a stage that works on the whole run at once."""
    return run_file(f"logs/{stage}.log")


def block_log(stage: str) -> str:
    """Path of a stage's log for one block."""
    return run_file(f"logs/{stage}/{{layer}}/{{block}}.log")


def run_benchmark(stage: str) -> str:
    """Path of what a stage cost that works on the whole run at once."""
    return run_file(f"benchmarks/{stage}.tsv")


def block_benchmark(stage: str) -> str:
    """Path of what a stage cost for one block."""
    return run_file(f"benchmarks/{stage}/{{layer}}/{{block}}.tsv")
