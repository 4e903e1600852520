"""Explanations in words from the endpoint to the page, and an endpoint that dies midway."""

from __future__ import annotations

import html
import json
from pathlib import Path

import fake_records
import planted
import pytest
import yaml
from loopback import Answer, completion, reader, serving
from test_explain import RULES, explained
from tiny_run import ROOT, RUN, snakemake
from tiny_stages import stage

from n2g.errors import InputError
from n2g.explain.cache import Kept
from n2g.explain.endpoint import Endpoint
from n2g.files.tables import read_table
from n2g.site.build import build
from n2g.site.inputs import SiteInputs
from n2g.site.wording import page_path

KEY = "sk-very-secret"


def answering(body: dict) -> Answer:
    return completion(reader(body))


def test_a_server_that_dies_midway_is_asked_for_the_rest_only(tmp_path: Path) -> None:
    documents = planted.random_corpus()
    with serving(answering) as server:
        whole = explained(documents, Kept(Endpoint(server.url, "m"), tmp_path / "whole"))
        questions = len(server.bodies)
    left = iter(range(questions // 2))
    with serving(lambda body: None if next(left, None) is None else answering(body)) as server:
        endpoint = Endpoint(server.url, "m", retries=0)
        with pytest.raises(InputError, match="its answers so far are kept"):
            explained(documents, Kept(endpoint, tmp_path / "broken"), concurrency=2)
    with serving(answering) as server:
        rest = Kept(Endpoint(server.url, "m"), tmp_path / "broken")
        assert explained(documents, rest, RULES) == whole
        assert len(server.bodies) == questions - questions // 2


@pytest.mark.slow
def test_the_workflow_explains_and_the_site_shows_it(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path: path.read_bytes() for path in (copied / RUN / "0").rglob("L0.N0.json")}
    monkeypatch.setenv("TINY_KEY", KEY)
    with serving(answering) as server:
        config = yaml.safe_load((copied / "config.yaml").read_text()) | {"layers": 0}
        config["explain"] = {
            "base_url": server.url,
            "model": "tiny-chat",
            "key": "TINY_KEY",
            "input_price": 1,
        }
        (copied / "config.yaml").write_text(yaml.safe_dump(config))
        status, said = snakemake(copied)
        assert status == 0, said
        asked = len(server.bodies)
        assert asked and {one["authorization"] for one in server.headers} == {f"Bearer {KEY}"}

        block = copied / RUN / "0" / "00000-00001"
        table = block / "explanations.parquet"
        rows = read_table(table, "explanations").to_pylist()
        assert [(row["neuron"], row["explainer"]) for row in rows] == [
            (neuron, explainer) for neuron in (0, 1) for explainer in ("graph", "model")
        ]
        for row in rows[1::2]:
            assert (row["status"], row["model"], row["simulator"]) == ("ok", "tiny-chat", "tiny-chat")
            assert row["rated"] > 0.9 and row["cost"] == pytest.approx(row["prompt_tokens"] / 1e6)
            question = copied / "resources" / "answers" / row["prompt"][:2] / f"{row['prompt']}.json"
            assert row["label"] in json.loads(question.read_text())["reply"]["text"]

        (checkpoint,) = copied.glob("resources/checkpoints/*/checkpoint.json")
        places = ("--corpus", copied / RUN / "corpus", "--block", block, "--layer", 0)
        section = {**config["explain"], "concurrency": 1}
        again = ("--explain", json.dumps(section), "--answers", copied / "resources" / "answers")
        written = table.read_bytes()
        stage("explain", "--checkpoint", checkpoint, "--device", "cpu", *places, *again, "--output", table)
        assert (table.read_bytes(), len(server.bodies)) == (written, asked), "a rerun asks nothing"

    for path in copied.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), f"{path} holds the key"
    record = json.loads((block / "render" / "L0.N0.json").read_text())
    shown = record.pop("explanations")
    (old,) = before.values()
    assert {**json.loads(old), "digest": ""} == {**record, "digest": ""}, "nothing else changes"
    assert set(shown) == {"graph", "model"}
    page = copied / RUN / "atlas" / page_path("L0.N0")
    assert shown["model"]["label"] in html.unescape(page.read_text())


def test_pages_escape_labels_and_layers_say_who_explains_more(tmp_path: Path) -> None:
    hostile = "<script>window.hacked=1</script> {{ 7 * 7 }}"
    names = ("sequences", "rsquared", "absolute_dev_explained", "ev_correlation_top", "ev_correlation_random")
    scored = dict.fromkeys(names, 0.5) | {"status": "ok", "prompt": "0" * 64, "revised": True, "cost": 0.25}
    both = {
        "graph": scored | {"label": "“bank”", "model": "", "simulator": "", "ev_correlation": 0.75},
        "model": scored | {"label": hostile, "model": hostile, "simulator": "m", "ev_correlation": 0.25},
    }
    for one in both.values():
        one |= {"prompt_tokens": 1200, "completion_tokens": 34}
    renders = fake_records.write(tmp_path)
    (file,) = (path for folder in renders for path in folder.glob("L0.N0.json"))
    file.write_text(json.dumps({**json.loads(file.read_text()), "explanations": both}))
    (tmp_path / "docs").mkdir()
    expected = tuple(f"L0.N{neuron}" for neuron in range(4))
    atlas = SiteInputs(fake_records.CONFIG, fake_records.summary(), expected, None)
    build(atlas, renders, ROOT / "site", tmp_path / "docs", tmp_path / "atlas")
    text = (tmp_path / "atlas" / page_path("L0.N0")).read_text()
    assert hostile not in text and html.escape(hostile) in text and "1234 tokens" in text
    layer = (tmp_path / "atlas" / "layers" / "L0" / "index.html").read_text()
    assert "The graph scores higher for 1 of them, the language model for 0." in layer
    assert "Two explanations" not in (tmp_path / "atlas" / page_path("L0.N1")).read_text()
