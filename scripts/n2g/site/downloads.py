"""The atlas as data: records as JSON Lines, tables as Parquet, and a manifest of SHA-256 sums."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from n2g.files.tables import CONTRACTS, read_table, table_writer, write_json
from n2g.graphs.drawing import activations, is_background

MEANINGS = {
    "summary.json": "Mean scores of every predictor, by layer and test set.",
    "neurons.csv": "The table of all neurons.",
    "tables/vocabulary.parquet": "The text of every token id.",
}
LEFT_OUT = ("examples", "metrics", "statistics", "logits", "effects", "vocabulary")


class RecordLines:
    """Records as `records/layer-{layer}.jsonl.gz`, one line per neuron: its graph, its sentence, its provenance.

    Excerpts and the graph's background are in the neuron's own record, beside its page; numbers and the texts of tokens
    in tables too. The digest is the whole record's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._layer: int | None = None
        self._file: Any = None

    def add(self, layer: int, text: bytes) -> None:
        """Append a `line`; they come layer by layer."""
        if layer != self._layer:
            self.close()
            self._layer = layer
            path = self._folder / f"layer-{layer}.jsonl.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = gzip.GzipFile(path, "wb", compresslevel=9, mtime=0)
        self._file.write(text)

    def close(self) -> None:
        """Finish the last file."""
        if self._file:
            self._file.close()


def line(record: Mapping[str, Any]) -> bytes:
    """A record as a line of `RecordLines`."""
    text = json.dumps(slim(record), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8") + b"\n"


def slim(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record without the background of its graph, and without what fills most of it or is in tables of its own."""
    kept = {key: value for key, value in record.items() if key not in LEFT_OUT}
    if graph := record.get("graph"):
        strength, left_out = activations(graph), set()
        for node in graph["nodes"]:
            if node["parent"] in left_out or is_background(node, graph, strength):
                left_out.add(node["id"])
        kept["graph"] = graph | {"nodes": [node for node in graph["nodes"] if node["id"] not in left_out]}
    return kept


def write_tables(folder: Path, names: Sequence[str], blocks: Iterable[Path]) -> None:
    """Each named table of all blocks as `{name}.parquet`, with the layer as its first column.

    Args:
        folder: where the files go.
        names: names of contracts.
        blocks: folders {layer}/{block} of the run.
    """
    ordered = sorted((int(block.parent.name), block) for block in blocks)
    _write_with_layer(folder, names, ordered)


def write_layer_tables(folder: Path, names: Sequence[str], layers: Iterable[Path]) -> None:
    """The same of tables of whole layers; layers: folders {layer} of the run."""
    if ordered := sorted((int(layer.name), layer) for layer in layers):
        _write_with_layer(folder, names, ordered)


def _write_with_layer(folder: Path, names: Sequence[str], parts: Sequence[tuple[int, Path]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        schema = pa.schema([("layer", pa.int32()), *CONTRACTS[name].schema])
        with table_writer(folder / f"{name}.parquet", schema, use_dictionary=False) as writer:
            for number, part in parts:
                table = read_table(part / f"{name}.parquet", name)
                layer = pa.array([number] * table.num_rows, pa.int32())
                writer.write_table(table.add_column(0, "layer", layer))


def write_manifest(
    data: Path, summary: Mapping[str, Any], run_tables: Iterable[Path]
) -> list[dict[str, Any]]:
    """Put the last files in place and write `manifest.json`.

    Args:
        data: the folder `data` of the atlas, with its records and tables.
        summary: the content of `summary.json`.
        run_tables: tables of the whole run, to be copied.

    Returns:
        `path`, `bytes`, `sha256` and `meaning` of every file.
    """
    write_json(data / "summary.json", summary)
    for table in run_tables:
        shutil.copyfile(table, data / "tables" / table.name)
    paths = [data / "summary.json", data / "neurons.csv"]
    paths += sorted((data / "tables").glob("*.parquet"))
    paths += sorted((data / "records").glob("*.jsonl.gz"), key=lambda path: (len(path.name), path.name))
    files = [
        {
            "path": path.relative_to(data).as_posix(),
            "bytes": path.stat().st_size,
            "sha256": _digest(path),
            "meaning": _meaning(path.relative_to(data)),
        }
        for path in paths
    ]
    write_json(data / "manifest.json", {"version": 1, "files": files})
    return files


def _meaning(path: Path) -> str:
    if path.suffix == ".gz":
        layer = path.name.split(".")[0].replace("-", " ")
        return f"Records of {layer}, one line per neuron: graph, sentence, provenance."
    if known := MEANINGS.get(path.as_posix()):
        return known
    row = CONTRACTS[path.stem].meaning
    return f"Each row: {row[0].lower()}{row[1:]}"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
