"""The stages' scripts, run one after another in this process on a small model and small texts."""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import tiny

from n2g.files.tables import read_arrays, read_table
from n2g.model.conversion import convert
from n2g.texts.fetch import fetch
from n2g.texts.sources import Source, wanted_files

SCRIPTS = Path(__file__).parents[1] / "scripts"
SETTINGS = {"prefix_length": 4, "train_examples": 12, "top_examples": 4}
WINDOW_TOKENS, PLACES = 100, 4


def stage(name: str, *arguments: object) -> None:
    """Run `scripts/{name}.py` with these arguments."""
    with patch.object(sys, "argv", [name, *map(str, arguments)]):
        runpy.run_path(str(SCRIPTS / f"{name}.py"))["main"]()


def make_model(folder: Path, **changes: object) -> Path:
    """A native model as a checkpoint; gives its checkpoint.json."""
    tiny.save_native_model(folder / "model", **changes)
    return describe_model(folder)


def describe_model(folder: Path, hook: str = "post") -> Path:
    """Bring `folder`/model into the workflow's form, as the checkpoint stage does."""
    convert(sorted((folder / "model").iterdir()), folder / "checkpoint", hook=hook)
    return folder / "checkpoint" / "checkpoint.json"


def make_corpus(folder: Path, checkpoint: Path, count: int = 150) -> Path:
    """Sentences of random words, brought into tokens by the corpus stage; gives its folder."""
    words = sorted({word for text in tiny.TEXTS for word in text.split()})
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(words, random.integers(4, 16))) for _ in range(count)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "texts.txt").write_text("\n\n".join(texts))
    source = Source.parse(str(folder / "texts.txt"))
    fetch(source, folder / "fetched", wanted_files("corpus", "auto"), repo_type="dataset")
    manifest = folder / "fetched" / "fetched.json"
    options = ("--max-length", 32, "--min-length", 4, "--further-tokens", 0, "--output", folder / "corpus")
    stage("corpus", "--texts", manifest, "--checkpoint", checkpoint, *options)
    return folder / "corpus"


def observe(
    checkpoint: Path,
    corpus: Path,
    output: Path,
    blocks: Iterable[str],
    poles: str = "positive",
    threads: int = 1,
    units: Path | None = None,
) -> None:
    """The stages that look at all blocks at once: activations, sweep, logits."""
    model = ("--checkpoint", checkpoint, "--device", "cpu", "--threads", threads, *_units(units))
    where = ("--blocks", *blocks, "--output", output)
    stage("activations", *model, "--corpus", corpus, *where, "--poles", poles)
    maxima = output / "maxima.parquet"
    stage("maxima", "--run", output, "--blocks", *blocks, "--output", maxima)
    asked = ("--maxima", maxima, "--settings", json.dumps(SETTINGS))
    stage("sweep", *model, "--corpus", corpus, *where, *asked, "--pair-tokens", 600)
    stage("windows", *model, "--corpus", corpus, *where, *asked, "--tokens", WINDOW_TOKENS)
    stage("logits", *model, *where, "--poles", poles)


def _units(units: Path | None) -> tuple:
    return ("--units", units) if units else ()


def fit(
    checkpoint: Path,
    corpus: Path,
    output: Path,
    blocks: Iterable[str],
    threads: int = 1,
    units: Path | None = None,
) -> None:
    """The stages from prune to graph, and what neurons do, block by block."""
    model = ("--checkpoint", checkpoint, "--device", "cpu", "--threads", threads, *_units(units))
    for block in blocks:
        where = ("--corpus", corpus, "--block", output / block, "--layer", block.split("/")[0])
        options = (*where, "--settings", json.dumps(SETTINGS))
        for name in ("prune", "saliency", "augment"):
            stage(name, *model, *options, "--output", output / block / f"{name}.parquet")
        kind = ("--kind", "latents") if units else ()
        stage("graph", *options, *kind, "--output", output / block / "graph.jsonl")
        options = (*where, "--settings", json.dumps(SETTINGS), "--places", PLACES)
        stage("effects", *model, *options, "--output", output / block / "effects.parquet")


