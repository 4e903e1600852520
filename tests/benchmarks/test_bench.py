"""`make bench`: what it counts, and a whole run of it on a small model. No test looks at how long anything takes."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tiny
import torch

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import machine  # noqa: E402
import measure  # noqa: E402
import meter  # noqa: E402
import notes  # noqa: E402
import published  # noqa: E402
import report  # noqa: E402
import workload  # noqa: E402

from n2g.ids import Block  # noqa: E402
from n2g.method.prune import Example  # noqa: E402
from n2g.model.checkpoint import boot, checkpoint_key  # noqa: E402
from n2g.model.conversion import convert  # noqa: E402
from n2g.model.engine import Engine  # noqa: E402
from n2g.model.prompts import Prompt  # noqa: E402
from n2g.workflow.config import load_config  # noqa: E402


def bench(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "benchmarks" / "bench.py"), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    convert(sorted(tiny.save_llama(folder / "llama").iterdir()), folder / "checkpoint")
    return folder / "checkpoint"


@pytest.fixture(scope="module")
def measuring(checkpoint: Path) -> meter.Meter:
    bare = meter.BareModel(checkpoint, "cpu", "float32")
    return meter.Meter(boot(checkpoint), bare=bare)


@pytest.mark.parametrize("shared", [False, True])
def test_the_meter_answers_as_the_engine_and_counts_every_pass(
    checkpoint: Path, measuring: meter.Meter, shared: bool
) -> None:
    prompts = [Prompt((0, 5, 6), (7, 8, last)) for last in range(9, 40)] + [Prompt((0, 6, 5), (7,))]
    neurons = [index % 24 for index in range(len(prompts))]
    measuring.reset()
    answers = measuring.ask(1, prompts, neurons, shared=shared)
    assert np.array_equal(answers, Engine(boot(checkpoint)).ask(1, prompts, neurons, shared=shared))
    assert sum(one.tokens for one in measuring.passes) == measuring.tokens
    assert all(one.engine > 0 and one.bare > 0 for one in measuring.passes)
    assert measuring.prompts == len(prompts)
    assert measuring.prompt_tokens == 31 * 6 + 4


def test_sweeps_and_whole_texts_are_counted_once(measuring: meter.Meter) -> None:
    measuring.reset()
    swept = [
        prompt for chunk, _ in measuring.sweep({0: [1], 2: [3]}, [Prompt((0, 1), (5,))]) for prompt in chunk
    ]
    assert swept == [Prompt((0, 1), (5,))]
    before = measuring.tokens
    assert measuring.prompt_tokens == 3
    measuring.read(torch.ones((8, 4), dtype=torch.long), [0, 2])
    assert measuring.tokens == before + 32 == sum(one.tokens for one in measuring.passes)


@pytest.mark.parametrize("save", [tiny.save_llama, tiny.save_gpt2])
def test_the_bare_model_stops_behind_the_layer(tmp_path: Path, save: Callable[[Path], Path]) -> None:
    bare = meter.BareModel(save(tmp_path), "cpu", "float32")
    ran: list[int] = []
    for at, layer in enumerate(bare.layers):
        layer.register_forward_hook(lambda *_, at=at: ran.append(at))
    for last in (0, 1):
        bare.seconds(8, 4, last)
    assert ran == [0, 0, 1]


def test_the_ratio_is_of_sums_over_parts() -> None:
    passes = [meter.Pass(10, 2.0, 1.0)] * 3 + [meter.Pass(10, 1.0, 1.0)] * 2
    assert meter.ratio(passes) == meter.Ratio(0.5, 0.5, 1.0)
    assert meter.ratio(passes, parts=1) == meter.Ratio(5 / 8, 5 / 8, 5 / 8)
    assert meter.ratio([meter.Pass(10, 2.0, 0.0)]) is None


class Letters:
    """A model that fires on token 3 right after token 2, and tells what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def run_with_cache(self, tokens: torch.Tensor) -> tuple[None, dict[str, torch.Tensor]]:
        (row,) = tokens.tolist()
        self.asked.append(row)
        values = torch.zeros(1, len(row), 2)
        values[0, -1, 1] = float(row[-2:] == [2, 3])
        return None, {"hook": values}


