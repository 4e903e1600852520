"""Planted latents through all stages: the graph is the rule, whichever latents are described together."""

from __future__ import annotations

import argparse
import json
import shutil
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import planted_latents
import pytest
import tiny_stages as stages

from n2g.errors import InputError
from n2g.files.tables import read_table
from n2g.graphs.trie import NeuronGraph
from n2g.model.forward_pass import ForwardPass
from n2g.queries.atlas import load_atlas
from n2g.queries.trace import trace
from n2g.workflow.model_options import open_engine

BLOCKS = ["0/00000-00002", "1/00000-00002"]


@dataclass(frozen=True)
class Made:
    planted: planted_latents.Planted
    output: Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("latents")
    planted = planted_latents.make(folder)
    output = stages.run(planted.checkpoint, planted.corpus, folder / "out", BLOCKS, units=planted.units)
    (output / "corpus").symlink_to(planted.corpus)
    return Made(planted, output)


def texts(corpus: Path) -> list[list[int]]:
    """Token ids of every document."""
    stream = np.load(corpus / "tokens.npy")
    rows = read_table(corpus / "documents.parquet", "documents").to_pylist()
    return [stream[row["offset"] : row["offset"] + row["length"]].tolist() for row in rows]


def fires(planted: planted_latents.Planted, layer: int, latent: int, text: list[int]) -> list[bool]:
    """The rule of a latent at each token of a text but the first, which is BOS."""
    if layer == 0:
        return [token == planted.tokens[latent] for token in text[1:]]
    return [(before, token) == planted.pairs[latent] for before, token in pairwise(text)]


def graphs(folder: Path) -> dict[str, dict[str, Any]]:
    lines = (json.loads(line) for line in stages.lines(folder))
    return {line["id"]: line for line in lines if line["method"] == "atlas"}


def assert_rules(planted: planted_latents.Planted, output: Path, blocks: list[str]) -> None:
    """That every graph predicts its rule at every token of every text, with no more nodes than the rule has tokens."""
    for block in blocks:
        layer = int(block[0])
        found = graphs(output / block)
        assert list(found) == [f"L{layer}.F{latent}" for latent in range(3)]
        for latent, line in enumerate(found.values()):
            graph = NeuronGraph.from_dict(line["graph"])
            assert graph.trie.number_of_nodes() - 1 == layer + 1
            known = texts(planted.corpus)
            for text, predicted in zip(known, graph.predict_texts(known), strict=True):
                expected = fires(planted, layer, latent, text)
                assert (predicted[1:] >= graph.decision_threshold).tolist() == expected


def test_the_graph_is_the_rule(made: Made) -> None:
    assert_rules(made.planted, made.output, BLOCKS)
    for block in BLOCKS:
        for row in stages.rows(made.output / block, "evaluate"):
            if row["predictor"] == "graph" and row["set"] in ("top", "random"):
                assert row["f1"] == 1


def test_with_latents_that_compete(tmp_path: Path) -> None:
    planted = planted_latents.make(tmp_path, "topk")
    given = (planted.checkpoint, planted.corpus, tmp_path / "out", BLOCKS)
    stages.observe(*given, units=planted.units)
    stages.fit(*given, units=planted.units)
    assert_rules(planted, tmp_path / "out", BLOCKS)


def test_a_latent_is_the_same_in_any_block(made: Made, tmp_path: Path) -> None:
    given = (made.planted.checkpoint, made.planted.corpus, tmp_path / "out", ["1/00002-00004"])
    stages.run(*given, units=made.planted.units)
    first, second = (
        stages.all_of(folder, 1, 2) for folder in (made.output / BLOCKS[1], tmp_path / "out" / given[3][0])
    )
    assert first["L1.F2.json"] == second["L1.F2.json"]
    assert first == second


def test_records_name_latents_and_their_hook(made: Made) -> None:
    found = stages.records(made.output / BLOCKS[1])
    assert sorted(found) == ["L1.F0", "L1.F1", "L1.F2"]
    record = found["L1.F1"]
    assert (record["id"], record["provenance"]["hook"]) == ("L1.F1", "blocks.1.hook_resid_pre")
    assert record["provenance"]["command"].endswith("--config neuron=L1.F1")


def test_what_latents_do_where_they_fire(made: Made) -> None:
    """The model writes nothing but its embeddings: without its latent, a token is less expected to come again."""
    for latent, token in enumerate(made.planted.tokens[:3]):
        rows = stages.rows(made.output / BLOCKS[0], "effects", latent)
        (fires,) = (row for row in rows if row["set"] == "firing")
        assert fires["places"] == stages.PLACES
        assert fires["promoted"][0] == token and fires["promoted_by"][0] > 0


