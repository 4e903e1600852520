"""What a reader must know of the machine; nothing that names it."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

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
        "Load": f"{os.getloadavg()[0]:.1f} processes were running or waiting at the start (1 minute's mean)",
    }


def processor() -> str:
    """The processor's model name."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def memory() -> int:
    """Bytes of main memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
