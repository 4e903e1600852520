"""What a person reads of a run on the terminal: a line a job, with what is done and left, and every error in full.

Snakemake's own lines name the files of each job, hundreds of them in a large run. They stay in its log file, and on the
terminal with --verbose. Its options cannot do that: `--quiet` silences the log file as well.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from n2g.errors import not_written

# Events of Snakemake (LogEvent of its logger plugins) that say nothing about progress, and the beginnings of such
# messages that have no event.
SILENT = ("shellcmd", "resources_info", "run_info", "job_started", "job_finished", "progress", "rulegraph")
NOISE = (
    "Using shell: ",
    "Conda environments: ",
    "Select jobs to execute",
    "host: ",
    "Assuming unrestricted ",
)
SET_BACK = "The clock was set back: run again, since a new run dates such files anew."
SKEW = "could indicate a clock skew"
NOTHING = "Nothing to be done"
ROOM = 4096  # bytes that a sentence takes
LAST_LINES = 100  # of a failed job's log; the sentence is the last one
ENOUGH = 0.5  # share of the jobs left whose kind has a known duration, for an estimate


class ReadableLog(logging.Formatter):
    """Filter and formatter of the handler that writes to the terminal."""

    def __init__(
        self,
        others: logging.Formatter | None,
        seconds_before: Callable[[], Mapping[str, float]],
        outcome: Callable[[], str],
    ):
        """Args:
        others: formats what is neither progress nor a failed job.
        seconds_before: gives rule -> how long one of its jobs took before, where that is known.
        outcome: gives what there is to say where nothing is left to do.
        """
        super().__init__()
        self._others = others or logging.Formatter()
        self._left: Counter[str] = Counter()  # rule -> jobs
        self._total = 0
        self._running: dict[int, tuple[str, float]] = {}  # job -> rule, since when
        self._messages: dict[int, str] = {}
        self._seconds_before, self._outcome = seconds_before, outcome
        self._seconds: dict[str, list[float]] = {}
        self._begin, self._busy = time.monotonic(), 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is to be seen; notes what it says of the run."""
        event, content = getattr(record, "event", None), record.__dict__
        if event == "run_info":
            self._left = Counter(jobs_to_do(content.get("stats") or {}))
            self._total = self._left.total()
            self._seconds = {rule: [duration] for rule, duration in self._seconds_before().items()}
        elif event == "job_info":
            self._running[content["jobid"]] = content["rule_name"], time.monotonic()
            self._messages[content["jobid"]] = content["rule_msg"] or ""
            return bool(content["rule_msg"])
        elif event == "job_finished" and content["job_id"] in self._running:
            rule, since = self._running.pop(content["job_id"])
            duration = time.monotonic() - since
            self._busy += duration
            self._seconds.setdefault(rule, []).append(duration)
            self._left[rule] -= 1
        message = str(record.msg or "")
        if event is None and record.levelno == logging.INFO:
            return not message.startswith(NOISE)
        # Of a program that fails Snakemake shows the command; its own words come with the failed job.
        return event not in SILENT and not (event == "error" and "CalledProcessError in file" in message)

    def format(self, record: logging.LogRecord) -> str:
        event, content = getattr(record, "event", None), record.__dict__
        if event == "job_info":
            done = self._total - self._left.total()
            return f"{_clock()}  {done} of {self._total} done{self._time_left()}: {content['rule_msg']}"
        if event == "job_error":
            return self._failure(content)
        if SKEW in str(record.msg):
            return f"{self._others.format(record)}\n{SET_BACK}"
        if str(record.msg).startswith(NOTHING):
            return f"{record.msg}\n{self._outcome()}".rstrip()
        return self._others.format(record)

    def _failure(self, content: Mapping[str, Any]) -> str:
        rule = content["rule_name"]
        message = self._messages.get(content["jobid"]) or rule
        lines = [f"{_clock()}  Failed: {message} ({rule})"]
        for log in content["log"]:
            said = _last_lines(Path(log)) or _without_a_word(Path(log).parent)
            if said and said[-1].startswith("KeyboardInterrupt"):
                return f"{_clock()}  Stopped: {message}"
            lines += [*said, f"Log: {log}"]
        return "\n".join(lines)

    def _time_left(self) -> str:
        """An estimate by the durations of other jobs of the same rules, as many side by side as until now."""
        left = +self._left
        known = {rule: sum(took) / len(took) for rule in left if (took := self._seconds.get(rule))}
        jobs = sum(left[rule] for rule in known)
        if jobs < ENOUGH * left.total():
            return ""
        seconds = sum(left[rule] * known[rule] for rule in known) * left.total() / jobs
        begun = sum(time.monotonic() - since for _, since in self._running.values())
        side_by_side = max(1.0, (self._busy + begun) / max(time.monotonic() - self._begin, 1.0))
        return f", about {duration_in_words(max(seconds - begun, 0.0) / side_by_side)} left"


def _clock() -> str:
    return time.strftime("%H:%M:%S")


def _last_lines(log: Path) -> list[str]:
    try:
        lines = [
            line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()
        ]
    except OSError:
        return []
    return lines[-LAST_LINES:]


def _without_a_word(folder: Path) -> list[str]:
    """Where a disk is full, a job cannot even say so."""
    full = folder.is_dir() and shutil.disk_usage(folder).free < ROOM
    return [str(not_written(folder, "No space left on device"))] if full else []


def duration_in_words(seconds: float) -> str:
    """A duration for a person, such as `3 min`.

    >>> [duration_in_words(seconds) for seconds in (4, 170, 9000)]
    ['4 s', '3 min', '2.5 h']
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def jobs_to_do(stats: Mapping[str, int]) -> dict[str, int]:
    """Rule -> jobs, of Snakemake's count, without its sum and what only names targets."""
    return {rule: count for rule, count in stats.items() if rule not in ("all", "model", "neuron", "total")}


def make_readable(
    logger: logging.Logger,
    settings: Any,
    seconds_before: Callable[[], Mapping[str, float]],
    outcome: Callable[[], str],
) -> None:
    """Have the handler of the terminal write readable lines, unless more, less, or the plan is asked for.

    Args:
        logger: Snakemake's.
        settings: Snakemake's settings of its output.
        seconds_before, outcome: as :class:`ReadableLog` takes them.
    """
    less = {about.name for about in settings.quiet or ()} - {
        "HOST"
    }  # of which profiles/default has heard enough
    asked = settings.verbose or settings.dryrun or less or settings.printshellcmds or settings.debug_dag
    for handler in [] if asked else logger.handlers:
        if handler.name == "DefaultStreamHandler":
            readable = ReadableLog(handler.formatter, seconds_before, outcome)
            handler.addFilter(readable.filter)
            handler.setFormatter(readable)
