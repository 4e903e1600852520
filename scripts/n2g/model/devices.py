"""Which device a job takes: of several GPUs one that no other job has, and none that does not work.

Run as a program, it says what PyTorch makes of the GPUs: why each does not work, or null, as a JSON list.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from n2g.errors import InputError, first_line, warn
from n2g.model.checkpoint import pick_device

if TYPE_CHECKING:
    import torch

_HELD: list[TextIO] = []  # open files; the system closes them when the process ends, even after `kill -9`


def job_device(name: str) -> torch.device:
    """The device that a job computes on; where ``auto`` finds a GPU that does not work, the CPU, with a word.

    Args:
        name: as :func:`n2g.model.checkpoint.pick_device` takes it.

    Raises:
        InputError: a device that is asked for is not there, or does not work.
    """
    device = pick_device(name)
    if device.type == "cuda" and device.index is None:
        device = pick_device(free_gpu())
    if device.type == "cpu" or (why := trouble_with(device)) is None:
        return device
    if name != "auto":
        raise InputError(f"device: {name} cannot be used ({why}): update its driver, or set device: cpu.")
    warn(f"the GPU cannot be used ({why}), so the CPU is.")
    return pick_device("cpu")


def trouble_with(device: torch.device | str) -> str | None:
    """Why PyTorch cannot compute on a device, in its own words; None where it can."""
    import torch

    try:
        torch.ones(1, device=device).add(1).cpu()
    except (RuntimeError, AssertionError) as error:  # the latter where PyTorch was built for the CPU
        return first_line(error)
    return None


def trouble_with_gpus() -> list[str | None]:
    """The same of every GPU that PyTorch sees; of the one that there should be, where it sees none."""
    import torch

    return [trouble_with(f"cuda:{index}") for index in range(torch.cuda.device_count())] or [
        trouble_with("cuda")
    ]


def free_gpu() -> str:
    """``cuda:N``, the GPU with the fewest jobs; ``cuda`` if a job sees only one, as on Slurm."""
    import torch

    number = torch.cuda.device_count()
    if number < 2:
        return "cuda"
    names = [str(torch.cuda.get_device_properties(index).uuid) for index in range(number)]
    folder = Path(tempfile.gettempdir()) / f"n2g-gpus-{os.getuid()}"
    return f"cuda:{take(names, folder)}"


def take(names: Sequence[str], folder: Path) -> int:
    """Index of the first device that no other process holds, or else of the first that one holds, and so on.

    This process then holds it, by a lock on a file in `folder`, until it ends.

    Args:
        names: of the devices, the same for every process that sees them, in any order.
        folder: on this machine; made if needed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for holders in count():
        for index, name in enumerate(names):
            file = (folder / f"{name}.{holders}").open("a")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                continue
            _HELD.append(file)
            return index
    raise AssertionError("count() has no end")


if __name__ == "__main__":
    print(json.dumps(trouble_with_gpus()))
