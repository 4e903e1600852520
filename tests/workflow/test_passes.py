"""The parts of a run: in a rule, as jobs that share a pass over the texts, and in the plan of a large model."""

from __future__ import annotations

import json
import re
from itertools import chain
from pathlib import Path

import pytest
import yaml
from tiny_run import JOB, RUN, checkout, contents, snakemake

from n2g.ids import Block, NeuronId, name_blocks, parse_blocks
from n2g.model.checkpoint import DESCRIPTION, checkpoint_key
from n2g.workflow.config import complete_config
from n2g.workflow.passes import AnyBlock, Part, parts_of, scratch_parts, share_out

LAYERS, NEURONS = 32, 14_336  # of Llama with 8 billion parameters
COMMAND = 131_072  # bytes that Linux takes for one argument, such as the command of `sh -c`

BLOCKS = [(0, Block(0, 3)), (0, Block(4, 5)), (2, Block(0, 3))]


def test_names_of_blocks_are_read_back() -> None:
    blocks = [(0, Block(0, 3)), (0, Block(4, 5)), (1, Block(0, 3)), (3, Block(0, 3)), (4, Block(7, 7))]
    names = name_blocks(blocks)
    assert names == ["0-1,3/00000-00003", "0/00004-00005", "4/00007-00007"]
    assert parse_blocks(names) == blocks


def test_shares_are_whole_layers_in_order() -> None:
    blocks = [(layer, Block(first, first + 1)) for layer in (0, 2, 3, 4, 9) for first in (0, 2)]
    for passes in range(1, 6):
        shares = share_out(blocks, passes)
        assert list(chain(*shares)) == blocks
        layers = [sorted({layer for layer, _ in share}) for share in shares]
        assert len(layers) == min(passes, 5)
        assert len(set(chain(*layers))) == sum(map(len, layers)), "no layer is in two shares"
        assert max(map(len, layers)) - min(map(len, layers)) <= 1
    assert share_out([], 3) == []


def test_more_passes_than_layers_share_blocks() -> None:
    blocks = [(layer, Block(first, first + 1)) for layer in (0, 2) for first in range(0, 14, 2)]
    for passes in range(3, 20):
        shares = share_out(blocks, passes)
        assert list(chain(*shares)) == blocks
        assert len(shares) == min(passes, len(blocks))
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_one_part_has_the_plain_name_and_several_are_numbered() -> None:
    (whole,) = parts_of("tiny", BLOCKS)
    assert whole.blocks == BLOCKS
    assert whole.rule("sweep") == "sweep"
    assert whole.log("sweep") == "results/tiny/logs/sweep.log"
    assert whole.benchmark("sweep") == "results/tiny/benchmarks/sweep.tsv"
    first, second = parts_of("tiny", BLOCKS, passes=2, threads=2)
    assert (first.blocks, second.blocks) == (BLOCKS[:2], BLOCKS[2:])
    assert [part.rule("sweep") for part in (first, second)] == ["sweep_1", "sweep_2"]
    assert second.log("sweep") == "results/tiny/logs/sweep/2.log"
    assert second.benchmark("sweep") == "results/tiny/benchmarks/sweep/2.tsv"
    assert first.threads == 2
    assert parts_of("tiny", []) == []


def test_files_of_a_part_have_no_wildcards_and_those_of_any_block_do() -> None:
    part = Part("", "tiny", BLOCKS[1:])
    assert part.file("maxima.parquet") == "results/tiny/maxima.parquet"
    assert part.files("a", "b") == [
        *("results/tiny/0/00004-00005/a", "results/tiny/2/00000-00003/a"),
        *("results/tiny/0/00004-00005/b", "results/tiny/2/00000-00003/b"),
    ]
    block = AnyBlock()
    assert block.rule("sweep") == "sweep_of_block"
    assert block.file("maxima.parquet") == "results/{run}/maxima.parquet"
    assert block.files("a", "b") == ["results/{run}/{layer}/{block}/a", "results/{run}/{layer}/{block}/b"]
    assert block.log("sweep") == "results/{run}/logs/sweep/{layer}/{block}.log"
    assert block.benchmark("sweep") == "results/{run}/benchmarks/sweep/{layer}/{block}.tsv"


def test_rules_find_the_same_members_in_a_part_and_in_any_block() -> None:
    def members(kind: type) -> set[str]:
        return {name for name in dir(kind) if not name.startswith("_")}

    assert members(AnyBlock) <= members(Part) | {"threads"}
    assert members(Part) <= members(AnyBlock) | {"blocks", "name", "run"}


def test_neurons_to_reproduce_have_blocks_of_their_own() -> None:
    neurons = [NeuronId(1, 5), NeuronId(0, 3), NeuronId(1, 5, negative=True)]
    (part,) = scratch_parts("tiny/recomputed", neurons)
    assert part.rule("sweep") == "sweep_recomputed"
    assert part.files("render") == [
        f"results/tiny/recomputed/{name}/render" for name in ("0/00003-00003", "1/00005-00005")
    ]
    assert scratch_parts("tiny/recomputed", []) == []


@pytest.mark.slow
def test_parts_of_a_pass_write_the_same_bytes(copied: Path) -> None:
    """Each part is a job of its own; all that is not theirs is left alone."""
    before = contents(copied / RUN)
    parts = [f"{rule}_{part}" for rule in ("activations", "sweep", "windows") for part in (1, 2)]
    rerun = ("--forcerun", *parts, "--until", *parts, "--config", "passes=2", "--cores", "2")
    status, said = snakemake(copied, *rerun, "--resources", "gpu=2", "--quiet", "reason")
    assert status == 0, said
    assert dict(JOB.findall(said)) == dict.fromkeys([*parts, "maxima"], "1") | {"total": "7"}
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
        "hook": "blocks.{layer}.mlp.hook_post",
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
    for program in ("activations", "sweep", "windows", "maxima", "logits", "summary", "similar", "atlas"):
        (longest, *_) = sorted(
            (line for line in commands if f"scripts/{program}.py" in line), key=len, reverse=True
        )
        assert "/14080-14335" in longest
    assert max(map(len, commands)) < COMMAND // 10
