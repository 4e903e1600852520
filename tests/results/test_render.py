"""The render stage: tables of a block in, a record and a picture of each neuron out."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from random import Random

import fake_records
import numpy as np
import pytest

from n2g.files.canonical_json import dump
from n2g.files.tables import CONTRACTS, write_array, write_table
from n2g.graphs.trie import NeuronGraph
from n2g.ids import NeuronId
from n2g.method.histogram_bins import EDGES
from n2g.metrics import SCORES
from n2g.results.records import Findings, record
from n2g.results.stage_outputs import Texts, decimals, held_out_examples, histogram
from n2g.texts.documents import TEST, Documents

ROOT = Path(__file__).parents[2]


def scores(kind: str, predictor: str) -> dict:
    """A row of the `evaluate` table."""
    columns = CONTRACTS["evaluate"].columns
    numbers = {name: 0.5 if name in SCORES else 3 for name in columns}
    return numbers | {"neuron": 0, "pole": "positive", "set": kind, "predictor": predictor}


def columns_of(rows: list[dict]) -> dict:
    return {name: [row[name] for row in rows] for name in rows[0]}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory) -> Path:
    """The output of scripts/render.py for two neurons, one of them dead."""
    run = tmp_path_factory.mktemp("run")
    block = run / "3" / "00000-00001"
    words = list(fake_records.TEXTS.values())
    tokens = np.array([0, *range(1, 20), 0, *range(5, 24)], dtype=np.int32)
    write_array(run / "corpus/tokens.npy", tokens)
    documents = [
        {"document": at, "text": at, "piece": 0, "title": f"<b>{at}</b>", "split": split, "offset": 20 * at}
        | {"length": 20, "sha256": "0" * 64}
        for at, split in enumerate(["train", "test"])
    ]
    vocabulary = {"token": range(len(words)), "text": words, "special": [False] * len(words)}
    counts = np.zeros(len(EDGES) + 1, dtype=int)
    counts[[49, 60, -1]] = 100, 5, 1
    names = ("lowest", "highest", "mean", "std", "skewness", "kurtosis", "density", "floor")
    moments = dict.fromkeys(names, 0.1) | {"nonfinite": 0}
    statistics = [
        moments
        | {"neuron": at, "pole": "positive", "tokens": 38, "firing": 3, "maximum": top, "histogram": counts}
        for at, top in enumerate([2.0, 0.0])
    ]
    values = np.linspace(0, 2, 20)
    example = {"neuron": 0, "pole": "positive", "split": "train", "rank": 0, "document": 0, "pivot": 19}
    prediction = {
        "neuron": 0,
        "pole": "positive",
        "set": "false-positive",
        "rank": 0,
        "document": 1,
        "start": 4,
    }
    prediction |= {"pivot": 9, "activations": values[:10], "predictions": values[:10], "nodes": [0] * 10}
    write_table(run / "corpus/documents.parquet", "documents", columns_of(documents))
    write_table(run / "corpus/vocabulary.parquet", "vocabulary", vocabulary)
    write_table(block / "statistics.parquet", "statistics", columns_of(statistics))
    write_table(
        block / "examples.parquet",
        "examples",
        columns_of([example | {"activation": 2.0, "activations": values}]),
    )
    lens = {"neuron": 0, "pole": "positive", "direction": "promoted", "rank": 0, "token": 3, "value": 1.5}
    write_table(block / "logits.parquet", "logits", columns_of([lens]))
    write_table(block / "predictions.parquet", "predictions", columns_of([prediction]))
    means = [(5, 0.5, 9), (7, 1.5, 2), (9, 1.5, 4)]
    background = [
        {"neuron": 0, "pole": "positive", "token": token, "count": count, "mean": mean}
        for token, mean, count in means
    ]
    write_table(block / "background.parquet", "background", columns_of(background))
    tested = [
        {"neuron": 0, "pole": "positive", "node": 1, "set": name, "predicted": said, "hits": hits}
        for name, said, hits in (("random", 7, 5), ("top", 2, 2))
    ]
    write_table(block / "nodes.parquet", "nodes", columns_of(tested))
    write_table(
        block / "evaluate.parquet", "evaluate", columns_of([scores("top", "graph"), scores("top", "paper")])
    )
    graph = fake_records.graph(Random(1), fake_records.TEXTS)
    lines = [
        {"layer": 3, "neuron": 0, "pole": "positive", "method": "atlas", "status": "ok", "graph": graph},
        {"layer": 3, "neuron": 1, "pole": "positive", "method": "atlas", "status": "dead", "graph": None}
        | {"reason": "No activation is above zero."},
    ]
    (block / "graph.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    command = [sys.executable, ROOT / "scripts/render.py", "--corpus", run / "corpus", "--block", block]
    options = ["--layer", "3", "--provenance", '{"run": "fake"}', "--output", block / "render"]
    subprocess.run([*command, *options], check=True)
    return block / "render"


def load(rendered: Path, name: str) -> dict:
    return json.loads((rendered / f"{name}.json").read_text(encoding="utf-8"))


def test_files(rendered):
    assert sorted(path.name for path in rendered.iterdir()) == [
        "L3.N0.brief.svg",
        "L3.N0.dot",
        "L3.N0.json",
        "L3.N0.svg",
        "L3.N1.json",
    ]


def test_record_holds_what_the_tables_say(rendered):
    found = load(rendered, "L3.N0")
    assert (found["status"], found["layer"], found["neuron"]) == ("ok", 3, 0)
    assert found["metrics"]["top"]["graph"]["f1"] == 0.5
    train, wrong = found["examples"]
    assert (train["set"], train["split"]) == ("top", "train")
    assert train["tokens"] == [0, *range(1, 20)]
    graph = NeuronGraph.from_dict(found["graph"])
    assert train["predictions"] == pytest.approx(graph.predict(train["tokens"]), abs=0.05)
    assert found["top_tokens"] == [[7, 1.5, 2], [9, 1.5, 4], [5, 0.5, 9]]
    assert found["tested"] == {"1": {"random": [7, 5], "top": [2, 2]}}
    assert wrong["set"] == "false-positive"
    assert (wrong["start"], wrong["pivot"], wrong["tokens"]) == (4, 5, list(range(8, 18)))
    assert found["provenance"]["command"].endswith("--config neuron=L3.N0")
    used = {str(token) for one in found["examples"] for token in one["tokens"]}
    assert used <= set(found["vocabulary"])


def test_dead_neuron_has_a_record(rendered):
    found = load(rendered, "L3.N1")
    assert (found["status"], found["reason"]) == ("dead", "No activation is above zero.")


def test_digest_is_of_everything_else(rendered):
    found = load(rendered, "L3.N0")
    digest = found.pop("digest")
    assert digest == hashlib.sha256(dump(found).encode()).hexdigest()


def test_histogram_leaves_out_empty_ends():
    counts = np.zeros(len(EDGES) + 1, dtype=int)
    counts[[0, 49, 60, -1]] = 2, 100, 5, 1
    found = histogram(counts)
    assert sum(found["counts"]) == 108
    assert len(found["edges"]) == len(found["counts"]) + 1
    assert histogram(np.zeros(len(EDGES) + 1, dtype=int)) == {"edges": [], "counts": []}


def test_of_weaker_documents_there_is_an_excerpt() -> None:
    """And the documents of the top set are filled up by others in which the neuron fires."""
    count, length = 60, 100
    tokens = np.arange(count * length, dtype=np.int32)
    documents = Documents(tokens, length * np.arange(count), np.full(count, length), np.full(count, TEST))
    texts = Texts(documents, [str(at) for at in range(count)], [])
    values = np.arange(length) / length
    row = {"start": 0, "pivot": 50, "activations": values, "predictions": values}
    rows = [row | {"set": "top", "rank": rank, "document": rank} for rank in range(12)]
    excerpt = row | {"start": 30, "pivot": 50, "activations": values[:41], "predictions": values[:41]}
    rows += [excerpt | {"set": "firing", "rank": rank, "document": 20 + rank} for rank in range(10)]
    found = list(held_out_examples(rows, texts, 2))
    assert [one["set"] for one in found] == ["top"] * 12 + ["firing"] * 8
    assert [len(one["tokens"]) for one in found] == [100] * 8 + [41] * 12
    for number, one in enumerate(found):
        document = number if one["set"] == "top" else 20 + number - 12
        assert one["start"] + one["pivot"] == 50
        assert one["tokens"][one["pivot"]] == length * document + 50
        if one["set"] == "top":
            assert one["activations"][one["pivot"]] == 0.5


@pytest.mark.parametrize("maximum", [1e-4, 0.3, 2.5, 42.0, 1e5])
def test_decimals_keep_three_digits_of_the_maximum(maximum):
    assert round(maximum, decimals(maximum)) == pytest.approx(maximum, rel=0.005)


def test_not_a_number_becomes_null():
    made = record(NeuronId(0, 0), Findings(None, "failed", "why", {"mean": float("nan")}), {}, {})
    assert json.loads(dump(made))["statistics"]["mean"] is None
