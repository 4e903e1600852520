"""Resolve requirements/*.in into fully pinned *.lock files, and those into envs/*.yaml (``make lock``).

pip itself resolves (a dry run with a report), for the Python that runs this script: use the oldest supported.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HERE = Path(__file__).parent

# What torch's CUDA wheels bring along: not pinned, as they name exact versions and CPU builds need none.
CUDA = re.compile(r"nvidia-|cuda-|triton$")

# Conda environment -> the packages of run.in that its rules need.
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
        *("pymdown-extensions", "pyyaml", "rocrate"),
    ],
}

LOCK_HEADER = """\
# Written by `make lock` from {source}; do not edit. Linux x86-64, Python 3.11 or newer.
# After each version: what asks for it. torch has no local version, so that pip takes a CPU build where one is
# at hand; a CUDA build names the exact CUDA packages it needs, and pip brings them, so none is pinned here.
"""
ENVIRONMENT_HEADER = """\
# Written by `make lock` from requirements/run.lock; do not edit. Used with `snakemake --sdm conda`.
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python=3.11
  - pip
  - pip:
"""

Metadata = dict[str, dict]  # canonical name -> the package's core metadata


def resolve(*files: str) -> Metadata:
    """Everything that pip would install for the given requirement files into an empty environment."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        pip = [sys.executable, "-m", "pip", "install", "-qq", "--dry-run", "--ignore-installed"]
        wanted = [argument for file in files for argument in ("-r", str(HERE / file))]
        subprocess.run([*pip, "--report", str(report), *wanted], check=True)
        packages = [entry["metadata"] for entry in json.loads(report.read_text())["install"]]
    found = {canonicalize_name(package["name"]): package for package in packages}
    return {name: found[name] for name in sorted(found) if not CUDA.match(name)}


def version(package: dict) -> str:
    """A package's version without its local part: ``2.13.0+cpu`` -> ``2.13.0``."""
    return package["version"].partition("+")[0]


def needs(package: dict, extras: set[str]) -> list[Requirement]:
    """The requirements of one package that apply here with some of its extras."""
    requirements = map(Requirement, package.get("requires_dist", []))
    environments = [{"extra": extra} for extra in ("", *extras)]
    return [
        need
        for need in requirements
        if need.marker is None or any(need.marker.evaluate(environment) for environment in environments)
    ]


def closure(names: list[str], packages: Metadata) -> dict[str, set[str]]:
    """The given packages and all that they need -> the packages that ask for each."""
    asked: dict[str, set[str]] = {name: set() for name in names}
    extras: dict[str, set[str]] = {name: set() for name in names}
    todo = list(names)
    while todo:
        parent = todo.pop()
        for need in needs(packages[parent], extras[parent]):
            name = canonicalize_name(need.name)
            if name not in packages:  # a CUDA package
                continue
            if name not in asked or not need.extras <= extras[name]:
                extras.setdefault(name, set()).update(need.extras)
                todo.append(name)
            asked.setdefault(name, set()).add(parent)
    return asked


def direct(file: str) -> list[str]:
    """The names in a requirements file."""
    lines = [line.partition("#")[0].strip() for line in (HERE / file).read_text().splitlines()]
    return [canonicalize_name(Requirement(line).name) for line in lines if line]


def lock_text(source: str, packages: Metadata, names: list[str], asked: dict[str, set[str]]) -> str:
    """The lines of a lock file."""
    lines = []
    for name in names:
        askers = sorted(asked.get(name, set())) + [source] * (name in direct(source))
        lines.append(f"{name}=={version(packages[name])}  # {', '.join(askers)}\n")
    return "".join(lines)


def main() -> None:
    """Write every lock file and environment."""
    run = resolve("run.in")
    asked = closure(direct("run.in"), run)
    text = LOCK_HEADER.format(source="run.in") + lock_text("run.in", run, list(run), asked)
    (HERE / "run.lock").write_text(text)

    test = resolve("run.lock", "test.in")
    asked = closure(direct("test.in"), test)
    text = lock_text("test.in", test, [name for name in test if name not in run], asked)
    (HERE / "test.lock").write_text(f"{LOCK_HEADER.format(source='test.in')}-r run.lock\n{text}")

    for extra in ("cluster", "kubernetes"):
        found = resolve("run.lock", f"{extra}.in")
        asked = closure(direct(f"{extra}.in"), found)
        text = lock_text(f"{extra}.in", found, [name for name in found if name not in run], asked)
        (HERE / f"{extra}.lock").write_text(f"{LOCK_HEADER.format(source=f'{extra}.in')}{text}")

    for environment, names in ENVIRONMENTS.items():
        pins = "".join(f"      - {name}=={version(run[name])}\n" for name in sorted(closure(names, run)))
        (HERE.parent / "envs" / f"{environment}.yaml").write_text(ENVIRONMENT_HEADER + pins)


if __name__ == "__main__":
    main()
