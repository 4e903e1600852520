"""Every stage, as its script, on models of every kind of activation function."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import tiny_stages as stages
import torch
from safetensors.numpy import load_file, save_file

from n2g.files.tables import read_arrays, read_table
from n2g.graphs.trie import NeuronGraph
from n2g.method.evidence import Texts
from n2g.method.neutral_text import from_texts
from n2g.model.checkpoint import boot
from n2g.scores.windows import LENGTHS, sample
from n2g.settings import Settings
from n2g.texts.corpus_files import load_documents, load_texts_for_fitting
from n2g.texts.documents import Documents

BLOCKS = ["0/00000-00005", "1/00003-00010"]
ALONE = ["1/00005-00005"]
LAYER, NEURON = 1, 5


class Made:
    """A model, texts, and what the stages wrote of two blocks."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.folder, self.kind = folder, kind
        self.checkpoint = stages.make_model(folder, **tiny.NATIVE[kind])
        self.corpus = stages.make_corpus(folder / "texts", self.checkpoint)
        self.output = stages.run(self.checkpoint, self.corpus, folder / "out", BLOCKS)
        self.documents = read_table(self.corpus / "documents.parquet", "documents").to_pylist()
        self.tokens = np.load(self.corpus / "tokens.npy")

    def texts(self, split: str) -> dict[int, np.ndarray]:
        """Document -> its token ids, of one split."""
        return {
            row["document"]: self.tokens[row["offset"] : row["offset"] + row["length"]]
            for row in self.documents
            if row["split"] == split
        }


@pytest.fixture(scope="module", params=list(tiny.NATIVE))
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return Made(tmp_path_factory.mktemp(request.param), request.param)


def activations(checkpoint: Path, texts: dict[int, np.ndarray], layer: int) -> dict[int, np.ndarray]:
    """Document -> activations [position, neuron] of one plain pass, the begin-of-sequence token's left out."""
    bridge = boot(checkpoint)
    found = {}
    for document, tokens in texts.items():
        _, cache = bridge.run_with_cache(torch.tensor(tokens[None].astype(np.int64)))
        found[document] = cache[f"blocks.{layer}.mlp.hook_post"][0, 1:].numpy()
    return found


def test_neurons_are_compared_with_each_other(made: Made) -> None:
    patterns = read_table(made.output / "patterns.parquet", "patterns").to_pylist()
    assert [row["token"] for row in patterns] == sorted(row["token"] for row in patterns)
    assert {(row["layer"], row["neuron"]) for row in patterns} >= {(1, 3), (1, 10)}
    similar = read_table(made.output / "similar.parquet", "similar").to_pylist()
    scores = {
        (row["layer"], row["neuron"], row["other_layer"], row["other_neuron"]): row
        for row in similar
        if row["kind"] == "behaviour"
    }
    assert scores
    texts = (
        activations(made.checkpoint, made.texts("test"), 0),
        activations(made.checkpoint, made.texts("test"), 1),
    )
    whole = [np.concatenate([layer[document] for document in sorted(layer)]) for layer in texts]
    for (layer, neuron, other, second), row in scores.items():
        expected = np.corrcoef(whole[layer][:, neuron], whole[other][:, second])[0, 1]
        assert row["score"] == pytest.approx(expected, abs=2e-3)


def test_what_was_seen_is_what_a_plain_pass_gives(made: Made) -> None:
    for block in BLOCKS:
        layer = int(block.split("/")[0])
        seen = {split: activations(made.checkpoint, made.texts(split), layer) for split in ("train", "test")}
        train = np.concatenate(list(seen["train"].values()))
        test = {document: values.max(0) for document, values in seen["test"].items()}
        for row in stages.rows(made.output / block, "statistics"):
            neuron = row["neuron"]
            assert row["maximum"] == pytest.approx(max(train[:, neuron].max(), 0), rel=1e-4, abs=1e-6)
            top = [e for e in stages.rows(made.output / block, "examples", neuron) if e["split"] == "test"]
            best = sorted((values[neuron] for values in test.values()), reverse=True)[: len(top)]
            assert [e["activation"] for e in top] == pytest.approx(best, rel=1e-4, abs=1e-5)
            assert all(e["pivot"] > 0 for e in top)


