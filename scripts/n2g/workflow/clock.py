"""Results dated in the future, as a clock leaves them that jumps back: Snakemake refuses what is made from them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

STAMP = ".snakemake_timestamp"  # by which Snakemake dates a folder
STEP = 1000  # nanoseconds; file systems of Linux keep such


def results_of(run: Path, resources: Path) -> Iterator[Path]:
    """What Snakemake dates of a run: files and folders down to those of a block, and what was fetched and converted."""
    for pattern in ("*", "*/*", "*/*/*"):
        for path in run.glob(pattern):
            yield path
            if path.name in ("render", "atlas"):
                yield path / STAMP
    yield from resources.glob("*/*/*.json")


def date_back(paths: Iterable[Path]) -> int:
    """Date what lies in the future to now, in the same order; how many files that were."""
    now, late = time.time_ns(), []
    for path in paths:
        with suppress(OSError):
            if (when := path.stat().st_mtime_ns) > now:
                late.append((when, path))
    for rank, (_, path) in enumerate(sorted(late, reverse=True)):
        with suppress(OSError):  # another user's, say
            os.utime(path, ns=(now - rank * STEP, now - rank * STEP))
    return len(late)
