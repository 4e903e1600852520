"""A recomputed neuron: the same bytes, or a list of what differs."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from fake_records import TEXTS, findings
from tiny_run import RUN, snakemake

from n2g.files.canonical_json import digest_of, dump
from n2g.files.tables import read_table
from n2g.ids import Block, NeuronId
from n2g.results.records import record
from n2g.results.reproduce import TOLERANCE, compare, report, shortened
from n2g.workflow.reproduce_targets import neurons_to_reproduce

CONFIG = {"units": "neurons", "neuron": None, "sample": None, "seed": 0, "poles": ["positive", "negative"]}
BLOCKS = [(0, Block(0, 31)), (3, Block(32, 63))]
SCRIPT = [sys.executable, "scripts/reproduce.py", "--published", RUN, "--recomputed", f"{RUN}/recomputed"]
PLAIN = {"dtype": "float32"}


@pytest.fixture
def published() -> dict:
    """A record with a graph of several patterns, and tokens meant to do harm."""
    return record(NeuronId(3, 42), findings(Random(1), TEXTS), TEXTS, PLAIN)


def changed(published: dict, *path: object, value: object) -> dict:
    """A copy of a record with one value changed, and the digest of the new content."""
    other = copy.deepcopy(published)
    target = other
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = value
    return other | {"digest": digest_of(other)}


def end_of(published: dict) -> int:
    """The place of a node at which a firing pattern ends."""
    graph = published["graph"]
    return next(
        at
        for at, n in enumerate(graph["nodes"])
        if n.get("end", {}).get("activation", 0) >= graph["decision_threshold"]
    )


def test_the_same_record_is_identical(published: dict) -> None:
    found = compare(published, json.loads(dump(published)))
    assert (found.outcome, found.largest_difference, found.differences) == ("identical", 0.0, ())
    assert list(report([found], strict=True)) == [f"L3.N42 reproduced {published['digest']}"]


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        (("status",), "dead", "status: 'ok' published, 'dead' recomputed"),
        (("metrics", "top", "graph", "f1"), 0.25, "metrics.top.graph.f1: "),
        (("statistics", "maximum"), 1e9, "statistics.maximum: "),
        (("examples",), [], "examples: "),
        (("vocabulary", "0"), "other", "vocabulary.0: "),
        (("graph", "decision_threshold"), 1e9, "graph.decision_threshold: "),
        (("provenance", "seed"), 1, "provenance.seed: None published, 1 recomputed"),
    ],
)
def test_what_differs_is_named(published: dict, path: tuple, value: object, line: str) -> None:
    found = compare(published, changed(published, *path, value=value))
    assert found.outcome != "identical"
    (named,) = [one for one in found.differences if not one.startswith("pattern")]
    assert named.startswith(line)


def test_a_pattern_that_is_gone_or_new_is_named_in_words(published: dict) -> None:
    at = end_of(published)
    less = copy.deepcopy(published)
    del less["graph"]["nodes"][at]["end"]
    less["digest"] = digest_of(less)
    for old, new, said in (
        (published, less, "in the published record only"),
        (less, published, "in the recomputed record only"),
    ):
        found = compare(old, new)
        assert found.outcome == "different"
        (line,) = found.differences
        assert line.startswith("pattern ") and line.endswith(said)
        token = published["graph"]["nodes"][at]["tokens"][0]
        assert f"({token})" in line
        assert line.isprintable()


@pytest.mark.parametrize(("share", "outcome"), [(0.5, "equivalent"), (2.0, "different")])
def test_activations_within_the_tolerance_mean_the_same(published: dict, share: float, outcome: str) -> None:
    at, scale = end_of(published), published["graph"]["scale"]
    activation = published["graph"]["nodes"][at]["end"]["activation"] + share * TOLERANCE * scale
    found = compare(
        published, changed(published, "graph", "nodes", at, "end", "activation", value=activation)
    )
    assert found.outcome == outcome
    assert found.largest_difference == pytest.approx(share * TOLERANCE)
    for strict, begin in (
        (True, "L3.N42 differs"),
        (False, "L3.N42 reproduced as equivalent: the same patterns"),
    ):
        said = list(report([found], strict=strict))
        assert said[0].startswith(begin if outcome == "equivalent" else "L3.N42 differs:")
        assert said[1].startswith("  pattern ")


def test_a_record_that_was_changed_by_hand_is_never_equivalent(published: dict) -> None:
    tampered = published | {"explanation": "something else"}
    found = compare(tampered, published)
    assert found.outcome == "different"
    assert found.differences[0].startswith("digest: the published record says ")
    assert any(line.startswith("explanation: ") for line in found.differences)


def test_long_reports_are_shortened() -> None:
    assert shortened(["x" * 400] + ["a"] * 30, most=2, width=10) == ["x" * 9 + "…", "a", "and 29 more"]


def test_samples_are_drawn_with_the_seed_from_what_is_selected() -> None:
    drawn = neurons_to_reproduce(CONFIG | {"sample": 5}, BLOCKS)
    assert len(set(drawn)) == 5
    assert drawn == sorted(drawn) == neurons_to_reproduce(CONFIG | {"sample": 5}, BLOCKS)
    assert drawn != neurons_to_reproduce(CONFIG | {"sample": 5, "seed": 1}, BLOCKS)
    assert {
        (one.layer, one.neuron // 32) for one in neurons_to_reproduce(CONFIG | {"sample": 1000}, BLOCKS)
    } == {
        (0, 0),
        (3, 1),
    }
    assert len(neurons_to_reproduce(CONFIG | {"sample": 1000}, BLOCKS)) == 128
    assert neurons_to_reproduce(CONFIG | {"sample": 5, "neuron": "L1.N2-"}, BLOCKS) == [
        NeuronId(1, 2, negative=True)
    ]
    assert neurons_to_reproduce(CONFIG, BLOCKS) == []


def test_reproduce_asks_for_a_neuron_that_is_published(finished: Path) -> None:
    for given, sentence in (
        ("seed=0", "neuron: is not set: "),
        ("neuron=L2.N23", "L2.N23 has no record in "),
    ):
        status, said = snakemake(finished, "reproduce", "--nolock", "--config", given)
        assert status != 0
        assert said.strip().splitlines()[-1].startswith(sentence)
        assert "Traceback" not in said


def edited(path: Path) -> dict:
    """Change a published record by hand: one activation of a pattern, one score."""
    content = json.loads(path.read_text())
    content["graph"]["nodes"][end_of(content)]["end"]["activation"] *= 2
    content["metrics"]["top"]["graph"]["f1"] = 0.99
    path.write_text(dump(content))
    return content


@pytest.mark.slow
def test_a_sample_is_recomputed_and_a_tampered_record_is_found(copied: Path) -> None:
    """Of two neurons in two layers, one has another record than the inputs give."""
    tampered = copied / RUN / "1" / "00000-00001" / "render" / "L1.N1.json"
    honest = tampered.read_text()
    edited(tampered)
    left = shutil.copytree(copied / RUN / "0/00000-00001/render", copied / RUN / "0/00000-00003/render")
    edited(left / "L0.N1.json")  # of another selection than this
    (copied / RUN / "reproduced").mkdir()
    (copied / RUN / "reproduced" / "L0.N1.json").write_text("{}")  # of an earlier time
    before = {path: path.stat().st_mtime_ns for path in (copied / RUN).rglob("*.parquet")}
    status, said = snakemake(copied, "reproduce", "--config", "sample=2")
    assert status != 0
    digest = json.loads((copied / RUN / "0" / "00000-00001" / "render" / "L0.N1.json").read_text())["digest"]
    assert f"L0.N1 reproduced {digest}\n" in said
    lines = said[said.index("L1.N1 differs:\n") :].splitlines()
    assert lines[1].startswith("  digest: the published record says ")
    assert lines[2].startswith("  pattern ") and "; " not in lines[2]
    assert lines[3].startswith("  metrics.top.graph.f1: 0.99 published, ")

    rows = read_table(copied / RUN / "reproduced.parquet", "reproduced").to_pylist()
    assert [row["outcome"] for row in rows] == ["identical", "different"]
    assert (copied / RUN / "reproduced" / "L1.N1.json").read_text() != tampered.read_text()
    assert json.loads((copied / RUN / "reproduced" / "L1.N1.json").read_text()) == json.loads(honest)
    assert not (copied / RUN / "reproduced" / "L0.N1.json").exists()
    assert not (copied / RUN / "recomputed").exists()
    assert {path: path.stat().st_mtime_ns for path in before} == before
    status, said = snakemake(copied, f"{RUN}/atlas")
    assert status == 0, said
    table = "reproduced.parquet"
    assert (copied / RUN / "atlas/data/tables" / table).read_bytes() == (copied / RUN / table).read_bytes()


@pytest.mark.parametrize("hardware", ["the same", "other", "bfloat16"])
def test_other_hardware_need_only_give_the_same_meaning(copied: Path, hardware: str) -> None:
    """The second of two equal records differs in the last digits."""
    block = copied / RUN / "1" / "00000-00001" / "render"
    recomputed = copied / RUN / "recomputed" / "1" / "00001-00001" / "render"
    shutil.copytree(block, recomputed)
    content = json.loads((block / "L1.N1.json").read_text())
    content = changed(content, "statistics", "maximum", value=content["statistics"]["maximum"] * (1 + 1e-4))
    if hardware == "bfloat16":
        content = changed(content, "provenance", "dtype", value="bfloat16")
    (recomputed / "L1.N1.json").write_text(dump(content))
    if hardware == "other":
        manifest = copied / RUN / "manifest.json"
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"hardware": "an abacus"}))
    done = subprocess.run(
        [*SCRIPT, "--records", block.relative_to(copied) / "L1.N1.json"],
        cwd=copied,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode == (hardware == "the same")
    assert done.stdout.startswith(
        "L1.N1 differs in bytes" if hardware == "the same" else "L1.N1 reproduced as equivalent"
    )


def test_the_manifest_tells_what_was_used(finished: Path) -> None:
    manifest = json.loads((finished / RUN / "manifest.json").read_text())
    assert manifest["code"].keys() == {"version", "digest", "lock", "commit"}
    assert manifest["records"]["count"] == 4
    assert manifest["settings"]["prefix_length"] == 4
    assert manifest["settings"]["trust"] == 1.0
    assert manifest["hardware"]
    files = {path.relative_to(finished / RUN / "benchmarks").parts[0].removesuffix(".tsv") for path in
             (finished / RUN / "benchmarks").rglob("*.tsv")}  # fmt: skip
    assert manifest["costs"].keys() == files
    assert manifest["costs"]["prune"]["jobs"] == 2
    assert manifest["costs"]["prune"]["seconds"] > 0
    for path in (finished / RUN).glob("*/*/render/*.json"):
        assert (
            not {"device", "threads", "block", "block_size", "host"}
            & json.loads(path.read_text())["provenance"].keys()
        )
