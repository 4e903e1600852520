"""`snakemake rewrite`: the layers that it is asked for, kept up to date, and shown by the next atlas."""

from __future__ import annotations

from math import isfinite
from pathlib import Path

import pytest
from tiny_run import RUN, contents, planned, snakemake
from tiny_stages import stage

from n2g.errors import ConfigError
from n2g.files.tables import read_table
from n2g.ids import Block
from n2g.workflow.rewrite_targets import layers_asked

TABLES = ("rewrite.parquet", "rewrite_neurons.parquet")


def test_a_layer_is_rewritten_on_demand_and_shown_in_the_next_atlas(copied: Path) -> None:
    before = contents(copied / RUN / "1" / "00000-00001")
    status, said = snakemake(copied, "rewrite", "--config", "layer=1", "rewrite_tokens=300")
    assert status == 0, said
    assert "Rewriting layer 1 by its graphs" in said
    tables = {name: (copied / RUN / "1" / name).read_bytes() for name in TABLES}
    assert not (copied / RUN / "0" / "rewrite.parquet").exists()
    assert contents(copied / RUN / "1" / "00000-00001") == before

    rows = {
        row["condition"]: row for row in read_table(copied / RUN / "1" / TABLES[0], "rewrite").to_pylist()
    }
    assert list(rows)[:3] == ["model", "zero", "mean"] and len(rows) == 9
    assert all(
        isfinite(row["loss"]) and row["loss_low"] <= row["loss"] <= row["loss_high"] for row in rows.values()
    )
    assert (rows["graph"]["neurons"], rows["graph"]["poles"]) == (2, 1)
    kept = read_table(copied / RUN / "1" / TABLES[1], "rewrite_neurons").to_pylist()
    assert [row["neuron"] for row in kept] == [0, 1]
    assert all(row["mean_effect"] > 0 and row["kept"] <= 1 for row in kept)

    (checkpoint,) = copied.glob("resources/checkpoints/*/checkpoint.json")
    where = ("--run", copied / RUN, "--corpus", copied / RUN / "corpus", "--output", copied / "again")
    settings = ("--settings", '{"method": "atlas", "seed": 0, "prefix_length": 4}')
    again = ("--blocks", "1/00000-00001", "--tokens", 300, "--device", "cpu", "--threads", 1)
    stage("rewrite", "--checkpoint", checkpoint, *where, *settings, *again)
    assert {name: (copied / "again" / name).read_bytes() for name in TABLES} == tables

    given = ("--config", "rewrite_tokens=300")
    status, said = snakemake(copied, "--dry-run", *given)
    assert status == 0, said
    assert set(planned(said)) == {"atlas", "manifest"}
    status, said = snakemake(copied, *given)
    assert status == 0, said
    assert "Layer 1" in (copied / RUN / "atlas" / "rewrite" / "index.html").read_text()
    status, said = snakemake(copied, "rewrite", "--dry-run", "--config", "layer=0-1", "rewrite_tokens=200")
    assert planned(said)["rewrite_layer"] == 2
    status, said = snakemake(copied, "--dry-run", "--config", "rewrite_tokens=300", "layers=0")
    assert "rewrite_layer" not in planned(said)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("run=tiny", "layer: is not set: name one or more layers, as in --config layer=3."),
        ("layer=7", "layer: 7 is not among the selected layers: add it to layers."),
        ("layer=x", "layer: 'x' is not a selection: write numbers and ranges such as 0-31,100, or all."),
    ],
)
def test_what_cannot_be_rewritten_is_said_in_a_sentence(finished: Path, given: str, sentence: str) -> None:
    status, said = snakemake(finished, "rewrite", "--dry-run", "--nolock", "--config", given)
    assert status != 0
    assert sentence in said
    assert "Traceback" not in said


def test_layers_that_are_asked_for() -> None:
    blocks = [(layer, Block(0, 3)) for layer in (0, 3, 5)]
    assert layers_asked({"units": "neurons", "layer": "0,5"}, blocks) == [0, 5]
    assert layers_asked({"units": "neurons", "layer": 3}, blocks) == [3]
    assert layers_asked({"units": "neurons", "layer": "all"}, blocks) == [0, 3, 5]
    with pytest.raises(ConfigError, match="1 is not among"):
        layers_asked({"units": "neurons", "layer": "0-3"}, blocks)
