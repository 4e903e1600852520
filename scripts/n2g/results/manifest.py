"""What a run was made from and with, and what it cost: everything that records leave out because it may differ.

Records name no machine and no time, so that they can be the same everywhere. The manifest names both.
"""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from n2g.files.digests import file_digest, files_digest
from n2g.files.tables import read_json
from n2g.ids import Block, block_folder
from n2g.settings import Settings
from n2g.units.description import read_latents
from n2g.workflow.benchmark_files import read_benchmark
from n2g.workflow.code_digests import SOURCES, source_files


def hardware(device: str) -> str:
    """The hardware that computes: the name of the GPU or of the processor.

    device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``. Raises InputError where it is not there.
    """
    if device != "cpu":
        import torch

        from n2g.model.devices import job_device

        picked = job_device(device)
        if picked.type == "cuda":
            return torch.cuda.get_device_name(picked)
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def costs(
    folder: Path, blocks: Sequence[tuple[int, Block]], parts: int = 1, without: Collection[str] = ()
) -> dict[str, dict[str, float]]:
    """Rule -> number of jobs, seconds of all of them, and the most memory that one used (MB), as Snakemake measured.

    Files of blocks that are no longer selected, or of passes that are no longer shared out, do not count.

    Args:
        folder: `benchmarks/` of a run, with `{rule}.tsv`, `{rule}/{part}.tsv` and `{rule}/{layer}/{block}.tsv`.
        blocks: the selected blocks, each with its layer.
        parts: among how many jobs a pass for all blocks is shared out.
        without: rules that this run has no use for.
    """
    rules = {path.relative_to(folder).parts[0].removesuffix(".tsv") for path in folder.rglob("*.tsv")}
    found = {}
    for rule in sorted(rules.difference(without)):
        if jobs := [job for path in _measured(folder, rule, blocks, parts) for job in read_benchmark(path)]:
            found[rule] = {
                "jobs": len(jobs),
                "seconds": round(sum(job.seconds for job in jobs), 2),
                "peak_memory_mb": max(job.memory for job in jobs),
            }
    return found


def _measured(folder: Path, rule: str, blocks: Sequence[tuple[int, Block]], parts: int) -> list[Path]:
    """The files of a rule's jobs: of those that share a pass, else of the one for all blocks, else of each block."""
    shares = [folder / rule / f"{part}.tsv" for part in range(1, parts + 1)] if parts > 1 else []
    each = [block_folder(folder / rule, layer, block).with_suffix(".tsv") for layer, block in blocks]
    known = ([path for path in paths if path.is_file()] for paths in (shares, [folder / f"{rule}.tsv"], each))
    return next(filter(None, known), [])


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
    return {
        "version": tomllib.loads((base / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"],
        "digest": files_digest(source_files(base, SOURCES), base),
        "lock": file_digest(base / "requirements" / "run.lock"),
        "commit": commit(base),
    }


def describe_records(records: Iterable[Path]) -> dict[str, Any]:
    """How many records there are, and a digest over their names and digests, in the order of the names."""
    known = sorted((path.stem, read_json(path)["digest"]) for path in records)
    text = "".join(f"{name} {digest}\n" for name, digest in known)
    return {"count": len(known), "digest": hashlib.sha256(text.encode()).hexdigest()}


def manifest(
    config: Mapping[str, Any],
    run: Path,
    blocks: Iterable[tuple[int, Block]],
    base: Path,
    model: Path,
    checkpoint: Path,
    texts: Path,
    units: Path | None = None,
    encoders: Path | None = None,
) -> dict[str, Any]:
    """The manifest of a finished run, but for its costs.

    Args:
        config: the configuration, without the keys that no result depends on.
        run: the run's folder.
        blocks: the selected blocks, each with its layer.
        base: the checkout.
        model, texts: manifests of what was fetched.
        checkpoint: the model's `checkpoint.json`.
        units: where latents are described, their `units.json`.
        encoders: the manifest of what was fetched of them, unless they come from a local folder.
    """
    chosen = {**config["settings"], "method": config["method"], "seed": config["seed"]}
    settings = Settings.from_options(chosen | {"bos": read_json(run / "corpus" / "corpus.json")["bos"]})
    renders = (block_folder(run, layer, block) / "render" for layer, block in blocks)
    latents = {}
    if units:
        layers = read_latents(units).layers.items()
        known = {str(number): {"hook": one.hook, "sha256": one.sha256} for number, one in layers}
        latents["units"] = {"fetched": read_json(encoders) if encoders else None, "layers": known}
    return {
        "code": describe_code(base),
        "model": {"fetched": read_json(model), "checkpoint": read_json(checkpoint)},
        "corpus": {"fetched": read_json(texts), "tokens": file_digest(run / "corpus" / "tokens.npy")},
        **latents,
        "config": dict(config),
        "settings": json.loads(json.dumps(vars(settings))),
        "hardware": hardware(config["device"]),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "records": describe_records(path for folder in renders for path in folder.glob("*.json")),
    }
