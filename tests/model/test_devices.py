"""Jobs side by side on a machine with several GPUs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from n2g.errors import InputError
from n2g.model.devices import free_gpu, job_device

SCRIPTS = Path(__file__).parents[2] / "scripts"
JOB = """
import sys
from pathlib import Path
from n2g.model.devices import take
print(take(["b", "a"], Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


def start(folder: Path) -> tuple[subprocess.Popen[str], int]:
    """A job that holds a device until its input ends."""
    command = [sys.executable, "-c", JOB, str(folder)]
    job = subprocess.Popen(command, cwd=SCRIPTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    return job, int(job.stdout.readline())


def test_each_job_takes_the_device_with_the_fewest_jobs(tmp_path: Path) -> None:
    jobs = [start(tmp_path) for _ in range(5)]
    assert [index for _, index in jobs] == [0, 1, 0, 1, 0]
    for at in (1, 2):  # a killed job lets its device go
        jobs[at][0].kill()
        jobs[at][0].wait()
    again = [start(tmp_path) for _ in range(3)]
    assert [index for _, index in again] == [1, 0, 1]
    for job, _ in [*jobs, *again]:
        job.communicate()


def test_only_where_there_are_several_is_one_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    about = lambda index: SimpleNamespace(uuid=f"GPU-{index}")  # noqa: E731
    monkeypatch.setattr(torch.cuda, "get_device_properties", about)
    for number, expected in ((1, "cuda"), (2, "cuda:0"), (2, "cuda:1")):
        monkeypatch.setattr(torch.cuda, "device_count", lambda number=number: number)
        assert free_gpu() == expected


def test_a_gpu_that_does_not_work_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """Such as one that is too old: PyTorch counts it, and fails at the first sum."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)

    def ones(*size: int, device: torch.device) -> torch.Tensor:
        raise RuntimeError("CUDA error: no kernel image is available\nCUDA kernel errors might be")

    monkeypatch.setattr(torch, "ones", ones)
    assert job_device("auto").type == "cpu"
    assert "cannot be used (CUDA error: no kernel image is available)" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"^device: cuda:0 cannot be used .* set device: cpu\.$"):
        job_device("cuda:0")
