"""The workflow's and the code's style, and a dry run of all stages."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
STAGES = ["corpus", "activations", "prune", "saliency", "augment", "graph", "evaluate", "render", "atlas"]


def run(command: str) -> str:
    """Run a tool of the environment in the repository; its whole output."""
    tool, *arguments = command.split()
    environment = os.environ | {"PYTHONPATH": "scripts"}
    done = subprocess.run(
        [BIN / tool, *arguments], cwd=ROOT, env=environment, stdout=-1, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.parametrize(
    "command",
    [
        "snakemake --lint",
        "snakefmt --check Snakefile rules",
        "ruff check",
        "ruff format --check",
        "lint-imports --no-cache",
        f"ty check --python {sys.prefix}",
    ],
)
def test_style(command: str) -> None:
    run(command)


def test_hooks_run_what_make_lint_runs() -> None:
    """pre-commit has its tools from .venv, so that they are those of the lock and nothing is downloaded."""
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    (local,) = config["repos"]
    assert local["repo"] == "local"
    recipe = re.search(r"^lint:(.*?)\n\n", (ROOT / "Makefile").read_text(), re.MULTILINE | re.DOTALL)[1]
    for hook in local["hooks"]:
        tool = re.search(r"\.venv/bin/([\w-]+(?: check| format)?)", hook["entry"])[1]
        assert hook["language"] == "system" and tool in recipe, hook["id"]


@pytest.mark.parametrize("flags", ["", "--cores 1 --resources gpu=1"], ids=["profile", "flags"])
def test_dry_run_plans_every_stage(flags: str) -> None:
    planned = run(f"snakemake --dry-run --forceall --nolock --quiet rules {flags}")
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", planned, re.MULTILINE))
    assert set(STAGES) <= jobs.keys(), planned


def test_grep_finds_every_rule() -> None:
    """Rules made in a loop have their names in a comment, with several passes and a neuron to reproduce too."""
    text = "\n".join(path.read_text() for path in (ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")))
    listed = run("snakemake --list-rules --config passes=2 neuron=L0.N0")
    rules = re.findall(r"^(\w+)$", listed, re.MULTILINE)
    assert {"sweep_1", "sweep_2", "sweep_recomputed", "sweep_of_block", "prune"} <= set(rules)
    for name in rules:
        assert re.search(rf"\brule .*\b{name}\b", text), name
