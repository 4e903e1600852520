"""Which basis has short rules? Runs that describe a layer in different bases, side by side.

Writes benchmarks/bases.md. The runs must be finished, about the same texts, with the same settings:

    python benchmarks/bases.py --layer 3 Neurons=results/neurons "SAE latents"=results/sae Random=results/random

Of each the first units that fire in the texts are compared, the same number. Numbers of neurons, latents and random
directions have no order, so that these are a sample. `directions` writes random unit vectors as a source of `units`:

    python benchmarks/bases.py --directions encoders/random/layer_3 --layer 3 --width 576
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "scripts")]

import numpy as np  # noqa: E402

from n2g.errors import InputError  # noqa: E402
from n2g.files.tables import read_table  # noqa: E402
from n2g.graphs.graph_file import read_graphs  # noqa: E402
from n2g.scores.summary import macro_average  # noqa: E402
from n2g.units.directions import FILE  # noqa: E402
from n2g.workflow.benchmark_files import read_benchmark  # noqa: E402
from n2g.workflow.run_script import run_script  # noqa: E402

UNIT_STAGES = ("prune", "saliency", "augment", "graph", "evaluate")
Key = tuple[int, str]


@dataclass(frozen=True)
class Basis:
    """The units of a layer in one run.

    Attributes:
        name: of the basis.
        lines: unit -> its line of `graph.jsonl` by the method `atlas`, of those that fire.
        dead: how many of those before the last one never fire.
        scores: (unit, test set, predictor) -> its row of `evaluate.parquet`.
        firing: unit -> firing tokens of all documents.
        seconds: CPU time of the stages that run for each block, and how many units that were.
    """

    name: str
    lines: Mapping[Key, Mapping[str, Any]]
    dead: int
    scores: Mapping[tuple[Key, str, str], Mapping[str, Any]]
    firing: Mapping[Key, int]
    tokens: int
    seconds: tuple[float, int]


def read_basis(name: str, run: Path, layer: int, count: int) -> Basis:
    """The first `count` units of a run's layer that fire. Raises InputError where there are not as many."""
    lines: dict[Key, Mapping[str, Any]] = {}
    scores, firing, seconds, units, tokens = {}, {}, 0.0, 0, 0
    for graphs in sorted((run / str(layer)).glob("*/graph.jsonl")):
        block = graphs.parent
        for key, methods in read_graphs(graphs).items():
            lines[key] = methods["atlas"]
            units += 1
        for row in read_table(block / "evaluate.parquet", "evaluate").to_pylist():
            scores[(row["neuron"], row["pole"]), row["set"], row["predictor"]] = row
        for row in read_table(block / "statistics.parquet", "statistics").to_pylist():
            firing[row["neuron"], row["pole"]], tokens = row["firing"], row["tokens"]
        measured = (run / "benchmarks" / stage / str(layer) / f"{block.name}.tsv" for stage in UNIT_STAGES)
        seconds += sum(job.cpu for path in measured for job in read_benchmark(path))
    alive = sorted(key for key, line in lines.items() if line["status"] != "dead")[:count]
    if len(alive) < count:
        raise InputError(f"{run} has only {len(alive)} units of layer {layer} that fire: describe more.")
    dead = sum(line["status"] == "dead" and key < alive[-1] for key, line in lines.items())
    return Basis(name, {key: lines[key] for key in alive}, dead, scores, firing, tokens, (seconds, units))


def mean(values: Sequence[float], digits: int = 2) -> str:
    """A mean over units with its 95 % interval (bootstrap)."""
    ((middle,), (low,), (high,)) = macro_average([np.array(values)[:, None]])
    return f"{middle:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def f1_scores(basis: Basis, name: str, predictor: str) -> list[float]:
    """F1 of the units that fire in a test set."""
    rows = (basis.scores.get((key, name, predictor)) for key in basis.lines)
    return [row["f1"] for row in rows if row and row["firing"]]


