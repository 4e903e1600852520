"""Programs that end with the workflow that started them.

A killed Snakemake leaves its jobs running. Such a job would take time from the one that the next Snakemake starts in
its place, and could later write over what that one has made, perhaps with other settings.
"""

from __future__ import annotations

import os
import select
import threading

# The process id of Snakemake, which rules/common.smk hands to all jobs.
VARIABLE = "N2G_WORKFLOW"


def end_with_workflow() -> None:
    """From now on, end this process at once when Snakemake or the shell that it runs in ends.

    Does nothing outside of a workflow, or where the system cannot tell (before Linux 5.3).
    """
    if VARIABLE not in os.environ or not hasattr(os, "pidfd_open"):
        return
    try:
        watched = [os.pidfd_open(process) for process in {int(os.environ[VARIABLE]), os.getppid()}]
    except ProcessLookupError:  # one has ended already
        os._exit(1)
    except OSError:
        return
    threading.Thread(target=_wait, args=(watched,), daemon=True).start()


def _wait(watched: list[int]) -> None:
    select.select(watched, [], [])  # readable when the process has ended
    os._exit(1)
