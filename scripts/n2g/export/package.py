"""Writing an export: every format into its folder, a licence, the texts that are quoted, and SHA-256 sums of all files.

The same results give the same bytes: nothing tells the time, the machine or the place.
"""

from __future__ import annotations

import csv
import gzip
import json
import shutil
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from math import isfinite
from pathlib import Path
from typing import Any

from n2g.export import attribution, graphs, neuronpedia, openai
from n2g.export.neuron import Neuron
from n2g.files.canonical_json import dump
from n2g.files.digests import file_digest
from n2g.files.tables import write_rows
from n2g.graphs.token_display import plain

SUMS = "MANIFEST.sha256"
MOMENTS = ("maximum", "mean", "std", "skewness", "kurtosis", "density")


@dataclass(frozen=True)
class About:
    """What an export says of its origin.

    run: the run's name. model, texts: `name`, `licence` and `url` of both, where known. size: layers of the model, and
    neurons of each. encoders: the same of these, where latents are described.
    """

    run: str
    model: Mapping[str, str | None]
    texts: Mapping[str, str | None]
    size: tuple[int, int]
    encoders: Mapping[str, str | None] | None = None

    @property
    def on_neuronpedia(self) -> neuronpedia.Model:
        """The model as Neuronpedia names it."""
        return neuronpedia.Model(str(self.model["name"]), *self.size, self.model["url"])


def write_export(
    folder: Path,
    blocks: Iterable[Sequence[Neuron]],
    about: About,
    documents: Mapping[str, Sequence[str]],
    drawings: Mapping[str, Path],
    schema: Path,
) -> None:
    """Write everything into an empty folder.

    A neuron whose activations are not numbers is in the records alone.

    Args:
        folder: where to write.
        blocks: the neurons, those of a layer together.
        about: the origin.
        documents: `title` and `sha256` of every document.
        drawings: neuron -> its DOT file, where there is one.
        schema: the JSON Schema of the records.
    """
    quoted: set[int] = set()
    table = []
    (folder / "records").mkdir(parents=True)
    shutil.copyfile(schema, folder / "records" / schema.name)
    with _gzip(folder / "records" / "records.jsonl.gz") as records:
        for neurons in blocks:
            for neuron in neurons:
                records.write(f"{dump(neuron.record)}\n".encode())
                quoted |= neuron.documents
            known = [neuron for neuron in neurons if neuron.record["status"] != "failed"]
            table += [_row(neuron) for neuron in known]
            for neuron in known:
                _write_one(folder, neuron, drawings.get(str(neuron.id)))
            for _, pole in groupby(sorted(known, key=_pole), key=_pole):
                _write_source(folder / "neuronpedia", list(pole), about)
    write_rows(folder / "records" / "neurons.parquet", "neurons", table)
    lines = (f"{_json(row)}\n" for row in table)
    (folder / "records" / "neurons.jsonl").write_text("".join(lines), encoding="utf-8")
    (folder / "LICENCE.md").write_text(_licence(about), encoding="utf-8")
    _write_texts(folder / "texts.csv", sorted(quoted), documents)
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    sums = [f"{file_digest(path)}  {path.relative_to(folder).as_posix()}\n" for path in paths]
    (folder / SUMS).write_text("".join(sorted(sums, key=lambda line: line[66:])), encoding="utf-8")


def _write_one(folder: Path, neuron: Neuron, drawing: Path | None) -> None:
    """The formats that have a file for each neuron."""
    suffix = "-negative" if neuron.id.negative else ""  # formats that know no poles have a folder for each
    for name, content in openai.files(neuron):
        _write_json(folder / f"openai{suffix}" / name, content)
    details = attribution.feature_details(neuron)
    _write_json(folder / f"attribution{suffix}" / f"{attribution.number(neuron.id)}.json", details)
    if neuron.record["graph"]:
        graph = graphs.to_networkx(neuron.record, neuron.words)
        path = folder / "graphs" / f"{neuron.id}.json"
        _write_json(path, graphs.node_link(graph))
        path.with_suffix(".graphml").write_text(graphs.graphml(graph), encoding="utf-8")
        if drawing:
            shutil.copyfile(drawing, path.with_suffix(".dot"))


