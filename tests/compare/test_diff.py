"""What changed between two runs: in records, on its page, and through the workflow."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import fake_records
import pytest
import yaml
from test_similar_table import graph
from tiny_run import ROOT, RUN, planned, snakemake

from n2g.compare.diff import changes, diff, diff_columns
from n2g.files.contracts import CONTRACTS
from n2g.files.tables import read_table, write_table
from n2g.ids import NeuronId
from n2g.queries.cli import main
from n2g.results.stored_records import StoredRecords
from n2g.site.build import build
from n2g.site.changes import LISTED, NAMED, SHOWN, summarise
from n2g.site.inputs import SiteInputs


class Run:
    """Records in memory: neuron -> (graph, text of each token id)."""

    def __init__(self, **neurons: tuple[dict, dict[int, str]]):
        self.neurons = {NeuronId.parse(f"L0.{name}"): given for name, given in neurons.items()}

    def names(self) -> list[NeuronId]:
        return sorted(self.neurons)

    def record(self, neuron: NeuronId) -> dict[str, Any]:
        known, words = self.neurons[neuron]
        vocabulary = {str(token): text for token, text in words.items()}
        return {"status": "ok", "graph": known, "vocabulary": vocabulary, "metrics": {}}


def test_patterns_of_other_tokenizers_compare_by_their_texts() -> None:
    old = Run(N0=(graph((2.0, 1), (1.0, 2, 3)), {1: " bank", 2: "b", 3: "c"}))
    new = Run(N0=(graph((4.0, 7), (3.6, 9), (2.0, 8, 5)), {7: " bank", 8: "b", 5: "c", 9: " bank"}))
    assert diff(old, new) == {"neurons": [], "same": 1, "only": [[], []]}
    (found,) = changes(
        old, Run(N0=(graph((2.0, 7), (2.0, 8, 5), (1.0, 6)), {7: " bank", 8: "b", 5: "c", 6: "d"}))
    )
    assert (found["added"], found["removed"]) == ({"d": 0.5}, {})
    assert found["reweighted"] == {"c b": [0.5, 1.0]}


def test_neurons_of_one_run_alone_are_named() -> None:
    one = (graph((2.0, 1)), {1: "a"})
    assert diff(Run(N0=one, N1=one), Run(N1=one, N2=one)) == {
        "neurons": [],
        "same": 1,
        "only": [["L0.N0"], ["L0.N2"]],
    }


@pytest.fixture
def changed(finished: Path, tmp_path: Path) -> Path:
    """A copy of the run: a neuron is gone, another has fewer patterns and another score."""
    other = shutil.copytree(finished / RUN, tmp_path / "other")
    (other / "1" / "00000-00001" / "render" / "L1.N1.json").unlink()
    path = other / "0" / "00000-00001" / "render" / "L0.N1.json"
    record = json.loads(path.read_text())
    record["metrics"]["top"]["graph"]["f1"] = 0.125
    record["graph"]["nodes"] = record["graph"]["nodes"][:1]
    path.write_text(json.dumps(record))
    return other


def test_diff_tells_what_was_changed(finished: Path, changed: Path, capsys: pytest.CaptureFixture) -> None:
    run = finished / RUN
    assert diff(StoredRecords(run), StoredRecords(run)) == {"neurons": [], "same": 4, "only": [[], []]}
    found = diff(StoredRecords(run), StoredRecords(changed))
    assert (found["same"], found["only"]) == (2, [["L1.N1"], []])
    (one,) = found["neurons"]
    assert (one["neuron"], one["added"], one["reweighted"]) == ("L0.N1", {}, {})
    assert one["removed"]
    assert one["metrics"]["top"]["f1"][1] == 0.125
    main(["--json", "diff", str(run), str(changed)])
    assert json.loads(capsys.readouterr().out) == found
    main(["--limit", "0", "diff", str(run), str(changed)])
    lines = capsys.readouterr().out.splitlines()
    rows = diff_columns(changes(StoredRecords(run), StoredRecords(changed)))
    assert len(lines) == 2 + len(rows["kind"])
    assert lines[-2:] == ["L1.N1   only before", "2 neurons are unchanged"]


def test_the_workflow_compares_and_the_site_shows_it(copied: Path, changed: Path) -> None:
    shutil.move(changed, copied / "results" / "old")
    config = yaml.safe_load((copied / "config.yaml").read_text()) | {"against": "old"}
    (copied / "config.yaml").write_text(yaml.safe_dump(config))
    status, said = snakemake(copied, "--quiet", "reason")
    assert status == 0, said
    assert planned(said) == {"diff": 1, "atlas": 1, "manifest": 1}
    table = read_table(copied / RUN / "diff.parquet", "diff")
    assert set(table["kind"].to_pylist()) == {"added", "score", "only now"}
    page = (copied / RUN / "atlas" / "changes" / "index.html").read_text()
    assert "The runs have 3 neurons in common: 2 unchanged, 1 changed." in page
    assert (copied / RUN / "atlas/data/tables/diff.parquet").read_bytes() == (
        copied / RUN / "diff.parquet"
    ).read_bytes()
    (copied / "results" / "old" / "manifest.json").unlink()
    status, said = snakemake(copied, "--dry-run")
    assert status and "against: results/old is not a finished run" in said and "Traceback" not in said


def test_the_page_of_many_changes_stays_small(tmp_path: Path) -> None:
    count, per = 2 * LISTED + 50, 40
    columns: dict[str, list] = {name: [] for name in CONTRACTS["diff"].columns}
    for neuron in range(count):
        for at in range(per):
            row = (0, neuron, "positive", "added", f"{'<&>' * 60} {at}", 0.0, (at + neuron / 1000) / per / 2)
            for name, value in zip(columns, row, strict=True):
                columns[name].append(value)
    for neuron in range(count, count + NAMED + 5):
        for name, value in zip(columns, (0, neuron, "positive", "only before", "", 0.0, 0.0), strict=True):
            columns[name].append(value)
    write_table(tmp_path / "diff.parquet", "diff", columns)
    found = summarise(tmp_path / "diff.parquet", [f"L0.N{neuron}" for neuron in range(count)])
    assert [one["id"] for one in found["neurons"]] == [f"L0.N{count - 1 - at}" for at in range(LISTED)]
    assert all(len(one["patterns"]["added"]) == SHOWN for one in found["neurons"])
    assert found["kinds"]["added"] == [count * per, count]
    assert (found["only"]["only before"]["total"], found["both"]) == (NAMED + 5, count)

    renders = fake_records.write(tmp_path)
    (tmp_path / "docs").mkdir()
    expected = tuple(f"L0.N{neuron}" for neuron in range(4))
    config = fake_records.CONFIG | {"against": "old"}
    atlas = SiteInputs(config, fake_records.summary(), expected, None, (), (tmp_path / "diff.parquet",))
    build(atlas, renders, ROOT / "site", tmp_path / "docs", tmp_path / "atlas")
    size = (tmp_path / "atlas" / "changes" / "index.html").stat().st_size
    assert size < 200_000
