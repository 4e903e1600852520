"""What a reader has to know about the machine, without anything that identifies it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from threading import Event, Thread

import torch


def facts(device: str, dtype: str) -> dict[str, str]:
    """Name of a fact -> the fact."""
    return {
        "Date": f"{datetime.now(UTC):%Y-%m-%d}",
        "Processor": f"{processor()}, {len(os.sched_getaffinity(0))} cores for this process",
        "Memory": f"{memory() / 2**30:.0f} GiB",
        "Device": "CPU" if device == "cpu" else torch.cuda.get_device_name(device),
        "Number format": dtype,
        "Threads": f"{torch.get_num_threads()}",
        "Versions": ", ".join(
            [f"Python {platform.python_version()}", f"torch {torch.__version__}"]
            + [f"{name} {version(name)}" for name in ("transformers", "transformer-lens", "snakemake")]
        ),
        "Load": f"{os.getloadavg()[0]:.1f} processes running or waiting at the start (1-minute average)",
    }


def processor() -> str:
    """The processor's model name."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def memory() -> int:
    """Bytes of main memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@contextmanager
def utilisation(device: str, every: float = 1.0) -> Iterator[list[int]]:
    """GPU utilisation in percent, as nvidia-smi reports it every so many seconds while the block runs.

    The list stays empty without a GPU, without the program, or if that reports nothing.
    """
    found: list[int] = []
    if not device.startswith("cuda") or not shutil.which("nvidia-smi"):
        yield found
        return
    command = ["nvidia-smi", f"--id=GPU-{torch.cuda.get_device_properties(device).uuid}"]
    command += ["--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
    done = Event()

    def watch() -> None:
        while not done.wait(every):
            told = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
            if told.isdigit():
                found.append(int(told))

    thread = Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        done.set()
        thread.join()
