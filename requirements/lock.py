"""Resolve requirements/*.in into fully pinned *.lock files, and those into envs/*.yaml (``make lock``).

uv resolves, for every system and every Python from 3.11 on at once: a marker after a pin says where alone it is needed.
Pins that still fit stay as they are; ``make lock ARGS=--upgrade`` takes the newest of everything.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from install import HERE, UV, uv_environment

# What torch's CUDA builds bring along. Constraints, so that only where such a build is installed they are, too.
CUDA = re.compile(r"nvidia-|cuda-|triton=")

# Lock -> those that it comes on top of, and whose pins it leaves out. Each agrees with all before it.
LOCKS = {
    "run": [],
    "explain": ["run"],
    "crate": ["run"],
    "test": ["run", "explain", "crate"],
    "cluster": ["run"],
    "kubernetes": ["run"],
}

# Conda environment -> the packages that its rules ask for.
TABLES = ["numpy", "pyarrow", "safetensors", "tqdm"]
MODEL = [
    *TABLES,
    *("torch", "transformer-lens", "transformers", "tokenizers", "gguf"),
    *("huggingface-hub", "datasketch", "jaxtyping", "networkx"),
]
ENVIRONMENTS = {
    "inputs": ["huggingface-hub"],
    "model": MODEL,
    "explain": [*MODEL, "openai", "graphviz"],
    "graph": [*TABLES, "networkx"],
    "site": [
        *TABLES,
        *("graphviz", "graphviz-pure", "jinja2", "markupsafe", "mkdocs-material", "networkx"),
        *("pymdown-extensions", "pyyaml"),
    ],
    "crate": [*TABLES, "pyyaml", "rocrate"],
}

LOCK_HEADER = """\
# Written by `make lock` from {source}; do not edit. Python 3.11 or newer, Linux and macOS.
# After each version: where alone it is needed, and what asks for it.
"""
CUDA_HEADER = """\
# Written by `make lock` from run.in; do not edit. Constraints: a CUDA build of torch (whose pin has no local version,
# so that a CPU build fits too) brings these packages, and no other build does.
"""
ENVIRONMENT_HEADER = """\
# Written by `make lock` from requirements/*.lock; do not edit. Used with `snakemake --sdm conda`.
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python=3.11
  - pip
  - pip:
"""


def resolve(arguments: Sequence[str], prefer: str = "", asked: Sequence[str] = ()) -> list[str]:
    """The pins that uv finds, a line each, sorted by name.

    Args:
        arguments: requirement files and options.
        prefer: earlier pins, which stay if they still fit.
        asked: requirements, where "-" is among the arguments.
    """
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "pins.txt"
        output.write_text(prefer)
        command = [*UV, "pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--no-header"]
        command += ["--annotation-style", "line", "--output-file", str(output), *arguments]
        # Wheels that lie on this machine have no part in a lock for all.
        environment = {key: value for key, value in uv_environment().items() if key != "UV_FIND_LINKS"}
        subprocess.run(command, cwd=HERE, env=environment, input="\n".join(asked), text=True, check=True)
        return output.read_text().splitlines()


def tidy(line: str) -> str:
    """A line with one distance before its comment, and files in it without the option that named them."""
    pin, _, askers = line.partition(" # via ")
    return f"{pin.rstrip()}  # {askers.replace('-r ', '')}\n"


def pin_of(line: str) -> str:
    """A line without its comment."""
    return line.partition("#")[0].rstrip()


def read_lock(name: str) -> str:
    """The text of a lock, empty before it is first written."""
    file = HERE / f"{name}.lock"
    return file.read_text() if file.exists() else ""


def constraints(names: Sequence[str]) -> list[str]:
    """uv's options to agree with some locks."""
    return [word for name in names for word in ("--constraints", f"{name}.lock")]


def write_lock(name: str, options: Sequence[str]) -> None:
    """Write one lock: what its .in file needs and no lock below has."""
    below = LOCKS[name]
    before = [other for other in list(LOCKS)[: list(LOCKS).index(name)] if other not in below]
    files = [*(f"{other}.lock" for other in below), f"{name}.in"]
    found = resolve([*files, *constraints(before), *options], prefer=read_lock(name) + read_lock("cuda"))

    held = {pin_of(line) for other in below for line in read_lock(other).splitlines()}
    pins = [tidy(line) for line in found if not CUDA.match(line) and pin_of(line) not in held]
    (HERE / f"{name}.lock").write_text(LOCK_HEADER.format(source=f"{name}.in") + "".join(pins))
    if name == "run":
        cuda = [tidy(line) for line in found if CUDA.match(line)]
        (HERE / "cuda.lock").write_text(CUDA_HEADER + "".join(cuda))


def write_environment(name: str, asked: Sequence[str]) -> None:
    """Write one conda environment, with the pins of the locks."""
    found = resolve(["-", *constraints(["run", "explain", "crate"])], asked=asked)
    text = "".join(f"      - {pin_of(line)}\n" for line in found if not CUDA.match(line))
    (HERE.parent / "envs" / f"{name}.yaml").write_text(ENVIRONMENT_HEADER + text)


def main() -> None:
    """Write every lock file and environment. Arguments go to uv, for the locks."""
    for name in LOCKS:
        write_lock(name, sys.argv[1:])
    for name, asked in ENVIRONMENTS.items():
        write_environment(name, asked)


if __name__ == "__main__":
    main()
