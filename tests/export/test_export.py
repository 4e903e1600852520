"""Exports: complete, valid, the same bytes each time, and read back by the tools that they are for."""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import networkx as nx
import pytest
import tiny_stages as stages
import yaml
from browsing import served
from tiny_run import RUN, planned, snakemake

from n2g.export import neuronpedia
from n2g.export.attribution import number
from n2g.files.tables import read_table
from n2g.ids import NeuronId

ROOT = Path(__file__).parents[2]
NEURONS = ["L0.N0", "L0.N1", "L1.N0", "L1.N1"]
PACKAGES = {"openai": "automated-interpretability==0.0.24", "neuronpedia": "neuronpedia==1.2.1"}

# What `app/api/feature/upload-batch/route.tsx` of Neuronpedia accepts.
TEXT = {"type": ["string", "null"]}
LOGITS = {
    "type": "array",
    "maxItems": 20,
    "items": {
        "type": "object",
        "required": ["token", "value"],
        "additionalProperties": False,
        "properties": {"token": {"type": "string", "minLength": 1}, "value": {"type": "number"}},
    },
}
EXPLANATION = {
    "type": "object",
    "required": ["text"],
    "additionalProperties": False,
    "properties": {
        "text": {"type": "string", "minLength": 1, "maxLength": 512},
        "methodName": TEXT,
        "modelName": TEXT,
    },
}
ACTIVATION = {
    "type": "object",
    "required": ["tokens", "values"],
    "additionalProperties": False,
    "properties": {
        "tokens": {
            "type": "array",
            "minItems": 1,
            "maxItems": 1024,
            "items": {"type": "string", "minLength": 1},
        },
        "values": {"type": "array", "minItems": 1, "items": {"type": "number"}},
        "quantileMin": {"type": ["number", "null"]},
        "quantileMax": {"type": ["number", "null"]},
        "quantileFraction": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
    },
}
UPLOAD = {
    "type": "object",
    "required": ["modelId", "source", "features"],
    "additionalProperties": False,
    "properties": {
        "modelId": {"type": "string", "pattern": "^[a-z0-9._-]+$"},
        "source": {"type": "string", "pattern": "^[0-9]+-[a-z0-9_-]+$"},
        "features": {
            "type": "array",
            "minItems": 1,
            "maxItems": 128,
            "items": {
                "type": "object",
                "required": ["index", "activations"],
                "additionalProperties": False,
                "properties": {
                    "index": {"type": "integer", "minimum": 0, "maximum": 10_000_000},
                    "density": {"type": "number", "minimum": 0, "maximum": 1},
                    "topLogits": LOGITS,
                    "bottomLogits": LOGITS,
                    "explanations": {"type": "array", "items": EXPLANATION},
                    "activations": {"type": "array", "minItems": 1, "items": ACTIVATION},
                },
            },
        },
    },
}


def export(checkout: Path, output: Path) -> Path:
    """What `snakemake export` runs, in a finished checkout."""
    (checkpoint,) = checkout.glob("resources/checkpoints/*/checkpoint.json")
    given = yaml.safe_load((checkout / "config.yaml").read_text())
    config = {"run": given["run"]}
    for part in ("model", "corpus"):
        config[part] = {"name": None, "licence": None, "url": None} | given[part]
    stages.stage(
        "export",
        *("--run", checkout / RUN, "--blocks", "0/00000-00001", "1/00000-00001", "--checkpoint", checkpoint),
        *(
            "--config",
            json.dumps(config),
            "--schema",
            ROOT / "schemas" / "record.schema.json",
            "--output",
            output,
        ),
    )
    return output


