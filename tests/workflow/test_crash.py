"""Kill -9 at any moment: the next `make atlas` goes on where the killed one was, and ends with the same bytes."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tiny_run import RUN

PATIENCE = 600  # seconds; whoever waits so long waits for what does not come
# Writing takes a moment longer, so that it can be interrupted.
SLOW_DISK = """
import pathlib, time
replace = pathlib.Path.replace

def slowly(self, target):
    time.sleep(0.3)
    return replace(self, target)

pathlib.Path.replace = slowly
"""
SLEEPING = "workflow beside a sleeping job"
KINDS = ["job", "group", "workflow", SLEEPING]
# A file of each stage that reads the model; the first two are not the only ones of their stages.
FILES = ("examples", "connections", "sweep", "prune", "saliency", "augment")
FILE_KINDS = ["job", "job", "group", "group", "workflow", SLEEPING]
JOBS = 20  # that `begun` leaves to do


@dataclass(frozen=True)
class Moment:
    """What is killed: while a file is written, or else after so many finished jobs and seconds later.

    A job is killed while it writes. The group is all that `make atlas` has started. "workflow" is Snakemake alone, once
    it has started a job; a sleeping job is one that was stopped while it wrote, and wakes up when all is done.
    """

    kind: str
    file: str = ""
    jobs: int = 0
    seconds: float = 0


def moments(seed: int) -> list[Moment]:
    """Ten moments: one in every stage that reads the model, and four among the later half of the jobs."""
    random = Random(seed)
    kinds = random.sample(FILE_KINDS, len(FILE_KINDS))
    writing = [Moment(kind, file) for kind, file in zip(kinds, FILES, strict=True)]
    jobs = sorted(random.choices(range(JOBS // 2, JOBS - 1), k=len(KINDS)))
    kinds = random.sample(KINDS, len(KINDS))
    spread = zip(kinds, jobs, strict=True)
    return [*writing, *(Moment(kind, jobs=at, seconds=random.uniform(0, 2)) for kind, at in spread)]


@pytest.fixture
def begun(copied: Path) -> Path:
    """A run that has the model and the texts, and nothing else."""
    for path in (copied / RUN).iterdir():
        if path.name not in ("corpus", "logs", "benchmarks"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    (copied / ".venv").symlink_to(sys.prefix)
    (copied / "slow").mkdir()
    (copied / "slow" / "sitecustomize.py").write_text(SLOW_DISK)
    return copied


@dataclass
class Attempt:
    """A `make atlas` that runs in a session of its own, with what it says in a file."""

    folder: Path
    log: Path
    process: subprocess.Popen = field(init=False)

    def __post_init__(self) -> None:
        environment = os.environ | {"PYTHONPATH": str(self.folder / "slow")}
        with self.log.open("w") as said:
            self.process = subprocess.Popen(
                ["make", "atlas", "ENVIRONMENT=.venv", "ARGS=--quiet reason"],
                cwd=self.folder,
                env=environment,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def over(self) -> bool:
        return self.process.poll() is not None

    def started(self) -> dict[str, str]:
        """Number -> description of the jobs."""
        return dict(re.findall(r"^Job (\d+): (.*)$", self.log.read_text(), re.MULTILINE))

    def finished(self) -> list[str]:
        """Descriptions of the jobs that finished."""
        numbers = re.findall(r"^Finished jobid: (\d+) ", self.log.read_text(), re.MULTILINE)
        started = self.started()
        return [started[number] for number in numbers if number in started]

    def members(self) -> dict[int, list[str]]:
        """Process id -> command line of everything that runs in the session."""
        found = {}
        for path in Path("/proc").glob("[0-9]*"):
            try:
                state, _, _, session = (path / "stat").read_text().rpartition(")")[2].split()[:4]
                command = (path / "cmdline").read_text().split("\0")
            except OSError:  # it has ended meanwhile
                continue
            if int(session) == self.process.pid and state != "Z":
                found[int(path.name)] = command
        return found

    def workflow(self) -> list[int]:
        """Process ids of Snakemake."""
        return [
            pid for pid, command in self.members().items() if "snakemake" in map(os.path.basename, command)
        ]

    def writers(self, file: str = "") -> list[int]:
        """Process ids of jobs that are writing a file or folder, any or one whose name begins so."""
        found = [path for place in ("", "*/*/") for path in (self.folder / RUN).glob(f"{place}.{file}*.tmp")]
        pids = [path.name.split(".")[-2] for path in found]
        return [int(pid) for pid in pids if pid.isdigit() and int(pid) in self.members()]


def wait(condition: Callable[[], Any], attempt: Attempt) -> Any:
    """What comes to be while an attempt runs; None if that ends before."""
    begin = time.monotonic()
    while not attempt.over:
        if found := condition():
            return found
        assert time.monotonic() - begin < PATIENCE, attempt.log.read_text()
        time.sleep(0.05)
    return None


def next_moment(attempt: Attempt, coming: list[Moment], done: int) -> Moment | None:
    """The first moment that an attempt comes to, with `done` jobs behind it; None if it ends before."""

    def reached(moment: Moment) -> bool:
        if moment.file:
            return bool(attempt.writers(moment.file))
        return done + len(attempt.finished()) >= moment.jobs

    return wait(lambda: next(filter(reached, coming), None), attempt)


def killed(attempt: Attempt, moment: Moment) -> bool:
    """Kill what a moment says, unless the attempt ends before."""
    if moment.kind in ("job", SLEEPING):
        if not (caught := wait(partial(attempt.writers, moment.file), attempt)):
            return False
        kill(caught[:1], signal.SIGKILL if moment.kind == "job" else signal.SIGSTOP)
        if moment.kind == "job":
            return True
    elif not moment.file:
        if moment.kind == "workflow":
            wait(attempt.started, attempt)
        time.sleep(moment.seconds)
    caught = wait(attempt.workflow, attempt) or []
    kill([attempt.process.pid, *attempt.members()] if moment.kind == "group" else caught, signal.SIGKILL)
    attempt.process.wait(PATIENCE)
    if moment.kind == "workflow":
        time.sleep(0.5)
        expect_no_more_writing([attempt])
    return bool(caught)


def expect_no_more_writing(attempts: list[Attempt]) -> None:
    """Jobs whose workflow was killed end by themselves, also those that slept, and write nothing before."""
    folder = attempts[0].folder / RUN
    before = written(folder)
    kill([pid for attempt in attempts for pid in attempt.members()], signal.SIGCONT)
    begin = time.monotonic()
    while any(attempt.members() for attempt in attempts):
        assert time.monotonic() - begin < PATIENCE, "killed workflows leave jobs behind"
        time.sleep(0.05)
    assert written(folder) == before


def written(folder: Path) -> dict[str, tuple[int, int]]:
    """Which file is at each path of a run, logs included, and when it was written last."""
    files = {str(path): path.stat() for path in folder.rglob("[!.]*") if path.is_file()}
    return {path: (status.st_ino, status.st_mtime_ns) for path, status in files.items()}


def kill(pids: list[int], by: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, by)


def results(folder: Path) -> dict[str, bytes]:
    """Every file of the run but those that tell times."""
    timed = ("logs", "benchmarks", "manifest.json")
    files = (path for path in (folder / RUN).rglob("*") if path.is_file())
    names = {path: path.relative_to(folder / RUN) for path in files}
    return {str(name): path.read_bytes() for path, name in names.items() if name.parts[0] not in timed}


@pytest.mark.slow
def test_a_run_killed_at_ten_moments_gives_the_same_bytes(
    begun: Path, finished: Path, tmp_path: Path
) -> None:
    old = written(begun / RUN / "corpus")
    attempts: list[Attempt] = []
    try:
        coming = moments(0)
        while coming:
            done = sum(len(attempt.finished()) for attempt in attempts)
            attempts.append(Attempt(begun, tmp_path / f"{len(attempts)}.log"))
            while moment := next_moment(attempts[-1], coming, done):
                if not killed(attempts[-1], moment):
                    break
                coming.remove(moment)
            if attempts[-1].process.wait(PATIENCE) == 0:
                break
        attempts.append(Attempt(begun, tmp_path / "last.log"))
        assert attempts[-1].process.wait(PATIENCE) == 0, attempts[-1].log.read_text()
        assert not coming, "the run was over too early"
        expect_no_more_writing(attempts)
        compare(begun, finished, attempts)
        assert written(begun / RUN / "corpus") == old
    finally:
        kill([pid for attempt in attempts for pid in attempt.members()], signal.SIGKILL)


def compare(folder: Path, undisturbed: Path, attempts: list[Attempt]) -> None:
    """Nothing was done twice, and the results are those of an undisturbed run."""
    found, expected = results(folder), results(undisturbed)
    assert found.keys() == expected.keys()
    assert [name for name in found if found[name] != expected[name]] == []
    done = [job for attempt in attempts for job in attempt.finished()]
    assert sorted(done) == sorted(set(done)), "what was finished is not done again"