def test_the_published_procedure_asks_one_prompt_at_a_time() -> None:
    model = Letters()
    proposer = SimpleNamespace(propose_many=lambda places, count: [[10, 11, 12, 13, 14][:count]])
    neuron = published.Published(model, "hook", 1, (0,), "cpu")
    neuron.example(Example((9, 9, 9, 9, 9, 9, 9, 2, 3, 7), 8, 1.0), proposer)
    ending = [9, 9, 9, 2, 3]
    masked = [[1 if at == place else token for at, token in enumerate(ending)] for place in range(5)]
    tried = [[9, 9, 9, token, 3] for token in range(10, 15)], [[9, 9, 9, 2, token] for token in range(10, 15)]
    texts = [[9] * 7 + [2, 3], ending, *masked[:4], *tried[0], masked[4], *tried[1]]
    assert model.asked == [[0, *text] for text in texts]
    assert neuron.prompts == len(texts)


def note(run: Path, name: str, seconds: float, memory: str, end: float) -> None:
    """A benchmark file as Snakemake writes it."""
    file = run / "benchmarks" / f"{name}.tsv"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0:00:00\t{memory}\n")
    os.utime(file, (end, end))


def test_what_snakemake_noted(tmp_path: Path) -> None:
    run = SimpleNamespace(root=tmp_path, selected=[(3, Block(0, 31))])
    note(tmp_path, "corpus", 2.0, "100.5", 12.0)
    note(tmp_path, "prune/3/00000-00031", 4.0, "-", 16.25)
    note(tmp_path, "prune/3/00007-00007", 9.0, "1", 99.0)  # a single neuron, recomputed
    found = notes.jobs(run)
    assert found == [
        notes.Job("corpus", None, 2.0, 100.5, 12.0),
        notes.Job("prune", 3, 4.0, None, 16.25),
    ]
    assert notes.course(found) == notes.Course(6.0, 0.25)
    assert notes.course(found[:1]) is None