@pytest.fixture(scope="module")
def exported(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(finished, tmp_path_factory.mktemp("made") / "export")


def files(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def record_of(checkout: Path, neuron: str) -> dict[str, Any]:
    return json.loads((checkout / RUN / neuron[1] / "00000-00001" / "render" / f"{neuron}.json").read_text())


def test_the_workflow_exports_on_demand(finished: Path) -> None:
    status, said = snakemake(finished, "export", "--dry-run", "--nolock")
    assert status == 0, said
    assert planned(said) == {"export": 1}


def test_the_same_results_give_the_same_bytes(exported: Path, finished: Path, tmp_path: Path) -> None:
    assert files(export(finished, tmp_path / "again")) == files(exported)


def test_the_manifest_has_the_sum_of_every_other_file(exported: Path) -> None:
    found = {name: hashlib.sha256(content).hexdigest() for name, content in files(exported).items()}
    del found["MANIFEST.sha256"]
    lines = (exported / "MANIFEST.sha256").read_text().splitlines()
    assert lines == [f"{found[name]}  {name}" for name in sorted(found)]
    assert "licence" in (exported / "LICENCE.md").read_text()


def test_records_are_those_of_the_run_and_meet_the_schema(exported: Path, finished: Path) -> None:
    schema = json.loads((exported / "records" / "record.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    with gzip.open(exported / "records" / "records.jsonl.gz", "rt", encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    assert records == [record_of(finished, neuron) for neuron in NEURONS]
    for record in records:
        validator.validate(record)
        assert record["version"] == schema["properties"]["version"]["const"]
        with pytest.raises(jsonschema.ValidationError):
            validator.validate(record | {"unknown": 1})


def test_tables_hold_every_neuron(exported: Path, finished: Path) -> None:
    rows = read_table(exported / "records" / "neurons.parquet", "neurons").to_pylist()
    assert [row["id"] for row in rows] == NEURONS
    lines = (exported / "records" / "neurons.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == rows
    for row in rows:
        record = record_of(finished, row["id"])
        assert row["f1_top"] == record["metrics"]["top"]["graph"]["f1"]
        assert row["explanation"] == record["explanation"]


@pytest.mark.parametrize("neuron", NEURONS)
def test_graphs_come_back_into_networkx(neuron: str, exported: Path, finished: Path) -> None:
    path = exported / "graphs" / f"{neuron}.json"
    graph = nx.node_link_graph(json.loads(path.read_text()), edges="edges")
    record = record_of(finished, neuron)
    assert nx.is_arborescence(graph)
    assert graph.graph["decision_threshold"] == record["graph"]["decision_threshold"]
    for node in record["graph"]["nodes"][1:]:
        found = graph.nodes[node["id"]]
        assert list(graph.predecessors(node["id"])) == [node["parent"]]
        assert found["kind"] == node["kind"]
        assert found.get("tokens") == node.get("tokens")
        assert found.get("activation") == node.get("end", {}).get("activation")
    from_xml = nx.read_graphml(path.with_suffix(".graphml"), node_type=int)
    assert sorted(from_xml.edges) == sorted(graph.edges)
    assert {n: from_xml.nodes[n]["kind"] for n in from_xml} == {n: graph.nodes[n]["kind"] for n in graph}
    drawn = path.with_suffix(".dot")
    source = finished / RUN / neuron[1] / "00000-00001" / "render" / drawn.name
    assert drawn.exists() == source.exists()
    assert not drawn.exists() or drawn.read_bytes() == source.read_bytes()


def test_uploads_are_what_neuronpedia_accepts(exported: Path) -> None:
    batches = sorted((exported / "neuronpedia" / "upload").rglob("*.json"))
    sources = []
    for path in batches:
        content = json.loads(path.read_text())
        jsonschema.validate(content, UPLOAD)
        assert all(
            len(a["tokens"]) == len(a["values"]) for f in content["features"] for a in f["activations"]
        )
        sources.append((content["source"], [feature["index"] for feature in content["features"]]))
    assert sources == [("0-n2g", [0, 1]), ("1-n2g", [0, 1])]


@pytest.mark.parametrize(
    ("reads", "writes", "name"),
    [
        ("hook_resid_post", "hook_resid_post", "3-res-n2g"),
        ("hook_resid_pre", "hook_resid_pre", "3-res-n2g"),
        ("hook_mlp_out", "hook_mlp_out", "3-mlp-n2g"),
        ("mlp.hook_post", "mlp.hook_post", "3-mlp-n2g"),
        ("ln1.hook_normalized", "ln1.hook_normalized", "3-att-n2g"),
        ("attn.hook_z", "attn.hook_z", "3-att-n2g"),
        ("hook_attn_out", "hook_attn_out", "3-att-n2g"),
        ("mlp.hook_in", "hook_mlp_out", "3-transcoder-n2g"),
        ("hook_resid_mid", "hook_mlp_out", "3-transcoder-n2g"),
    ],
)
def test_sources_of_latents_say_what_they_are_of(reads: str, writes: str, name: str) -> None:
    latent = SimpleNamespace(
        id=NeuronId(3, 42, letter="F"), hook=f"blocks.3.{reads}", writes=f"blocks.3.{writes}"
    )
    assert neuronpedia.source(latent) == name
    assert neuronpedia.source(SimpleNamespace(id=NeuronId(3, 42), hook="blocks.3.mlp.hook_post")) == "3-n2g"


def test_the_bulk_import_joins(exported: Path) -> None:
    for source in ("0-n2g", "1-n2g"):
        (folder,) = (exported / "neuronpedia" / "v1").glob(f"*/{source}")
        lines = {}
        for kind in ("features", "activations", "explanations"):
            with gzip.open(folder / kind / "batch-00000.jsonl.gz", "rt", encoding="utf-8") as file:
                lines[kind] = [json.loads(line) for line in file]
        places = [(one["modelId"], one["layer"], one["index"]) for one in lines["features"]]
        assert [place[1:] for place in places] == [(source, "0"), (source, "1")]
        for one in [*lines["activations"], *lines["explanations"]]:
            assert (one["modelId"], one["layer"], one["index"]) in places
        assert len({one["id"] for one in lines["activations"]}) == len(lines["activations"])
        heads = {
            name: json.loads((folder / f"{name}.jsonl").read_text())
            for name in ("model", "sourceset", "source")
        }
        assert heads["source"]["modelId"] == heads["model"]["id"] == places[0][0]
        assert heads["source"]["setName"] == heads["sourceset"]["name"]


def test_attribution_graphs_find_their_features(exported: Path) -> None:
    assert len({number(NeuronId(layer, neuron)) for layer in range(40) for neuron in range(40)}) == 1600
    for neuron in map(NeuronId.parse, NEURONS):
        feature = json.loads((exported / "attribution" / f"{number(neuron)}.json").read_text())
        assert feature["index"] == number(neuron)
        assert feature["examples_quantiles"]
        for part in feature["examples_quantiles"]:
            assert part["quantile_name"]
            for example in part["examples"]:
                assert len(example["tokens"]) == len(example["tokens_acts_list"])
        assert all(isinstance(text, str) for text in feature["top_logits"] + feature["bottom_logits"])


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Run a program of this folder where a foreign package is installed; gives what it prints."""

    def run(tool: str, *arguments: object) -> Any:
        folder = tmp_path_factory.mktemp(tool)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = folder / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "-q", "--no-compile", PACKAGES[tool]], check=True)
        command = [python, Path(__file__).parent / f"foreign_{tool}.py", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_openai_loads_and_scores_equally(exported: Path, finished: Path, foreign: Any) -> None:
    found = foreign("openai", exported / "openai")
    assert list(found) == NEURONS
    for neuron, one in found.items():
        assert one["explanation"] == record_of(finished, neuron)["explanation"]
        for stored, again in zip(one["stored"], one["again"], strict=True):
            assert (
                stored == pytest.approx(again, abs=1e-9) if stored is not None else not math.isfinite(again)
            )
    assert all(one["sequences"] for one in found.values())
    assert any(score is not None for one in found.values() for score in one["stored"])


@pytest.fixture
def server(exported: Path) -> Iterator[str]:
    with served(exported / "neuronpedia") as address:
        yield address


def test_the_neuronpedia_client_reads_and_uploads(exported: Path, foreign: Any, server: str) -> None:
    (path,) = (exported / "neuronpedia" / "upload").rglob("0-n2g/batch-00000.json")
    ours = json.loads(path.read_text())
    found = foreign("neuronpedia", server, *(f"{ours['modelId']}/0-n2g/{index}" for index in (0, 1)))
    for read, feature in zip(found["read"], ours["features"], strict=True):
        assert (read["source"], read["index"]) == ("0-n2g", feature["index"])
        assert read["density"] == feature["density"]
        assert [one["text"] for one in read["explanations"]] == [
            one["text"] for one in feature["explanations"]
        ]
        assert [one["values"] for one in read["activations"]] == [
            one["values"] for one in feature["activations"]
        ]
    sent = found["sent"]  # the client reads no logits
    assert (sent["modelId"], sent["source"]) == (ours["modelId"], "0-n2g")
    for theirs, feature in zip(sent["features"], ours["features"], strict=True):
        kept = {name: feature[name] for name in ("index", "density", "activations", "explanations")}
        assert {name: theirs[name] for name in kept} == kept
