"""Whether another Snakemake works in the same folder, asked of the system instead of the list of processes.

A Snakemake that is killed leaves its lock behind. Processes of another container or host are in no list here, but hold
a lock of the system on the same file, which ends with them.
"""

from __future__ import annotations

import fcntl
import platform
import shutil
from pathlib import Path
from typing import TextIO

from n2g.errors import not_written

HELD = "held-by"  # in Snakemake's folder; names the last machine
BOOT = Path("/proc/sys/kernel/random/boot_id")
_HELD: list[TextIO] = []  # open until the process ends


def hold(folder: Path) -> None:
    """Be known as one that works here until this process ends, and remove what a killed Snakemake left.

    Does nothing where the file system has no locks: Snakemake then asks for --unlock.

    Args:
        folder: `.snakemake`; made if needed.

    Raises:
        InputError: it cannot be written, as where a disk is full or read-only.
    """
    try:
        folder.mkdir(exist_ok=True)
        file = (folder / HELD).open("a+", encoding="utf-8")
        _HELD.append(file)
        if _flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB):
            file.seek(0)
            if _same_machine(file.read()) or not any((folder / "locks").glob("*")):
                shutil.rmtree(folder / "locks", ignore_errors=True)
                file.truncate(0)
                file.write(_machine())
                file.flush()
        _flock(file, fcntl.LOCK_SH)
    except OSError as error:
        raise not_written(folder, error.strerror) from error


def _flock(file: TextIO, how: int) -> bool:
    try:
        fcntl.flock(file, how)
    except OSError:  # another has it, or the file system has none
        return False
    return True


def _machine() -> str:
    return f"{platform.node()}\n{BOOT.read_text().strip() if BOOT.exists() else ''}\n"


def _same_machine(noted: str) -> bool:
    """Some file systems keep the locks of each host to themselves. Containers of one host have different names, and a
    host that was started anew has the same name."""
    return any(old == new != "" for old, new in zip(noted.split("\n"), _machine().split("\n"), strict=False))