def test_scores_are_those_of_the_published_graph(made: Made) -> None:
    """Firing on random test documents, recounted from a plain pass and from the graphs in the file."""
    seen = activations(made.checkpoint, made.texts("test"), LAYER)
    texts = made.texts("test")
    block = made.output / BLOCKS[1]
    maximum = {row["neuron"]: row["maximum"] for row in stages.rows(block, "statistics")}
    scores = {
        (row["neuron"], row["predictor"]): row
        for row in stages.rows(block, "evaluate")
        if row["set"] == "random"
    }
    compared = 0
    for line in map(json.loads, stages.lines(block)):
        if line["graph"] is None:
            continue
        graph, neuron = NeuronGraph.from_dict(line["graph"]), line["neuron"]
        predictor = "graph" if line["method"] == "atlas" else line["method"]
        counts = np.zeros(3, int)
        for document, tokens in texts.items():
            fires = seen[document][:, neuron] >= maximum[neuron] / 2
            said = np.array(graph.predict(tokens.tolist()))[1:] >= graph.decision_threshold
            counts += [(fires & said).sum(), (said & ~fires).sum(), (fires & ~said).sum()]
        row = scores[neuron, predictor]
        found = [row[name] for name in ("true_positives", "false_positives", "false_negatives")]
        assert np.abs(counts - found).max() <= 1  # an activation may be just at the threshold
        compared += 1
    assert compared >= 8


def test_windows_hold_what_a_plain_pass_over_them_gives(made: Made) -> None:
    folder = made.output / "1/00003-00010"
    rows = read_table(folder / "windows.parquet", "windows").to_pylist()
    maxima = {
        r["neuron"]: r["maximum"] for r in read_table(folder / "statistics.parquet", "statistics").to_pylist()
    }
    documents = Documents(
        made.tokens, *(np.array([d[k] for d in made.documents]) for k in ("offset", "length")), None
    )
    settings = Settings.from_options(stages.SETTINGS | {"bos": int(made.tokens[0])})
    train = Texts.of(load_texts_for_fitting(made.corpus), "train")
    prefix = from_texts(train, settings).prefixes[0]
    bridge = boot(made.checkpoint)
    sampled = sample(load_documents(made.corpus), stages.WINDOW_TOKENS)
    assert set(sampled) < set(made.texts("test"))
    for length in LENGTHS:
        for number in sampled[:2]:
            ids = documents.ids(int(number)).tolist()
            for at in (1, length, len(ids) - 1):
                begin = at + 1 - length
                shown = [*prefix, *ids[begin : at + 1]] if begin > 1 else ids[: at + 1]
                _, cache = bridge.run_with_cache(torch.tensor([shown]))
                values = cache["blocks.1.mlp.hook_post"][0, -1].numpy()
                where = int(documents.offsets[number]) + at
                said = {
                    r["neuron"]: r["activation"]
                    for r in rows
                    if (r["length"], r["position"]) == (length, where)
                }
                for neuron in range(3, 11):
                    if abs(values[neuron] - 0.25 * maxima[neuron]) > 1e-3:
                        assert (neuron in said) == (
                            0.25 * maxima[neuron] < values[neuron] and maxima[neuron] > 0
                        )
                    if neuron in said:
                        assert said[neuron] == pytest.approx(float(values[neuron]), abs=1e-4)


def test_the_whole_text_in_the_window_is_the_truth(made: Made) -> None:
    """Windows and predictors are scored on the same tokens, and no window beyond its sample."""
    table = read_table(made.output / "1/00003-00010" / "evaluate.parquet", "evaluate").to_pylist()
    found = {(r["set"], r["predictor"]): r for r in table if r["neuron"] == 5}
    assert {who for kind, who in found if kind == "windows"} >= {"graph", *(f"window_{k}" for k in LENGTHS)}
    assert not {who for kind, who in found if kind != "windows"} & {f"window_{k}" for k in LENGTHS}
    assert len({(r["tokens"], r["firing"]) for (kind, _), r in found.items() if kind == "windows"}) == 1


