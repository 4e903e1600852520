"""The whole workflow through Snakemake: the real model on a few neurons, and what a changed setting reruns."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import tiny
import yaml
from tiny_run import ROOT, RUN, checkout, contents, fetch, planned, snakemake

from n2g.files.canonical_json import dump
from n2g.settings import Settings
from n2g.workflow.config import describe_keys

NEURONS = ["L0.N0", "L0.N1", "L2.N0", "L2.N1"]

# A key of the configuration -> another value for it. With some keys others must change as well.
ONE_FILE = {"source": "model", "file": "config.json"}
ENDPOINT = {"base_url": "http://127.0.0.1:1/v1", "model": "m"}  # explains; by default nothing does
CHANGES = {
    "run": {"run": "other"},
    "against": {"against": "before"},
    "site_url": {"site_url": "https://example.org/"},
    "model.source": {"model": {"source": "moved"}},
    "model.file": {"model": ONE_FILE},
    "model.sha256": {"model": ONE_FILE | {"sha256": "0" * 64}},
    "model.loader": {"model": {"loader": "transformers"}},
    "model.hook": {"model": {"hook": "mid"}},
    "model.tokenizer": {"model": {"tokenizer": "model/tokenizer.json"}},
    "model.name": {"model": {"name": "Tiny"}},
    "model.licence": {"model": {"licence": "MIT"}},
    "model.url": {"model": {"url": "https://example.org/model"}},
    "corpus.source": {"corpus": {"source": "moved.txt"}},
    "corpus.file": {"corpus": {"source": ".", "file": "texts.txt"}},
    "corpus.sha256": {"corpus": {"sha256": "0" * 64}},
    "corpus.text": {"corpus": {"text": "body"}},
    "corpus.title": {"corpus": {"title": "name"}},
    "corpus.separator": {"corpus": {"separator": "\n"}},
    "corpus.name": {"corpus": {"name": "Animals"}},
    "corpus.licence": {"corpus": {"licence": "CC0"}},
    "corpus.url": {"corpus": {"url": "https://example.org/texts"}},
    "corpus.bos": {"corpus": {"bos": 1}},
    "corpus.max_tokens": {"corpus": {"max_tokens": 500}},
    "corpus.max_length": {"corpus": {"max_length": 16}},
    "corpus.min_length": {"corpus": {"min_length": 4}},
    "corpus.near_duplicates": {"corpus": {"near_duplicates": 0.9}},
    "units": {"units": {"source": "encoders"}},
    "units.source": {"units": {"source": "encoders"}},
    "units.file": {"units": {"source": ".", "file": "encoders"}},
    "units.sha256": {"units": {"source": "pypi:saes==1.0", "sha256": "0" * 64}},
    "units.hook": {"units": {"source": "encoders", "hook": "blocks.{layer}.mlp.hook_in"}},
    "units.model": {"units": {"source": "encoders", "model": "tiny"}},
    "layers": {"layers": "0-2"},
    "neurons": {"neurons": "0-2"},
    "poles": {"poles": ["positive", "negative"]},
    "block_size": {"block_size": 1},
    "passes": {"passes": 2},
    "device": {"device": "cpu"},
    "dtype": {"dtype": "bfloat16"},
    "threads": {"threads": 1},
    "corpus.further_tokens": {"corpus": {"further_tokens": 5}},
    "pair_tokens": {"pair_tokens": 7},
    "window_tokens": {"window_tokens": 7},
    "effect_places": {"effect_places": 7},
    "rewrite_tokens": {"rewrite_tokens": 700},
    "seed": {"seed": 1},
    "method": {"method": "paper"},
    "proposer": {"proposer": "causal"},
    "masked_lm": {"proposer": "masked-lm", "masked_lm": "masked"},
    "explain.base_url": {"explain": ENDPOINT | {"base_url": "http://127.0.0.1:2/v1"}},
    "explain.model": {"explain": ENDPOINT},
    "explain.simulator": {"explain": ENDPOINT | {"simulator": "other"}},
    "explain.local": {"explain": {"local": "chat"}},
    "explain.key": {"explain": ENDPOINT | {"key": None}},
    "explain.concurrency": {"explain": ENDPOINT | {"concurrency": 2}},
    "explain.budget": {"explain": ENDPOINT | {"budget": 9}},
    "explain.input_price": {"explain": ENDPOINT | {"input_price": 1}},
    "explain.output_price": {"explain": ENDPOINT | {"output_price": 1}},
    "dot": {"dot": "dot"},
    "neuron": {"neuron": "L0.N0"},
    "sample": {"sample": 1},
    "layer": {"layer": 0},
}
SETTINGS = {
    "firing_threshold": 0.6,
    "importance_threshold": 0.7,
    "keep": 0.6,
    "train_examples": 40,
    "top_examples": 8,
    "max_context": 6,
    "prefixes": 2,
    "prefix_length": 5,
    "gaps": [1, 3],
    "substitutes": 4,
    "candidates": 8,
    "alone": 0.4,
    "precisions": [0.2, 0.5],
    "decision_threshold": 0.5,
    "trust": 2.0,
    "max_nodes": 30,
    "top_weight": 1.0,
    "paper_share": 0.5,
}
# These say something of a run of latents alone, so that they are changed in one: in test_latents_run.py.
OF_LATENTS = {"units.name", "units.licence", "units.url"}
CHANGES |= {f"settings.{name}": {"settings": {name: value}} for name, value in SETTINGS.items()}


def documented() -> dict[str, set[str]]:
    """The table of docs/reruns.md: key -> the stages with a mark in its row."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (ROOT / "docs" / "reruns.md").read_text().splitlines()
        if line.startswith("|")
    ]
    stages = rows[0][1:]
    return {
        key: {stage for stage, mark in zip(stages, marks, strict=True) if mark}
        for keys, *marks in rows[2:]
        for key in re.findall(r"`([\w.]+)`", keys)
    }


