"""Which of several GPUs of a machine a job takes: one that no other job has."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import TextIO

_HELD: list[TextIO] = []  # open files; the system closes them when the process ends, even after `kill -9`


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