def test_every_neuron_has_a_record_and_prunes_are_what_they_say(made: Made) -> None:
    documents = load_documents(made.corpus)
    for block in BLOCKS:
        first, last = (int(part) for part in block.split("/")[1].split("-"))
        records = stages.records(made.output / block)
        assert sorted(record["neuron"] for record in records.values()) == list(range(first, last + 1))
        assert all((made.output / block / "render" / f"{name}.svg").exists() for name in records)
        for row in stages.rows(made.output / block, "prune"):
            (document,) = documents.document_at(np.array([row["position"]]))
            assert document in documents.of("train")
            if not row["failed"]:
                assert row["tokens"][-1] == made.tokens[row["position"]]
                assert row["kept"] >= row["activation"] / 2
                start = row["position"] - len(row["tokens"]) + 1
                assert row["tokens"] == made.tokens[start : row["position"] + 1].tolist()
        if made.kind == "relu":
            histograms = [row["histogram"] for row in stages.rows(made.output / block, "statistics")]
            assert np.sum(histograms) > 0


def test_a_neuron_alone_gives_the_same_bytes(made: Made, tmp_path: Path) -> None:
    alone = stages.run(made.checkpoint, made.corpus, tmp_path / "out", ALONE, threads=2)
    expected = stages.all_of(made.output / BLOCKS[1], LAYER, NEURON)
    found = stages.all_of(alone / ALONE[0], LAYER, NEURON)
    assert found.keys() == expected.keys()
    for name, content in expected.items():
        assert found[name] == content, name


@pytest.mark.parametrize("others", [["1/00004-00010"], ["1/00000-00023", "0/00000-00005"]], ids=["7", "24"])
def test_the_size_and_order_of_blocks_do_not_matter(gelu: Made, tmp_path: Path, others: list[str]) -> None:
    output = stages.run(gelu.checkpoint, gelu.corpus, tmp_path / "out", others)
    for block in others:
        layer = int(block[0])
        expected = stages.all_of(gelu.output / BLOCKS[layer], layer, NEURON)
        assert stages.all_of(output / block, layer, NEURON) == expected


def test_both_poles_of_a_neuron(made: Made, tmp_path: Path) -> None:
    block = ALONE[0]
    both = stages.run(made.checkpoint, made.corpus, tmp_path / "out", [block], poles="positive,negative")
    for name in ("statistics", "examples", "prune", "augment"):
        rows = stages.rows(both / block, name)
        positive = [row for row in rows if row["pole"] == "positive"]
        assert positive == stages.rows(made.output / BLOCKS[1], name, NEURON), name
    seen = np.concatenate(list(activations(made.checkpoint, made.texts("train"), LAYER).values()))
    _, negative = stages.rows(both / block, "statistics")
    assert negative["maximum"] == pytest.approx(max(-seen[:, NEURON].min(), 0), rel=1e-4, abs=1e-6)
    records = stages.records(both / block)
    assert set(records) == {"L1.N5", "L1.N5-"}
    if made.kind == "relu":  # never below zero
        assert records["L1.N5-"]["status"] == "dead"


