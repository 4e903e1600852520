"""Runs of any size: passes over the texts shared out among jobs, and the plan of every neuron of a large model."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from tiny_run import JOB, RUN, checkout, contents, snakemake

from n2g.ids import Block, name_blocks, parse_blocks
from n2g.model.checkpoint import DESCRIPTION, checkpoint_key
from n2g.workflow.config import complete_config

LAYERS, NEURONS = 32, 14_336  # of Llama with 8 billion parameters
COMMAND = 131_072  # bytes that Linux takes for one argument, such as the command of `sh -c`


def test_names_of_blocks_are_read_back() -> None:
    blocks = [(0, Block(0, 3)), (0, Block(4, 5)), (1, Block(0, 3)), (3, Block(0, 3)), (4, Block(7, 7))]
    names = name_blocks(blocks)
    assert names == ["0-1,3/00000-00003", "0/00004-00005", "4/00007-00007"]
    assert parse_blocks(names) == blocks


@pytest.mark.slow
def test_parts_of_a_pass_write_the_same_bytes(copied: Path) -> None:
    """Each part is a job of its own; all that is not theirs is left alone."""
    before = contents(copied / RUN)
    parts = [f"{rule}_{part}" for rule in ("activations", "sweep") for part in (1, 2)]
    again = ("--forcerun", *parts, "--until", *parts, "--config", "passes=2", "--cores", "2")
    status, said = snakemake(copied, *again, "--resources", "gpu=2")
    assert status == 0, said
    assert dict(JOB.findall(said)) == dict.fromkeys([*parts, "maxima"], "1") | {"total": "5"}
    after = contents(copied / RUN)
    blocks = [name for name in after if re.match(r"\d|maxima", name)]
    assert len(blocks) > 20
    assert {name: after[name] for name in blocks} == {name: before[name] for name in blocks}


@pytest.mark.slow
def test_every_neuron_of_a_large_model_is_planned(tmp_path: Path) -> None:
    """A dry run with a stand-in for the weights."""
    folder = checkout(tmp_path)
    for name, text in {
        "model/config.json": "{}",
        "model/model.safetensors": "",
        "texts.txt": "Rain.",
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    given = {"model": {"source": str(folder / "model")}, "corpus": {"source": str(folder / "texts.txt")}}
    config = given | {"run": "large", "layers": "all", "neurons": "all", "passes": 8}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    model = {
        "format": "transformers",
        "architecture": "LlamaForCausalLM",
        "n_layers": LAYERS,
        "d_mlp": NEURONS,
    }
    model |= {
        "d_model": 4096,
        "d_vocab": 128_256,
        "n_ctx": 8192,
        "gated": True,
        "bos": 0,
        "eos": 1,
        "files": {},
    }
    path = (
        folder / "resources" / "checkpoints" / checkpoint_key(complete_config(config)["model"]) / DESCRIPTION
    )
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(model))
    status, said = snakemake(folder, "--dry-run", "--printshellcmds", "--cores", "8", "--resources", "gpu=8")
    assert status == 0, said[-2000:]
    planned = dict(JOB.findall(said.rpartition("Job stats:")[2]))
    blocks = LAYERS * NEURONS // 256
    assert {
        int(planned[rule]) for rule in ("prune", "saliency", "augment", "graph", "evaluate", "render")
    } == {blocks}
    assert {rule for rule in planned if rule.startswith("activations")} == {
        f"activations_{n}" for n in range(1, 9)
    }
    commands = [line.strip() for line in said.splitlines() if "scripts/" in line]
    assert len(commands) > 6 * blocks
    for program in ("activations", "sweep", "maxima", "logits", "summary", "similar", "atlas"):
        (longest, *_) = sorted(
            (line for line in commands if f"scripts/{program}.py" in line), key=len, reverse=True
        )
        assert "/14080-14335" in longest
    assert max(map(len, commands)) < COMMAND // 10