def test_latents_are_rewritten_by_their_graphs(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are what their graphs say, so that predictions stay; with the latents at their means they do not.

    Their means are taken without computing all other latents of the layer.
    """
    monkeypatch.delattr(ForwardPass, "read")
    where = ("--run", made.output, "--blocks", BLOCKS[0], "--corpus", made.planted.corpus)
    model = ("--checkpoint", made.planted.checkpoint, "--units", made.planted.units, "--device", "cpu")
    settings = ("--settings", json.dumps(stages.SETTINGS))
    stages.stage("rewrite", *model, *where, *settings, "--tokens", 500, "--output", tmp_path)
    rows = read_table(tmp_path / "rewrite.parquet", "rewrite").to_pylist()
    kept = {row["condition"]: row["kept"] for row in rows}
    assert kept["graph"] > 0.99 and kept["mean"] == 0
    assert all(row["kept"] > 0.99 for row in stages.rows(tmp_path, "rewrite_neurons"))


def test_latents_that_cannot_be_set_are_left_alone(made: Made, tmp_path: Path) -> None:
    units = Path(shutil.copytree(made.planted.units.parent, tmp_path / "units")) / "units.json"
    content = json.loads(units.read_text())
    content["layers"]["0"]["across"] = True
    units.write_text(json.dumps(content))
    model = ("--checkpoint", made.planted.checkpoint, "--units", units, "--device", "cpu")
    given = (*model, "--corpus", made.planted.corpus, "--settings", json.dumps(stages.SETTINGS))
    where = ("--run", made.output, "--blocks", BLOCKS[0])
    with pytest.raises(InputError, match="cannot be rewritten, as they write into several layers"):
        stages.stage("rewrite", *given, *where, "--tokens", 500, "--output", tmp_path)
    table = tmp_path / "effects.parquet"
    stages.stage("effects", *given, "--block", made.output / BLOCKS[0], "--layer", 0, "--output", table)
    assert not stages.rows(tmp_path, "effects")


def test_weights_of_latents(made: Made) -> None:
    """A token's latent reads that token's embedding and writes it; there are no connections."""
    for latent, token in enumerate(made.planted.tokens[:3]):
        best = {
            row["direction"]: row["token"]
            for row in stages.rows(made.output / BLOCKS[0], "logits", latent)
            if row["rank"] == 0
        }
        assert best["promoted"] == best["input_aligned"] == token
    assert not stages.rows(made.output / BLOCKS[0], "connections")


def test_the_atlas_has_pages_of_latents(made: Made) -> None:
    given = (made.planted.checkpoint, made.planted.corpus, made.output, BLOCKS, "positive")
    site = stages.atlas(*given, units=made.planted.units)
    for layer in (0, 1):
        for latent in range(3):
            page = (site / "neurons" / f"L{layer}" / f"F{latent}" / "index.html").read_text()
            assert f"L{layer}.F{latent}" in page
    assert json.loads((site / "data" / "ids.json").read_text()) == [[0, 0, 2, "", "F"], [1, 0, 2, "", "F"]]
    assert "6 of the 40 latents" in (site / "index.html").read_text()
    related = {str(name) for name in load_atlas(site).names()}
    assert related == {f"L{layer}.F{latent}" for layer in (0, 1) for latent in range(3)}
    for folder in ("neurons", "layers"):
        assert not [path for path in (site / folder).rglob("*.html") if "L1.N" in path.read_text()]


def test_queries_name_latents(made: Made) -> None:
    atlas = load_atlas(made.output)
    token = atlas.words[made.planted.tokens[0]]
    found = {one.neuron for one in atlas.search(token)}
    assert "L0.F0" in found and {str(name) for name in atlas.names()} >= found
    assert atlas["L0.F0"].status == "ok"


def test_a_run_of_latents_is_not_traced(made: Made) -> None:
    model = {"checkpoint": made.planted.checkpoint, "tokenizer": None, "top": 5}
    with pytest.raises(InputError, match="describes latents, and trace knows neurons only"):
        trace(made.output, argparse.Namespace(**model))


def test_programs_that_know_neurons_only_open_the_model(made: Made) -> None:
    given = {"checkpoint": made.planted.checkpoint, "device": "cpu", "dtype": "float32", "threads": 1}
    assert not open_engine(argparse.Namespace(**given), [1], [3]).encoders


@pytest.mark.parametrize(
    ("layer", "blocks", "sentence"),
    [
        (0, "0/00018-00020", "neurons: 20 is out of range: each layer has latents 0-19"),
        (5, "5/00000-00001", "layers: 5 is out of range"),
    ],
)
def test_latents_that_are_not_there(
    made: Made, tmp_path: Path, layer: int, blocks: str, sentence: str
) -> None:
    options = ("--device", "cpu", "--units", made.planted.units, "--corpus", made.planted.corpus)
    where = ("--blocks", blocks, "--output", tmp_path)
    with pytest.raises(InputError, match=sentence):
        stages.stage("activations", "--checkpoint", made.planted.checkpoint, *options, *where)