@pytest.fixture(scope="module")
def gelu(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return Made(tmp_path_factory.mktemp("sealed"), "gelu")


def test_nothing_is_learned_from_test_documents(gelu: Made, tmp_path: Path) -> None:
    """With other test documents all graphs stay the same, to the byte."""
    other = tmp_path / "corpus"
    other.mkdir()
    for path in gelu.corpus.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    tokens, random = gelu.tokens.copy(), np.random.default_rng(0)
    for row in gelu.documents:
        if row["split"] == "test":
            at = slice(row["offset"] + 1, row["offset"] + row["length"])
            tokens[at] = random.integers(2, tiny.VOCABULARY, row["length"] - 1)
    np.save(other / "tokens.npy", tokens)
    output = stages.run(gelu.checkpoint, other, tmp_path / "out", BLOCKS)
    for block in BLOCKS:
        for name in ("sweep", "prune", "saliency", "augment", "background"):
            assert stages.rows(output / block, name) == stages.rows(gelu.output / block, name), name
        assert stages.lines(output / block) == stages.lines(gelu.output / block)
        assert stages.rows(output / block, "evaluate") != stages.rows(gelu.output / block, "evaluate")


def edit(checkpoint: Path, **changes: Any) -> None:
    """Change neurons of layer 1 by hand: name -> (neuron, value) of its input weights and bias."""
    path = next(checkpoint.parent.glob("*.safetensors"))
    weights = load_file(path)
    for neuron, (weight, bias) in changes["neurons"].items():
        inputs = weights["blocks.1.mlp.in.weight"]
        inputs[neuron] = inputs[neuron] * weight if np.isfinite(weight) else weight
        weights["blocks.1.mlp.in.bias"][neuron] = bias
    save_file(weights, path)


def test_dead_and_failed_neurons_do_not_stop_the_others(tmp_path: Path) -> None:
    checkpoint = stages.make_model(tmp_path, **tiny.NATIVE["relu"])
    corpus = stages.make_corpus(tmp_path / "texts", checkpoint)
    edit(checkpoint, neurons={5: (0.0, -1.0), 6: (np.nan, 0.0)})
    block = "1/00004-00007"
    output = stages.run(checkpoint, corpus, tmp_path / "out", [block])
    records = stages.records(output / block)
    assert {name: record["status"] for name, record in records.items()} == {
        "L1.N4": "ok",
        "L1.N5": "dead",
        "L1.N6": "failed",
        "L1.N7": "ok",
    }
    assert records["L1.N5"]["reason"] and records["L1.N6"]["reason"]
    summary = json.loads((output / "summary.json").read_text())
    assert set(summary["layers"]) == {"1"}
    assert all(np.isfinite(a).all() for a in read_arrays(output / block / "pools.safetensors").values())


def test_both_poles_of_a_planted_neuron(tmp_path: Path) -> None:
    """A gate that opens on two tokens, and a linear part that is positive for one and negative for the other."""
    checkpoint = stages.make_model(tmp_path, **tiny.NATIVE["gated"])
    corpus = stages.make_corpus(tmp_path / "texts", checkpoint)
    counts = np.bincount(np.load(corpus / "tokens.npy"), minlength=tiny.VOCABULARY)
    first, second = (int(token) for token in np.argsort(-counts)[12:14])
    path = next(checkpoint.parent.glob("*.safetensors"))
    weights = load_file(path)
    for name in ("embed.weight", "pos_embed.weight"):
        weights[name][:, :2] = 0
    for name in ("blocks.0.attn.o.weight", "blocks.0.attn.o.bias"):
        weights[name][:2] = 0  # attention writes nothing there
    weights["embed.weight"][first, 0] = weights["embed.weight"][second, 1] = 5
    weights["blocks.0.mlp.gate.weight"][NEURON] = np.eye(16)[0] + np.eye(16)[1]
    weights["blocks.0.mlp.in.weight"][NEURON] = np.eye(16)[0] - np.eye(16)[1]
    save_file(weights, path)
    block = f"0/{NEURON:05}-{NEURON:05}"
    output = stages.run(checkpoint, corpus, tmp_path / "out", [block], poles="positive,negative")
    for line in map(json.loads, stages.lines(output / block)):
        if line["method"] == "atlas":
            graph = NeuronGraph.from_dict(line["graph"])
            fires = [p for p in graph.patterns() if p.end.activation >= graph.decision_threshold]
            assert [p.elements[0].tokens for p in fires] == [
                (second if line["pole"] == "negative" else first,)
            ]
            assert len(fires[0].elements) == 1
    for row in stages.rows(output / block, "evaluate"):
        if row["predictor"] == "graph" and row["set"] == "random":
            assert row["firing"] > 0
            assert row["f1"] == 1
