"""What do graphs score where there is nothing to find? The whole workflow on a model whose weights are random.

Writes benchmarks/null_model.md, beside the same figures of the run that `config.yaml` names, which has to be finished.
The null model has the same architecture, tokenizer, normalisation gains and number formats; every row of every matrix
is replaced by a normal random vector of the same norm. Scores of explanations that are as high there as on the trained
model say nothing about what training put into it (Heap et al. 2025).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "scripts")]

import torch  # noqa: E402
from safetensors import safe_open  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from workload import Run  # noqa: E402

from n2g.errors import InputError  # noqa: E402
from n2g.workflow.run_script import run_script  # noqa: E402

PREDICTORS = ("graph", "texts_only", "paper", "ngram_backoff", "token_lookup_all", "token_lookup_calibrated")


def randomised(name: str, tensor: torch.Tensor, seed: int) -> torch.Tensor:
    """A matrix with normal random rows of the same norms; anything else as it is.

    Each tensor has random numbers of its own, from the seed and its name, so that the order of tensors does not matter.
    """
    if tensor.dim() < 2 or not tensor.is_floating_point():
        return tensor
    digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
    random = torch.randn(tensor.shape, generator=generator)
    return (random * (tensor.float().norm(dim=-1, keepdim=True) / random.norm(dim=-1, keepdim=True))).to(
        tensor.dtype
    )


def write_null_model(source: Path, target: Path, seed: int) -> None:
    """Copy a checkpoint folder, its matrices replaced by random ones."""
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.iterdir()):
        if path.suffix == ".safetensors":
            with safe_open(path, "pt") as file:
                tensors = {
                    name: randomised(name, file.get_tensor(name), seed) for name in sorted(file.keys())
                }
                save_file(tensors, target / path.name, file.metadata())
        elif path.name != "checkpoint.json":
            shutil.copyfile(path, target / path.name)


def table(trained: Mapping[str, Any], null: Mapping[str, Any]) -> list[str]:
    """Mean F1 by predictor on both models, and the graphs' by layer."""
    lines = [
        "| | trained, top | trained, random | random weights, top | random weights, random |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]

    def row(title: str, one: Mapping[str, Any], other: Mapping[str, Any], predictor: str) -> str:
        cells = [
            f"{scores[name][predictor]['f1']:.3f}" if predictor in scores.get(name, {}) else ""
            for scores in (one, other)
            for name in ("top", "random")
        ]
        return f"| {title} | {' | '.join(cells)} |"

    lines += [
        row(f"`{predictor}`", trained["overall"], null["overall"], predictor) for predictor in PREDICTORS
    ]
    lines += [
        row(f"`graph`, layer {layer}", scores, null["layers"][layer], "graph")
        for layer, scores in trained["layers"].items()
    ]
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configfile", type=Path, default=Path("config.yaml"), help="names the finished run")
    parser.add_argument("--seed", type=int, default=0, help="of the random weights")
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)), help="for the workflow")
    parser.add_argument("--output", type=Path, default=HERE / "null_model.md", help="the table to write")
    given = parser.parse_args()

    run = Run.open(given.configfile)
    if run.model.format != "transformers":
        raise InputError("model.loader: a null model can be made of transformers models only.")
    folder = Path("resources/null") / f"{run.checkpoint.parent.name}-{given.seed}"
    write_null_model(run.checkpoint.parent, folder, given.seed)
    name = f"{run.config['run']}-null"
    title = f"{run.config['model']['name']}, random weights"
    model = {"source": str(folder), "file": None, "sha256": None, "name": title}
    configured = ["--config", f"run={name}", f"model={json.dumps(model)}"]
    snakemake = [
        sys.executable,
        "-m",
        "snakemake",
        "--configfile",
        str(given.configfile),
        "--cores",
        str(given.cores),
    ]
    summary = Path("results") / name / "summary.json"
    for target in (["model"], [str(summary)]):  # layers and neurons are known once the model is there
        command = [*snakemake, "--resources", f"gpu={given.cores}", *configured, "--", *target]
        if subprocess.run(command, check=False).returncode:
            raise InputError("The workflow on the null model has not finished: see its messages above.")
    trained, null = (json.loads(path.read_text("utf-8")) for path in (run.root / "summary.json", summary))
    lines = [
        "# Graphs of a model with random weights",
        "",
        f"Mean F1 of the run `{run.config['run']}` and of the same workflow on a model of the same architecture whose",
        "matrices are random, row norms kept. Written by `python benchmarks/null_model.py`.",
        "",
        *table(trained, null),
    ]
    given.output.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"The table is in {os.path.relpath(given.output)}.")


if __name__ == "__main__":
    run_script(main)
