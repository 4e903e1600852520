"""Parts of a run, paths, and how jobs share the cores: what rules/common.smk takes from the library."""

from __future__ import annotations

import json
from itertools import chain

import pytest

from n2g.errors import ConfigError
from n2g.ids import Block, NeuronId
from n2g.workflow import job_environment
from n2g.workflow.cores import Cores
from n2g.workflow.params import command_options, explains, settings_given
from n2g.workflow.passes import AnyBlock, Part, parts_of, scratch_parts, share_out
from n2g.workflow.selection import named_neuron, require_blocks

BLOCKS = [(0, Block(0, 3)), (0, Block(4, 5)), (2, Block(0, 3))]


def test_shares_are_whole_layers_in_order() -> None:
    blocks = [(layer, Block(first, first + 1)) for layer in (0, 2, 3, 4, 9) for first in (0, 2)]
    for passes in range(1, 8):
        shares = share_out(blocks, passes)
        assert list(chain(*shares)) == blocks
        layers = [sorted({layer for layer, _ in share}) for share in shares]
        assert len(layers) == min(passes, 5)
        assert len(set(chain(*layers))) == sum(map(len, layers)), "no layer is in two shares"
        assert max(map(len, layers)) - min(map(len, layers)) <= 1
    assert share_out([], 3) == []


def test_one_part_has_the_plain_name_and_several_are_numbered() -> None:
    (whole,) = parts_of("tiny", BLOCKS)
    assert whole.blocks == BLOCKS
    assert whole.rule("sweep") == "sweep"
    assert whole.log("sweep") == "results/tiny/logs/sweep.log"
    assert whole.benchmark("sweep") == "results/tiny/benchmarks/sweep.tsv"
    first, second = parts_of("tiny", BLOCKS, passes=3, threads=2)
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


@pytest.mark.parametrize(
    ("cores", "threads", "share", "large_share"),
    [
        (Cores(8, 1, 1), 8, "", ""),
        (Cores(8, 4, 2), 4, "2", "4"),
        (Cores(8, 2, 8), 4, "4", "4"),
        (Cores(2, 8, 8), 1, "1", "1"),
        (Cores(None, 8, 2), 4, "", ""),
    ],
)
def test_jobs_share_the_cores(cores: Cores, threads: int, share: str, large_share: str) -> None:
    assert cores.of_pass == threads
    given = job_environment.variables(None, cores.available, cores.side_by_side, cores.passes_at_once)
    assert (given[job_environment.THREADS], given[job_environment.ALL_THREADS]) == (share, large_share)
    own = job_environment.variables(3, cores.available, cores.side_by_side, cores.passes_at_once)
    assert (own[job_environment.THREADS], own[job_environment.ALL_THREADS]) == ("3", "3")


def test_a_job_about_many_neurons_takes_all_cores() -> None:
    assert Cores(6, 2, 1).for_neurons(192) == 1
    assert Cores(6, 2, 1).for_neurons(18_432) == 6


def test_params_hold_what_a_rule_names_and_no_more() -> None:
    config = {
        "seed": 0,
        "method": "atlas",
        "corpus": {"text": "a b", "bos": None},
        "settings": {"keep": 0.6, "gaps": [1]},
    }
    assert command_options(config, text_field="corpus.text", bos="corpus.bos", seed="seed") == (
        "--text-field 'a b' --seed 0"
    )
    assert json.loads(settings_given(config, "keep", "alone")) == {"method": "atlas", "seed": 0, "keep": 0.6}
    assert explains({"explain": {"model": None, "local": "folder"}})
    assert not explains({"explain": {"model": None, "local": None}})


def test_targets_that_nothing_is_selected_for() -> None:
    with pytest.raises(ConfigError, match=r"^layers: 'all' can only be resolved"):
        require_blocks([])
    with pytest.raises(ConfigError, match=r"^neuron: is not set"):
        named_neuron({"neuron": None})
    assert named_neuron({"neuron": "L3.N42"}) == NeuronId(3, 42)
