"""The cost of finding similar neurons and of querying a run, by the number of neurons.

Run by hand: `python benchmarks/queries.py 18432` synthesises a run of that many neurons from a finished one by
repeating its graphs. In nine of ten, most tokens are replaced, by frequent ones more often; activations are shifted.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
if __name__ == "__main__":
    sys.path[:0] = [str(HERE), str(HERE.parent / "scripts")]

import numpy as np  # noqa: E402
from workload import SCRIPTS, Run  # noqa: E402

from n2g import load_atlas  # noqa: E402
from n2g.files.tables import read_arrays, read_json, write_arrays  # noqa: E402

BLOCK = 256
CHANGED, REPLACED, SHIFT = 0.9, 0.7, 40
TEXT = (
    "The old bank of the river was made of stone, and the first of its bridges was built in 1842 by the city."
)


def make_run(run: Run, folder: Path, count: int, random: np.random.Generator) -> list[Path]:
    """A run of `count` neurons: records, graphs and pools, in the run's layers; returns its blocks."""
    size = len(load_atlas(run.root).words)
    frequent = np.cumsum(1 / np.arange(1, size + 1))
    order = random.permutation(size)
    records = [read_json(path) for path in sorted(run.root.glob("*/*/render/*[0-9].json"))]
    known = [record for record in records if record["graph"]]
    pools = [read_arrays(block / "pools.safetensors") for block in run.blocks.values()]
    real = np.concatenate([pool["test"] for pool in pools])
    blocks = []
    for number in range(-(-count // BLOCK)):
        layer, first = number % len(run.blocks), number // len(run.blocks) * BLOCK
        block = folder / str(layer) / f"{first:05d}-{first + BLOCK - 1:05d}"
        (block / "render").mkdir(parents=True)
        lines = []
        for neuron in range(first, first + BLOCK):
            record = copy.copy(known[random.integers(len(known))])
            graph = record["graph"] = copy.deepcopy(record["graph"])
            for node in graph["nodes"][1:] if random.random() < CHANGED else ():
                if "tokens" in node:
                    _replace_tokens(node, order, frequent, random)
            names = {"id": f"L{layer}.N{neuron}", "layer": layer, "neuron": neuron, "pole": "positive"}
            (block / "render" / f"{names['id']}.json").write_text(json.dumps(record | names))
            lines.append(json.dumps(names | {"method": "atlas", "status": "ok", "graph": graph}))
        (block / "graph.jsonl").write_text("\n".join(lines) + "\n")
        rows = [np.roll(real[random.integers(len(real))], random.integers(SHIFT)) for _ in range(BLOCK)]
        write_arrays(block / "pools.safetensors", {**pools[0], "test": np.stack(rows)})
        blocks.append(block)
    (folder / "corpus").symlink_to(run.corpus.resolve())
    return blocks


def _replace_tokens(
    node: dict[str, Any], order: np.ndarray, frequent: np.ndarray, random: np.random.Generator
) -> None:
    """Replace most tokens of a node; they stay ascending, and as many as there are weights."""
    kept = {token for token in node["tokens"] if random.random() > REPLACED}
    while len(kept) < len(node["tokens"]):
        kept.add(int(order[np.searchsorted(frequent, random.random() * frequent[-1])]))
    node["tokens"] = sorted(kept)


def timed(ask: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and the answer."""
    begin = time.perf_counter()
    answer = ask()
    return time.perf_counter() - begin, answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("neurons", type=int, help="how many, at least")
    parser.add_argument("--processes", type=int, default=1, help="processes that find similar neurons")
    parser.add_argument("--configfile", type=Path, default=Path("config.yaml"), help="names the finished run")
    given = parser.parse_args()
    run = Run.open(given.configfile)
    with tempfile.TemporaryDirectory(prefix="n2g-queries-", dir=run.root) as name:
        folder = Path(name)
        blocks = make_run(run, folder, given.neurons, np.random.default_rng(0))
        command = [sys.executable, SCRIPTS / "similar.py", "--corpus", run.corpus, "--method", "atlas"]
        command += ["--output", folder, "--run", folder, "--processes", given.processes]
        command += ["--blocks", *("/".join(block.parts[-2:]) for block in blocks)]
        begin = time.perf_counter()
        job = subprocess.Popen(list(map(str, command)))
        _, status, used = os.wait4(job.pid, 0)
        job.returncode = os.waitstatus_to_exitcode(status)
        if job.returncode:
            raise RuntimeError("similar.py failed")
        print(
            f"{len(blocks) * BLOCK:,} neurons, all pairs: {time.perf_counter() - begin:.0f} s "
            f"({used.ru_utime + used.ru_stime:.0f} s of CPU time), {used.ru_maxrss / 1024:,.0f} MiB of memory"
        )
        atlas = load_atlas(folder, run.checkpoint.parent / "tokenizer.json")
        print(f"patterns: {(folder / 'patterns.parquet').stat().st_size / 1e6:.0f} MB")
        seconds, _ = timed(lambda: (atlas.words, atlas.tokenise(""), atlas.names()))
        print(f"loading: {seconds:.2f} s")
        neuron, other = (str(atlas.names()[at]) for at in (42, -7))
        questions: dict[str, Callable[[], Any]] = {
            "fires": lambda: atlas.fires(TEXT),
            "search activating": lambda: atlas.search(" of"),
            "search context": lambda: atlas.search(context=" of"),
            "search both": lambda: atlas.search(" of", " one"),
            "similar": lambda: atlas.similar(neuron),
            "compare": lambda: atlas.compare(neuron, other)["first"],
            "predict": lambda: atlas[neuron].predict(TEXT),
        }
        for question, ask in questions.items():
            (first, answer), (repeated, _) = timed(ask), timed(ask)
            print(f"{question}: {first:.2f} s, repeated {repeated:.2f} s, {len(answer)} rows")


if __name__ == "__main__":
    main()