def _write_source(folder: Path, neurons: Sequence[Neuron], about: About) -> None:
    """Neuronpedia's formats, for neurons of one layer and pole."""
    model, source = about.on_neuronpedia, neuronpedia.source(neurons[0])
    for neuron in neurons:
        path = folder / "api" / "feature" / model.id / source / str(neuron.id.neuron)
        _write_json(path, neuronpedia.feature(model, neuron))
    imports = folder / "v1" / model.id / source
    for at in range(0, len(neurons), neuronpedia.BATCH):
        batch = neurons[at : at + neuronpedia.BATCH]
        name = f"batch-{batch[0].id.neuron:05d}"
        uploaded = neuronpedia.upload(model, batch)
        _write_json(folder / "upload" / model.id / source / f"{name}.json", uploaded)
        for kind, lines in neuronpedia.import_lines(model, batch):
            (imports / kind).mkdir(parents=True, exist_ok=True)
            with _gzip(imports / kind / f"{name}.jsonl.gz") as file:
                file.writelines(f"{_json(line)}\n".encode() for line in lines)
    texts = str(about.texts["name"])
    for kind, line in neuronpedia.import_heads(model, about.run, texts, neurons[0]):
        _write_json(imports / f"{kind}.jsonl", line)


def _row(neuron: Neuron) -> dict[str, Any]:
    record = neuron.record
    nodes = record["graph"]["nodes"][1:] if record["graph"] else []
    scores = {name: value or 0.0 for name, value in neuron.scores.items()}
    f1 = {f"f1_{kind}": record["metrics"][kind]["graph"]["f1"] for kind in ("top", "random")}
    counts = {"nodes": len(nodes), "patterns": sum("end" in node for node in nodes)}
    named = {
        name: record[name] for name in ("id", "layer", "neuron", "pole", "status", "explanation", "rule")
    }
    return named | counts | {name: neuron.statistics[name] for name in MOMENTS} | f1 | scores


def _licence(about: About) -> str:
    lines = [f"# Neuron Atlas, run {about.run}: licence and sources", ""]
    lines += [
        "Graphs, sentences, scores and statistics may be used under the MIT licence, as Neuron Atlas itself."
    ]
    sources = {"model": about.model, "texts": about.texts, "encoders": about.encoders}
    for kind, source in sources.items():
        if source is None:
            continue
        said = f"- The {kind}: {source['name']}. Licence: {source['licence'] or 'not stated'}."
        lines += ["", said + (f" <{source['url']}>" if source["url"] else "")]
    lines += [
        "",
        "Quotations stay under the licence of the texts. `texts.csv` names every text that is quoted.",
    ]
    return "\n".join(lines) + "\n"


def _write_texts(path: Path, numbers: Iterable[int], documents: Mapping[str, Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["document", "title", "sha256"])
        writer.writerows([one, _cell(documents["title"][one]), documents["sha256"][one]] for one in numbers)


def _cell(text: str) -> str:
    """A text that spreadsheets take for a text: what begins as a formula does gets an apostrophe before it."""
    shown = plain(text)
    return f"'{shown}" if shown.startswith(("=", "+", "-", "@")) else shown


def _write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{_json(content)}\n", encoding="utf-8")


def _json(content: Any) -> str:
    """JSON on one line; what is not a number is null."""
    return json.dumps(_finite(content), ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value


@contextmanager
def _gzip(path: Path) -> Generator[gzip.GzipFile]:
    """A gzip file that tells neither its name nor the time."""
    with path.open("wb") as raw, gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as file:
        yield file


def _pole(neuron: Neuron) -> bool:
    return neuron.id.negative
