"""Which device a run takes, and how many jobs run side by side."""

from __future__ import annotations

from pathlib import Path

import pytest

from n2g.workflow import machine
from n2g.workflow.machine import find_device

OLD = "CUDA error: no kernel image is available for execution on the device"


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which NVIDIA's driver was installed at some time."""
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.parametrize(
    ("troubles", "wanted", "flags", "said"),
    [
        ([None], "auto", "--cores 16 --resources gpu=1", "one GPU"),
        ([None] * 8, "auto", "--cores 16 --resources gpu=8", "8 GPUs"),
        ([None] * 8, "cuda:3", "--cores 16 --resources gpu=1", "cuda:3"),
        ([None] * 8, "cpu", "--cores 16 --resources gpu=4", "device:"),
        (
            [None, OLD],
            "auto",
            "--cores 16 --resources gpu=1",
            f"one GPU; GPU 1 of 2 cannot be used ({OLD}): hide",
        ),
        (
            [OLD, None],
            "auto",
            "--cores 16 --resources gpu=4",
            f"the CPU, as PyTorch cannot use the GPU ({OLD}): to",
        ),
    ],
)
def test_jobs_run_side_by_side_where_cores_and_gpus_are(
    smi: None, monkeypatch: pytest.MonkeyPatch, troubles: list, wanted: str, flags: str, said: str
) -> None:
    monkeypatch.setattr(machine, "ask_pytorch", lambda: troubles)
    device = find_device(wanted)
    assert device.flags(16) == flags
    assert said in device.description


def test_pytorch_says_why_a_gpu_cannot_be_used(smi: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Really asked, on any machine: where a variable hides the GPUs, there is none for PyTorch."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    device = find_device("auto")
    assert device.gpus == 0
    assert device.description.startswith("the CPU, as PyTorch cannot use the GPU (")
    assert "update its driver" in device.description


def test_a_driver_that_never_answers_is_not_waited_for(smi: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "PATIENCE", 0.01)
    assert "does not answer" in find_device("auto").description


def test_without_a_gpu_pytorch_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(machine, "ask_pytorch", lambda: pytest.fail("it takes seconds"))
    assert find_device("auto").description == "the CPU, as there is no NVIDIA GPU"
    assert find_device("auto").flags(2) == "--cores 2 --resources gpu=2"
