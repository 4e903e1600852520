"""What a run was made of and with, and what it cost: all that the records leave out because it may differ.

Records name no machine and no time, so that they can be the same everywhere. The manifest names both.
"""

from __future__ import annotations

import csv
import hashlib
import json
import platform
import subprocess
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from n2g.provenance import file_digest, files_digest
from n2g.settings import Settings
from n2g.tables import read_json

SOURCES = ("Snakefile", "rules", "scripts", "schemas", "site", "docs")


def hardware(device: str) -> str:
    """What computes: the name of the GPU or of the processor.

    device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``. Raises InputError where it is not there.
    """
    if device != "cpu":
        import torch

        from n2g.checkpoint import pick_device

        picked = pick_device(device)
        if picked.type == "cuda":
            return torch.cuda.get_device_name(picked)
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def costs(folder: Path) -> dict[str, dict[str, float]]:
    """Rule -> number of jobs, seconds of all of them, and the most memory that one used (MB), as Snakemake measured.

    folder: `benchmarks/` of a run, with `{rule}.tsv` and `{rule}/{layer}/{block}.tsv`.
    """
    found: dict[str, dict[str, float]] = {}
    for path in sorted(folder.rglob("*.tsv")):
        with path.open(encoding="utf-8", newline="") as file:
            jobs = list(csv.DictReader(file, delimiter="\t"))
        rule = found.setdefault(
            path.relative_to(folder).parts[0].removesuffix(".tsv"),
            {"jobs": 0, "seconds": 0.0, "peak_memory_mb": 0.0},
        )
        for job in jobs:
            rule["jobs"] += 1
            rule["seconds"] = round(rule["seconds"] + float(job["s"]), 2)
            rule["peak_memory_mb"] = max(rule["peak_memory_mb"], _number(job["max_rss"]))
    return found


def _number(text: str) -> float:
    """A number of a benchmark file; jobs that end at once have no memory measured."""
    try:
        return float(text)
    except ValueError:
        return 0.0


def commit(base: Path) -> str | None:
    """The git commit of a checkout, with ``+changes`` where files differ from it; None where there is no git."""
    try:
        head, changes = (
            subprocess.run(
                ["git", "-C", base, *words], capture_output=True, text=True, check=True
            ).stdout.strip()
            for words in (("rev-parse", "HEAD"), ("status", "--porcelain", "--untracked-files=no"))
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{head}+changes" if changes else head


def describe_code(base: Path) -> dict[str, Any]:
    """Version, digest of all sources, digest of the pinned requirements and git commit of a checkout."""
    roots = [base / name for name in SOURCES]
    files = [
        file for root in roots for file in (root.rglob("*") if root.is_dir() else [root]) if file.is_file()
    ]
    sources = [file for file in files if "__pycache__" not in file.parts]
    return {
        "version": tomllib.loads((base / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"],
        "digest": files_digest(sources, base),
        "lock": file_digest(base / "requirements" / "run.lock"),
        "commit": commit(base),
    }


def describe_records(records: Iterable[Path]) -> dict[str, Any]:
    """How many records there are, and a digest over their names and digests, in the order of the names."""
    known = sorted((path.stem, read_json(path)["digest"]) for path in records)
    text = "".join(f"{name} {digest}\n" for name, digest in known)
    return {"count": len(known), "digest": hashlib.sha256(text.encode()).hexdigest()}


def manifest(
    config: Mapping[str, Any], run: Path, base: Path, model: Path, checkpoint: Path, texts: Path
) -> dict[str, Any]:
    """The manifest of a finished run.

    Args:
        config: the configuration, without the keys that no result depends on.
        run: the run's folder.
        base: the checkout.
        model, texts: manifests of what was fetched.
        checkpoint: the model's `checkpoint.json`.
    """
    chosen = {**config["settings"], "method": config["method"], "seed": config["seed"]}
    settings = Settings.from_options(chosen | {"bos": read_json(run / "corpus" / "corpus.json")["bos"]})
    return {
        "code": describe_code(base),
        "model": {"fetched": read_json(model), "checkpoint": read_json(checkpoint)},
        "corpus": {"fetched": read_json(texts), "tokens": file_digest(run / "corpus" / "tokens.npy")},
        "config": dict(config),
        "settings": json.loads(json.dumps(vars(settings))),
        "hardware": hardware(config["device"]),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "records": describe_records(run.glob("[0-9]*/*/render/*.json")),
        "costs": costs(run / "benchmarks"),
    }