def test_all_blocks_of_a_layer_count(
    tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten neurons in blocks of 8 and 2: pieces of the larger one are measured, time and neurons are of both."""
    monkeypatch.chdir(tmp_path)
    config = (ROOT / "config.yaml").read_text()
    for key, value in {"layers": "0-1", "neurons": "0-9", "block_size": "8"}.items():
        config = re.sub(rf"^{key}: \S+", f"{key}: {value}", config, flags=re.MULTILINE)
    Path("config.yaml").write_text(config)
    home = Path("resources/checkpoints") / checkpoint_key(load_config(Path("config.yaml"))["model"])
    shutil.copytree(checkpoint, home)
    root = Path("results/smollm2")
    root.mkdir(parents=True)
    (root / "summary.json").write_text("{}")
    note(root, "sweep", 50.0, "-", 50.0)
    for at, name in enumerate(("0/00000-00007", "0/00008-00009", "1/00000-00007", "1/00008-00009")):
        note(root, f"prune/{name}", 10.0, "7", 60.0 + 10 * at)

    run = workload.Run.open(Path("config.yaml"))
    assert run.blocks == {layer: root / str(layer) / "00000-00007" for layer in (0, 1)}
    text = "\n".join(report.noted(run, notes.jobs(run)))
    assert "the atlas of these 20 neurons" in text
    assert "| sweep | 1 | 50 | 2.50 | – |" in text
    assert "| prune | 4 | 40 | 2.00 | 7 |" in text
    assert "| total | 5 | 90 | 4.50 | 7 |" in text
    # Starts of 5 s: 5 in this run's 90 s; 4 in a layer, beside 45 s of the sweep's work and 1 s for each of 24 neurons.
    cost = notes.Overhead(0.0, {"prune": 5.0, "sweep": 5.0})
    text = "\n".join(report.overhead(run, notes.jobs(run), cost))
    assert "Snakemake and start-up took 27.8 % of the wall time of this run." in text
    assert (
        "(24 neurons in 3 blocks, each neuron as costly as these 20 on average) it would be **22.5 %**"
        in text
    )


def test_what_a_gpu_holds_is_without_the_bare_model(
    checkpoint: Path, measuring: meter.Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = iter([9_999, 7_000, 9_999, 5_000])  # before; until the pass; of the bare model's pass; after it
    monkeypatch.setattr(meter, "peak", lambda device: measuring.bare.memory + next(held))
    measuring.reset()
    measuring.read(torch.ones((8, 4), dtype=torch.long), [0])
    measuring.note_memory()
    assert measuring.memory == 7_000
    weights = measuring.bare.decoder.parameters()
    assert measuring.bare.memory >= 4 * sum(one.numel() for one in weights) > 0


def test_the_report_tells_of_the_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text('#!/bin/sh\n[ "$1" = --id=GPU-12-34 ] && echo 40\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid="12-34"))
    with machine.utilisation("cuda:0", every=0.01) as busy:
        for _ in range(1000):
            if len(busy) > 1:
                break
            time.sleep(0.01)
    assert set(busy) == {40}
    with machine.utilisation("cpu", every=0.0) as busy:
        pass
    assert busy == []

    def taken(stage: str, memory: int) -> workload.Measured:
        return workload.Measured(stage, 0, 8, 1.0, 1.0, 0.0, 1, 1, 1, None, memory)

    grown = [measure.Growth(2, 10.0, taken("prune", 2**22)), measure.Growth(8, 40.4, taken("prune", 2**21))]
    assert report.gpu([taken("sweep", 2**30), taken("prune", 2**20)], grown) == {
        "GPU memory": "peak tensor memory: sweep 1,024 MiB, prune 4 MiB",
        "GPU utilisation": "40 %, reported by nvidia-smi during prune, saliency, augment of 8 neurons",
    }
    unknown = [measure.Growth(8, None, taken("prune", 2**21))]
    assert report.gpu([], unknown)["GPU utilisation"] == "not measured: nvidia-smi does not report it"
    without = [measure.Growth(8, None, taken("prune", 0))]
    assert set(report.gpu([], without).values()) == {"not measured: no GPU"}


def test_how_jobs_followed_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes.os, "sched_getaffinity", lambda _: {0, 1})
    times = [
        (0.0, 4.0),
        (0.0, 6.0),
        (4.5, 8.0),
        (6.5, 7.0),
        (100.0, 101.0),
    ]  # start, end; the last after a pause
    found = [notes.Job("graph", 0, end - start, None, end) for start, end in times]
    assert notes.course(found) == notes.Course(9.0, 0.5)
    copied = [notes.Job("graph", 0, 3.0, None, 9.0) for _ in range(5)]
    assert notes.course(copied) is None


def test_evenly_chosen() -> None:
    assert workload.spread(range(32), 8) == [0, 4, 8, 12, 16, 20, 24, 28]
    assert workload.spread([5, 6], 8) == [5, 6]
    assert len(workload.spread(range(31), 8)) == 8


def test_without_a_finished_run_it_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text((ROOT / "config.yaml").read_text())
    done = bench(tmp_path, "--output", "report.md")
    assert done.returncode == 1
    assert done.stderr == "There is no finished run in results/smollm2 to measure: run `make atlas` first.\n"
    assert not (tmp_path / "report.md").exists()


@pytest.mark.slow
def test_the_whole_benchmark_on_a_small_run(finished: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in (finished / "results").rglob("*") if path.is_file()}
    done = bench(finished, "--quick", "--output", str(tmp_path / "report.md"))
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "report.md").read_text()
    assert re.findall(r"^## (.*)", text, re.MULTILINE) == [
        "Seconds and model tokens per neuron",
        "The engine against the bare model",
        "Against the published procedure",
        "Larger blocks",
        "Time and peak memory of the run itself",
        "Snakemake and start-up",
        "The site",
    ]
    assert re.search(r"^Over all passes the ratio is \*\*\d+\.\d\d\*\*; ", text, re.MULTILINE)
    for stage in ("prune", "saliency", "augment"):
        assert len(re.findall(rf"^\| {stage} \| [01] \| [\d,]+ \| [\d,]+ \| ", text, re.MULTILINE)) == 2
    assert "nan" not in text
    for private in filter(None, (str(finished), str(tmp_path), str(ROOT), platform.node())):
        assert private not in text
    assert before == {path: path.read_bytes() for path in (finished / "results").rglob("*") if path.is_file()}


@pytest.mark.slow
def test_whole_layers_travel_in_pieces_to_another_machine(finished: Path, tmp_path: Path) -> None:
    """The CPU stands in for the GPU, so that everything agrees."""
    program = [sys.executable, str(ROOT / "benchmarks" / "gpu.py")]
    shipment = tmp_path / "shipment"
    packed = subprocess.run(
        [*program, "pack", shipment], cwd=finished, capture_output=True, text=True, check=False
    )
    assert packed.returncode == 0, packed.stderr
    options = ["--layers", "0,1", "--device", "cpu", "--block-size", "16", "--output", tmp_path / "gpu.md"]
    done = subprocess.run(
        [*program, "run", shipment, *options], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "gpu.md").read_text()
    assert len(re.findall(r"^\| (?:prune|saliency|augment) \| [01] \| \d+ \| ", text, re.MULTILINE)) >= 6
    assert "largest relative difference | 0 |" in text
    assert set(re.findall(r"fraction of equal rows \| (\S+) \|", text)) == {"1"}

    (shipment / "piece-00").write_bytes(b"other")
    done = subprocess.run(
        [*program, "run", shipment, *options], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stderr == f"The pieces in {shipment} are damaged: copy them anew.\n"
