"""Collect what the stages wrote about a block of neurons into one `Findings` for each neuron."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import floor, log10
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa

from n2g.files.tables import read_table
from n2g.graphs.graph_file import read_graphs
from n2g.graphs.trie import NeuronGraph
from n2g.ids import LETTERS, NeuronId
from n2g.method.histogram_bins import EDGES
from n2g.method.observations import by_unit
from n2g.results.effects import effects_of
from n2g.results.records import Findings
from n2g.texts.corpus_files import load_documents, load_words
from n2g.texts.documents import Documents
from n2g.texts.excerpt_bounds import excerpt_bounds

SHOWN = 20  # of the training documents, and of the test documents in which the neuron fires
TEST_SHOWN = {"random": 2, "top": SHOWN}  # of a set; 4 of the others
WHOLE = 8  # strongest documents of a split; of the others an excerpt
TOKENS = 15  # by mean activation
MOMENTS = ("density", "maximum", "lowest", "highest", "mean", "std", "skewness", "kurtosis")
COUNTS = ("firing", "tokens")
KEYS = ("neuron", "pole", "set", "predictor")


@dataclass(frozen=True)
class Texts:
    """The corpus as the records quote it: token ids, titles, and the text of each token id."""

    documents: Documents
    titles: Sequence[str]
    words: Sequence[str]


def read_texts(corpus: Path) -> Texts:
    """The tokenised corpus of a run. Raises InputError where a file is missing or damaged."""
    titles = read_table(corpus / "documents.parquet", "documents")["title"].to_pylist()
    return Texts(load_documents(corpus), titles, load_words(corpus))


def read_block(
    folder: Path,
    layer: int,
    texts: Texts,
    method: str,
    optional: Mapping[str, Path] = MappingProxyType({}),
    kind: str = "neurons",
) -> Iterator[tuple[NeuronId, Findings]]:
    """The findings of each neuron of a block, in the order of its statistics.

    Args:
        folder: where the block's tables and `graph.jsonl` are.
        layer: the block's layer.
        texts: the corpus.
        method: the method whose graphs the records show.
        optional: where the tables of the block are that only some runs have: `effects`, `explanations`.
        kind: `neurons` or `latents`.
    """
    graphs = read_graphs(folder / "graph.jsonl")
    names = ("examples", "predictions", "evaluate", "nodes", "background", "logits")
    parts = {name: dict(by_unit(read_table(folder / f"{name}.parquet", name))) for name in names}
    parts |= {name: dict(by_unit(read_table(path, name))) for name, path in optional.items()}
    for row in read_table(folder / "statistics.parquet", "statistics").to_pylist():
        key = (row["neuron"], row["pole"])
        line = graphs[key][method]
        rows = {name: _rows(part.get(key)) for name, part in parts.items()}
        grain = decimals(row["maximum"])
        shown = _train(rows["examples"], line["graph"], texts, grain)
        examples = [*shown, *held_out_examples(rows["predictions"], texts, grain)]
        found = Findings(
            graph=line["graph"],
            status=line["status"],
            reason=line.get("reason"),
            statistics={name: row[name] for name in MOMENTS + COUNTS}
            | {"histogram": histogram(row["histogram"])},
            metrics=_metrics(rows["evaluate"]),
            top_tokens=_strongest(rows["background"]),
            tested=_hits(rows["nodes"]),
            rule=line.get("rule"),
            examples=examples,
            logits=_logits(rows["logits"]),
            explanations=_explanations(rows.get("explanations", [])),
            effects=effects_of(rows.get("effects", [])),
        )
        yield NeuronId.of(layer, *key, LETTERS[kind]), found


def decimals(maximum: float) -> int:
    """Decimals that give the largest activation three significant digits.

    >>> decimals(2.53), decimals(0.04), decimals(1234.0), decimals(0.0)
    (2, 4, 0, 3)
    """
    return max(0, 2 - floor(log10(maximum))) if maximum > 0 else 3


def histogram(counts: Sequence[int]) -> dict[str, list]:
    """Counts between the edges of the corpus pass, without the empty bins at both ends."""
    inner = list(counts[1:-1])
    inner[0] += counts[0]
    inner[-1] += counts[-1]
    filled = np.flatnonzero(inner)
    if not len(filled):
        return {"edges": [], "counts": []}
    first, last = int(filled[0]), int(filled[-1]) + 1
    return {"edges": [float(edge) for edge in EDGES[first : last + 1]], "counts": inner[first:last]}


def _rows(table: pa.Table | None) -> list[dict]:
    return table.to_pylist() if table is not None else []


def _metrics(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, dict]]:
    """Test set -> predictor -> metric -> value."""
    found: dict[str, dict[str, dict]] = {}
    for row in rows:
        scores = {name: value for name, value in row.items() if name not in KEYS}
        found.setdefault(row["set"], {})[row["predictor"]] = scores
    return found


def _logits(rows: Sequence[Mapping[str, Any]]) -> dict[str, list]:
    """Direction -> pairs of token id and value, strongest first."""
    found: dict[str, list] = {}
    for row in sorted(rows, key=lambda row: row["rank"]):
        found.setdefault(row["direction"], []).append([row["token"], row["value"]])
    return found


def _explanations(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict]:
    """Explainer -> the columns of its explanation."""
    return {
        row["explainer"]: {name: value for name, value in row.items() if name not in (*KEYS, "explainer")}
        for row in rows
    }


def _strongest(rows: Sequence[Mapping[str, Any]]) -> list[list[float]]:
    """(token id, mean activation, occurrences), the largest mean first."""
    ordered = sorted(rows, key=lambda row: (-row["mean"], row["token"]))[:TOKENS]
    return [[row["token"], row["mean"], row["count"]] for row in ordered]


def _hits(rows: Sequence[Mapping[str, Any]]) -> dict[int, dict[str, list[int]]]:
    """Node -> test set -> tokens at which it fires, and those of them at which the neuron does."""
    found: dict[int, dict[str, list[int]]] = {}
    for row in rows:
        found.setdefault(row["node"], {})[row["set"]] = [row["predicted"], row["hits"]]
    return found


def _train(
    rows: Sequence[dict[str, Any]], graph: Mapping[str, Any] | None, texts: Texts, grain: int
) -> Iterator[dict]:
    shown = [row for row in rows if row["split"] == "train" and row["rank"] < SHOWN]
    predictions = _predicted(graph, [texts.documents.ids(row["document"]).tolist() for row in shown])
    for row, predicted in zip(shown, predictions, strict=True):
        yield _example(row | {"set": "top", "start": 0, "predictions": predicted}, "train", texts, grain)


def _predicted(graph: Mapping[str, Any] | None, documents: Sequence[list[int]]) -> list[np.ndarray]:
    """What the graph predicts for each token of some documents."""
    if graph is None:
        return [np.zeros(len(document)) for document in documents]
    return NeuronGraph.from_dict(graph).predict_texts(documents)


def held_out_examples(rows: Sequence[Mapping[str, Any]], texts: Texts, grain: int) -> Iterator[dict]:
    """As many of each set as are shown; `firing` fills up `top`."""
    top = sum(row["set"] == "top" for row in rows)
    shown = TEST_SHOWN | {"firing": max(0, SHOWN - top)}
    for row in rows:
        if row["rank"] < shown.get(row["set"], 4):
            yield _example(row, "test", texts, grain)


def _example(row: Mapping[str, Any], split: str, texts: Texts, grain: int) -> dict[str, Any]:
    if row["set"] == "top" and row["rank"] >= WHOLE:
        row = _cut(row)
    end = row["start"] + len(row["activations"])
    return {
        "set": row["set"],
        "split": split,
        "document": row["document"],
        "title": texts.titles[row["document"]],
        "start": row["start"],
        "pivot": row["pivot"] - row["start"],
        "tokens": [int(token) for token in texts.documents.ids(row["document"])[row["start"] : end]],
        "activations": _short(row["activations"], grain),
        "predictions": _short(row["predictions"], grain),
    }


def _cut(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row of a whole document with the tokens around its pivot alone."""
    part = excerpt_bounds(row["pivot"], 0, len(row["activations"]))
    return {**row, "start": part.start, **{name: row[name][part] for name in ("activations", "predictions")}}


def _short(values: Sequence[float], grain: int) -> list[float | int]:
    """Values with so many decimals, at least one, and one less for those near zero, which would fill most of a record.

    Whole numbers become integers, which are shorter in JSON.

    >>> _short([2.531, 0.031, -0.176, 1.0], 2)
    [2.53, 0, -0.2, 1]
    """
    small = 20 * 10.0**-grain
    rounded = (round(float(one), max(1, grain - (abs(one) < small))) for one in values)
    return [int(value) if value == int(value) else value for value in rounded]
