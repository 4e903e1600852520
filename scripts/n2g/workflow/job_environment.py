"""What Snakemake tells its jobs through the environment: things that no result depends on.

As params they would cause reruns.
"""

from __future__ import annotations

import os
import select
import sys
import threading
from pathlib import Path

WORKFLOW = "N2G_WORKFLOW"  # process id of Snakemake
THREADS = "N2G_THREADS"  # CPU threads of a job that runs beside others
ALL_THREADS = "N2G_ALL_THREADS"  # of one that blocks all others
# How threads of a job wait for each other. By default they spin: on two cores with one more busy process, reading the
# corpus then took 3.6 times as long as with threads that sleep, and cost as much more of the processor.
WAITING = {"OMP_WAIT_POLICY": "PASSIVE"}


def variables(threads: int | None, cores: int | None, side_by_side: int, passes: int = 1) -> dict[str, str]:
    """The variables to set for the jobs of this process. An empty one leaves the choice to the job.

    PATH leads to the Python that runs Snakemake, if to no other environment.

    Args:
        threads: as configured, or None.
        cores: that Snakemake may use, or None where jobs run elsewhere.
        side_by_side: jobs that run the model at the same time. On the CPU they share the cores.
        passes: of them, jobs that all others wait for.
    """
    here = str(Path(sys.executable).parent)
    path = os.get_exec_path() if here in os.get_exec_path() else [here, *os.get_exec_path()]
    share, large_share = (max(1, cores // n) if cores and n > 1 else None for n in (side_by_side, passes))
    return {
        "PATH": os.pathsep.join(path),
        WORKFLOW: str(os.getpid()),
        THREADS: str(threads or share or ""),
        ALL_THREADS: str(threads or large_share or ""),
        **{name: os.environ.get(name, value) for name, value in WAITING.items()},
    }


def end_with_workflow() -> None:
    """From now on, end this process at once when Snakemake or the shell that it runs in ends.

    A killed Snakemake leaves its jobs running. Such a job would take time from the one that the next Snakemake starts
    in its place, and could later write over what that one has made, perhaps with other settings.

    Does nothing outside of a workflow, or where the system cannot tell (before Linux 5.3).
    """
    if WORKFLOW not in os.environ or not hasattr(os, "pidfd_open"):
        return
    try:
        watched = [os.pidfd_open(process) for process in {int(os.environ[WORKFLOW]), os.getppid()}]
    except ProcessLookupError:  # one has ended already
        os._exit(1)
    except OSError:
        return
    threading.Thread(target=_wait, args=(watched,), daemon=True).start()


def _wait(watched: list[int]) -> None:
    select.select(watched, [], [])  # readable when the process has ended
    os._exit(1)