def judge(corpus: Path, output: Path, blocks: Sequence[str], units: Path | None = None) -> None:
    """The stages after the graphs: evaluate and render, and the summary of all blocks."""
    for block in blocks:
        folder = output / block
        graphs = ("--graphs", folder / "graph.jsonl")
        windows = ("--windows", folder / "windows.parquet", "--window-tokens", WINDOW_TOKENS)
        stage("evaluate", "--corpus", corpus, "--observations", folder, *graphs, *windows, "--output", folder)
        where = (
            "--layer",
            block.split("/")[0],
            "--provenance",
            '{"run": "tiny"}',
            "--output",
            folder / "render",
            "--effects",
            folder / "effects.parquet",
        )
        stage("render", "--corpus", corpus, "--block", folder, *where, *_units(units))
    whole = ("--run", output, "--blocks", *blocks)
    stage("similar", "--corpus", corpus, *whole, "--method", "atlas", "--output", output)
    stage("summary", *whole, "--output", output / "summary.json")


def run(
    checkpoint: Path,
    corpus: Path,
    output: Path,
    blocks: Sequence[str],
    poles: str = "positive",
    threads: int = 1,
    units: Path | None = None,
) -> Path:
    """All stages after the corpus; gives `output`. units: units.json, where they are latents."""
    observe(checkpoint, corpus, output, blocks, poles, threads, units)
    fit(checkpoint, corpus, output, blocks, threads, units)
    judge(corpus, output, blocks, units)
    return output


def atlas(
    checkpoint: Path,
    corpus: Path,
    output: Path,
    blocks: Sequence[str],
    poles: str,
    units: Path | None = None,
) -> Path:
    """The site of a run; gives its folder."""
    config = {"run": "tiny", "against": None, "poles": poles.split(",")}
    config |= {"units": {"source": "planted"}} if units else {}
    config |= {
        name: {"name": name, "source": name, "licence": None, "url": None} for name in ("model", "corpus")
    }
    where = ("--run", output, "--blocks", *blocks, "--corpus", corpus, "--checkpoint", checkpoint)
    written = (
        "--site",
        SCRIPTS.parent / "site",
        "--docs",
        SCRIPTS.parent / "docs",
        "--out",
        output / "atlas",
    )
    where += ("--summary", output / "summary.json", *_units(units))
    stage("atlas", *where, "--config", json.dumps(config), *written)
    return output / "atlas"


def rows(folder: Path, name: str, neuron: int | None = None) -> list[dict]:
    """Rows of a block's table, of one neuron or of all."""
    table: pa.Table = read_table(folder / f"{name}.parquet", name)
    return [row for row in table.to_pylist() if neuron in (None, row["neuron"])]


def lines(folder: Path) -> list[str]:
    """Lines of a block's graph file."""
    return (folder / "graph.jsonl").read_text().splitlines()


def records(folder: Path) -> Mapping[str, dict[str, Any]]:
    """Neuron id -> record."""
    return {path.stem: json.loads(path.read_text()) for path in sorted((folder / "render").glob("*.json"))}


def all_of(folder: Path, layer: int, neuron: int) -> dict[str, Any]:
    """Everything that the stages wrote of one neuron, as it can be compared to the byte."""
    statistics = rows(folder, "statistics")
    at = [i for i, row in enumerate(statistics) if row["neuron"] == neuron]
    pools = read_arrays(folder / "pools.safetensors")
    tables = sorted(path.stem for path in folder.glob("*.parquet"))
    found: dict[str, Any] = {name: repr(rows(folder, name, neuron)) for name in tables}
    found |= {f"pool {split}": pools[split][at].tobytes() for split in ("validation", "test")}
    found["graph"] = [line for line in lines(folder) if json.loads(line)["neuron"] == neuron]
    for path in sorted((folder / "render").glob(f"L{layer}.[NF]{neuron}[.-]*")):
        found[path.name] = path.read_bytes()
    return found
