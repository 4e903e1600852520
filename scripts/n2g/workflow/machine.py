"""What a run uses of the machine: the device, and how many jobs run side by side.

Run as a program, it takes the arguments that Snakemake is to get, and prints the flags for it.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from n2g.errors import InputError, exit_with_sentence
from n2g.workflow.config import complete_config
from n2g.workflow.given import given_config

ON_CPU = 4  # jobs with the model at once: each holds it in the same memory
PATIENCE = 120  # seconds; a broken driver may never answer


@dataclass(frozen=True)
class Device:
    """Attributes:
    gpus: how many work, and are used; 0 where the CPU computes.
    description: which device and why, to be used within a sentence.
    """

    gpus: int
    description: str

    def flags(self, cores: int) -> str:
        """Snakemake's flags: as many jobs as there are cores, and of those with the model one for each GPU."""
        return f"--cores {cores} --resources gpu={self.gpus or min(cores, ON_CPU)}"


def find_device(wanted: str) -> Device:
    """Which device the jobs of a run will compute on.

    Args:
        wanted: the key ``device`` of the configuration.
    """
    if wanted == "cpu":
        return Device(0, "the CPU, as device: says")
    if not shutil.which("nvidia-smi"):
        return Device(0, "the CPU, as there is no NVIDIA GPU")
    troubles = ask_pytorch()
    working = next((index for index, trouble in enumerate(troubles) if trouble), len(troubles))
    if wanted.startswith("cuda:"):
        return Device(1, f"the GPU {wanted}")
    left_out = (
        f"GPU {working} of {len(troubles)} cannot be used ({troubles[working]}): "
        if working < len(troubles)
        else ""
    )
    if working and left_out:
        return Device(
            working, f"{_gpus(working)}; {left_out}hide it with CUDA_VISIBLE_DEVICES to use those after it"
        )
    if working:
        return Device(working, _gpus(working))
    return Device(
        0,
        f"the CPU, as PyTorch cannot use the GPU ({troubles[0]}): to use it, update its driver, or delete .venv and "
        "call make again",
    )


def _gpus(count: int) -> str:
    return "one GPU" if count == 1 else f"{count} GPUs"


def ask_pytorch() -> list[str | None]:
    """Why each GPU does not work, or None, as PyTorch says; asked in a process of its own, as it takes much memory."""
    command = [sys.executable, "-m", "n2g.model.devices"]
    try:
        done = subprocess.run(
            command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=PATIENCE
        )
        return json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        return [f"its driver does not answer within {PATIENCE} s"]
    except (IndexError, ValueError):
        return [
            (done.stderr.strip().splitlines() or [f"it ended with status {done.returncode}"])[-1].rstrip(".")
        ]


def configured_device(arguments: Sequence[str]) -> str:
    """The key ``device`` of the configuration that Snakemake's arguments name; ``auto`` where that is wrong.

    Raises:
        InputError: a file that is named cannot be read, or an option has no value, for which Snakemake has a traceback.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--configfile", "--configfiles", nargs="+", default=["config.yaml"])
    parser.add_argument("--config", "-C", nargs="*", action="extend", default=[])
    known, _ = parser.parse_known_args(arguments)
    if known.configfile != parser.get_default("configfile"):
        given_config(known.configfile, [])
    for option in known.config:
        if not re.match(r"[a-zA-Z_]\w*=", option):
            raise InputError(f"--config {option}: is no key and value: write it as in --config layers=0-2.")
    try:
        return complete_config(given_config(known.configfile, known.config))["device"]
    except InputError:  # Snakemake says so in a moment
        return "auto"


if __name__ == "__main__":
    with exit_with_sentence():
        print(find_device(configured_device(sys.argv[2:])).flags(int(sys.argv[1])))