@pytest.fixture(scope="module")
def reruns(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Key -> the stages that Snakemake would run again after a change of it, in a finished run."""
    (finished / "moved").symlink_to("model")
    tiny.save_bert(finished / "masked")
    (finished / "encoders").mkdir()
    tiny.save_llama(finished / "chat", context=20_000)
    (finished / "results" / "before").symlink_to("tiny")
    (finished / "moved.txt").symlink_to("texts.txt")
    configs = tmp_path_factory.mktemp("configs")
    base = yaml.safe_load((finished / "config.yaml").read_text())

    def plan(key: str) -> set[str]:
        config = base | {
            part: base[part] | value if isinstance(base.get(part), dict) else value
            for part, value in CHANGES[key].items()
        }
        path = configs / f"{key}.yaml"
        path.write_text(yaml.safe_dump(config))
        status, said = snakemake(finished, "--dry-run", "--nolock", "--configfile", str(path))
        assert status == 0, said
        return set(planned(said))

    return {key: plan(key) for key in CHANGES}


def test_every_key_and_setting_has_its_row() -> None:
    keys = {key for key, *_ in describe_keys() if key != "settings"}
    own = {"method", "seed", "proposer", "bos"}  # keys of their own
    keys |= {f"settings.{field.name}" for field in fields(Settings) if field.name not in own}
    assert set(documented()) == set(CHANGES) | OF_LATENTS == keys


@pytest.mark.parametrize("key", CHANGES)
def test_a_changed_setting_reruns_what_depends_on_it(key: str, reruns: dict[str, set[str]]) -> None:
    assert reruns[key] == documented()[key]


def test_nothing_changed_reruns_nothing(finished: Path) -> None:
    status, said = snakemake(finished)
    assert status == 0
    assert "Nothing to be done" in said


def test_a_smaller_selection_reruns_little_of_the_model(finished: Path) -> None:
    status, said = snakemake(finished, "--dry-run", "--nolock", "--config", "layers=0")
    assert status == 0, said
    assert set(planned(said)) == {
        "sweep",
        "windows",
        "graph",
        "evaluate",
        "effects",
        "render",
        "summary",
        "similar",
        "atlas",
        "manifest",
    }


READS = """
import json, runpy, sys
from n2g.settings import Settings

seen, fields, plain = {}, set(Settings.__dataclass_fields__), object.__getattribute__

def spy(settings, name):
    if name in fields and sys._getframe(1).f_globals["__name__"] not in ("dataclasses", "n2g.settings"):
        seen[stage].add(name)
    return plain(settings, name)

Settings.__getattribute__ = spy
checkpoint, block = sys.argv[1:]
common = ["--corpus", "results/tiny/corpus", "--settings", '{"prefix_length": 4}']
one = ["--block", block, "--layer", "1"]
model, maxima = ["--checkpoint", checkpoint], ["--maxima", f"{block}/statistics.parquet"]
for stage, options in {
    "sweep": [*model, "--blocks", "1/00000-00001", *maxima, "--output", "results/tiny"],
    "windows": [*model, "--blocks", "1/00000-00001", *maxima, "--tokens", "10000", "--output", "results/tiny"],
    **{name: [*model, *one, "--output", f"{block}/{name}.parquet"] for name in ("prune", "saliency", "augment")},
    "graph": [*one, "--output", f"{block}/graph.jsonl"],
}.items():
    seen[stage] = set()
    sys.argv = [stage, *common, *options]
    runpy.run_path(f"scripts/{stage}.py", run_name="__main__")
print(json.dumps({stage: sorted(names) for stage, names in seen.items()}))
"""


def test_rules_pass_on_the_settings_that_their_programs_read(copied: Path) -> None:
    (checkpoint,) = copied.glob("resources/checkpoints/*/checkpoint.json")
    before = contents(copied / RUN / "1")
    command = [sys.executable, "-c", READS, str(checkpoint), f"{RUN}/1/00000-00001"]
    environment = os.environ | {"PYTHONPATH": "scripts"}
    done = subprocess.run(command, cwd=copied, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for stage, names in json.loads(done.stdout.splitlines()[-1]).items():
        rule = (ROOT / "rules" / f"{stage}.smk").read_text()
        given = set(re.findall(r'"(\w+)"', re.search(r"method_settings\((.*?)\)", rule, re.DOTALL)[1]))
        assert set(names) <= given | {"method", "seed", "bos"}, stage  # these three are always given
    assert contents(copied / RUN / "1") == before, "run without Snakemake, the programs write the same"


@pytest.mark.slow
def test_one_neuron_runs_its_own_chain_and_touches_nothing_else(copied: Path) -> None:
    before = {path: path.stat() for path in (copied / RUN).rglob("*") if path.is_file()}
    status, said = snakemake(copied, "neuron", "--config", "neuron=L1.N1", "--quiet", "reason")
    assert status == 0, said
    chain = ("activations", "sweep", "windows", "prune", "saliency", "augment", "graph")
    chain += ("evaluate", "effects", "logits", "render")
    assert planned(said) == {**dict.fromkeys(chain, 1), "neuron": 1}
    for path, old in before.items():
        new = path.stat()
        assert (new.st_ino, new.st_mtime_ns) == (old.st_ino, old.st_mtime_ns), path
    alone, among = (copied / RUN / "1" / block / "render" for block in ("00001-00001", "00000-00001"))
    assert contents(alone) == {
        name: file for name, file in contents(among).items() if name.startswith("L1.N1.")
    }
    assert json.loads((alone / "L1.N1.json").read_text())["status"] == "ok"
    status, said = snakemake(copied, "neuron", "--config", "neuron=L1.N1")
    assert "Nothing to be done" in said


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which four neurons of SmolLM2 are described, on the first of the texts.

    Downloads are those of this checkout, and are made if they are not there yet. One neutral prefix instead of three
    saves most of the time.
    """
    folder = checkout(tmp_path_factory.mktemp("real"))
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    config |= {"run": "few", "layers": "0,2", "neurons": "0-1", "settings": {"prefixes": 1}}
    config["corpus"]["max_tokens"] = 12_000
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    fetch(folder)
    status, said = snakemake(folder, "--cores", "1", "--resources", "gpu=1")
    assert status == 0, said
    return folder


def test_the_real_model_has_records_of_every_neuron(real: Path) -> None:
    for neuron in NEURONS:
        (path,) = real.glob(f"results/few/*/*/render/{neuron}.json")
        record = json.loads(path.read_text())
        assert (record["id"], record["status"]) == (neuron, "ok")
        assert record["metrics"]["top"]["graph"]["f1"] > 0
        assert "<svg" in path.with_suffix(".svg").read_text()
        digest = record.pop("digest")
        assert hashlib.sha256(dump(record).encode()).hexdigest() == digest


def test_the_real_model_has_a_summary(real: Path) -> None:
    layers = json.loads((real / "results/few/summary.json").read_text())["layers"]
    assert list(layers) == ["0", "2"]
    for sets in layers.values():
        for predictor in ("graph", "token_lookup"):
            scores = sets["top"][predictor]
            assert {"precision", "recall", "f1", "nonfiring_f1", "correlation"} <= scores.keys()
            assert 0 < scores["f1"] <= 1


def test_the_real_model_has_every_page(real: Path) -> None:
    atlas = real / "results/few/atlas"
    pages = ["index.html", "layers/L0/index.html", "layers/L2/index.html"]
    pages += [f"neurons/{neuron.replace('.', '/')}/index.html" for neuron in NEURONS]
    for page in pages:
        assert (atlas / page).read_text().lstrip().startswith("<!doctype html>"), page
    assert "SmolLM2-135M-Instruct" in (atlas / "index.html").read_text()


def test_the_real_run_is_finished(real: Path) -> None:
    status, said = snakemake(real, "--cores", "1", "--resources", "gpu=1")
    assert status == 0
    assert "Nothing to be done" in said
    status, said = snakemake(real, "neuron", "--dry-run", "--config", "neuron=L3.N42")
    assert status == 0, said
    assert set(re.findall(r"results/few/(\d+/[\d-]+)/render", said)) == {"3/00042-00042"}


@pytest.mark.parametrize("what", ["model", "texts", "link"])
def test_other_files_under_the_same_name_are_noticed(copied: Path, what: str) -> None:
    """Even those that are older than the run."""
    if what == "link":
        tiny.save_gpt2(copied / "v2")
        (copied / "model").rename(copied / "v1")
        (copied / "model").symlink_to("v2")
        changed = sorted((copied / "v2").iterdir())
    elif what == "model":
        changed = [tiny.save_gpt2(copied / "other") / "model.safetensors"]
        changed[0].replace(copied / "model" / "model.safetensors")
        changed = [copied / "model" / "model.safetensors"]
    else:
        changed = [copied / "texts.txt"]
        changed[0].write_text(changed[0].read_text().replace("Rome", "Oslo"))
    for file in changed:
        os.utime(file, (1e9, 1e9))
    status, said = snakemake(copied, "--dry-run")
    assert status == 0, said
    assert planned(said)["inputs"] and "evaluate" in planned(said)