def window_share(basis: Basis) -> str:
    """F1 of the graphs as a share of that of the model which sees the last 4 tokens, on the same tokens."""
    graph, window = (f1_scores(basis, "windows", name) for name in ("graph", "window_4"))
    if not window or not sum(window):
        return "–"
    return f"{100 * sum(graph) / sum(window):.0f} % of {sum(window) / len(window):.2f}"


def row(basis: Basis) -> list[str]:
    """A row of the table."""
    nodes = [line["graph"]["nodes"][1:] for line in basis.lines.values() if line["graph"]]
    nodes = [part for part in nodes if part]
    rules = [len(line["rule"]["line"]) for line in basis.lines.values() if line.get("rule", {}).get("line")]
    seconds, units = basis.seconds
    return [
        basis.name,
        str(basis.dead),
        f"{1e4 * median(basis.firing[key] for key in basis.lines) / basis.tokens:.1f}",
        mean(f1_scores(basis, "top", "graph")),
        mean(f1_scores(basis, "random", "graph")),
        mean(f1_scores(basis, "random", "token_lookup_calibrated")),
        window_share(basis),
        f"{median(map(len, nodes)) if nodes else 0:.0f}",
        f"{median(sum('end' in node for node in part) for part in nodes) if nodes else 0:.0f}",
        f"{median(rules) if rules else 0:.0f}",
        f"{seconds / units:.1f}",
    ]


HEADS = [
    "Basis",
    "Dead before the last",
    "Firing, of 10,000 tokens",
    "F1, top",
    "F1, random",
    "F1, random, token lookup",
    "Share of `window_4`",
    "Nodes",
    "Patterns",
    "Rule, characters",
    "CPU s a unit",
]


def page(bases: Sequence[Basis], layer: int) -> str:
    """The page with a row for each basis."""
    count = len(bases[0].lines)
    lines = [
        "# Which basis has short rules?",
        "",
        f"Written by `benchmarks/bases.py`: {count} units of layer {layer} in each basis, on the same "
        f"{bases[0].tokens:,} tokens. F1: mean over the units that fire in the test set, with its 95 % interval "
        "(bootstrap over units). Firing tokens, nodes, patterns and characters are medians. CPU time of "
        f"{', '.join(UNIT_STAGES)}, start-up included.",
        "",
        f"| {' | '.join(HEADS)} |",
        f"| --- |{' ---: |' * (len(HEADS) - 1)}",
    ]
    return "\n".join([*lines, *(f"| {' | '.join(row(basis))} |" for basis in bases), ""])


def write_directions(folder: Path, layer: int, width: int, count: int, seed: int) -> None:
    """Random unit vectors, read where the residual stream leaves the layer."""
    from safetensors.numpy import save_file

    found = np.random.default_rng(seed).standard_normal((count, width))
    found = (found / np.linalg.norm(found, axis=-1, keepdims=True)).astype(np.float32)
    folder.mkdir(parents=True, exist_ok=True)
    names = {f"random {at}": vector for at, vector in enumerate(found)}
    save_file(names, folder / FILE, metadata={"hook": f"blocks.{layer}.hook_resid_post"})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="*", metavar="NAME=FOLDER", help="finished runs")
    parser.add_argument("--layer", type=int, required=True)
    parser.add_argument("--count", type=int, default=32, help="units of each basis")
    parser.add_argument("--directions", type=Path, help="instead, write random directions into this folder")
    parser.add_argument("--width", type=int, default=576, help="of the residual stream")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=HERE / "bases.md", help="the table to write")
    given = parser.parse_args()
    if given.directions:
        write_directions(given.directions, given.layer, given.width, given.count, given.seed)
        return
    named = [text.rpartition("=")[::2] for text in given.runs]
    bases = [read_basis(name, Path(run), given.layer, given.count) for name, run in named]
    if len({basis.tokens for basis in bases}) != 1:
        raise InputError("the runs are about different texts, or there are none: give runs about the same.")
    given.output.write_text(page(bases, given.layer), encoding="utf-8")
    print(f"The table is in {os.path.relpath(given.output)}.")


if __name__ == "__main__":
    run_script(main)
