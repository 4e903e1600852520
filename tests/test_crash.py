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
KINDS = ["job"] * 8 + ["group"] * 5 + ["workflow"] * 4 + ["workflow beside a sleeping job"] * 2


@dataclass(frozen=True)
class Moment:
    """What is killed, after how many finished jobs, and how many seconds later.

    A job is killed while it writes; "augment" is the one that runs the model. The group is all that `make atlas` has
    started. "workflow" is Snakemake alone, once it has started a job; a sleeping job is one that was stopped while it
    wrote, and wakes up when all is done.
    """

    kind: str
    jobs: int
    seconds: float


def moments(seed: int) -> list[Moment]:
    """Twenty moments, spread over the first nine of the ten jobs that `half_done` leaves to do."""
    random = Random(seed)
    jobs = sorted(random.choices(range(2, 9), k=len(KINDS)))
    kinds = random.sample(KINDS, len(KINDS))
    later = [Moment(kind, at, random.uniform(0, 2)) for kind, at in zip(kinds, jobs, strict=True)]
    return [Moment("augment", 0, 0), *later]


@pytest.fixture
def half_done(copied: Path) -> Path:
    """A run of which the passes through the model are done for one block, and for the other all but one."""
    for name in ("augment.parquet", "graph.jsonl"):
        (copied / RUN / "1" / "00000-00001" / name).unlink()
    for block in (copied / RUN).glob("[01]/*"):
        (block / "evaluate.parquet").unlink()
        (block / "predictions.parquet").unlink()
        shutil.rmtree(block / "render")
    for name in ("summary.json", "patterns.parquet", "similar.parquet", "manifest.json"):
        (copied / RUN / name).unlink()
    shutil.rmtree(copied / RUN / "atlas")
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
        environment = {name: value for name, value in environment.items() if not name.startswith("MAKE")}
        with self.log.open("w") as said:
            self.process = subprocess.Popen(
                ["make", "atlas", "ENVIRONMENT=.venv"],
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

    def writers(self, stage: str = "") -> list[int]:
        """Process ids of jobs that are writing a file or folder, of any stage or of one."""
        places = ("corpus/", "", "*/*/")
        found = [path for place in places for path in (self.folder / RUN).glob(f"{place}.{stage}*.tmp")]
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


def killed(attempt: Attempt, moment: Moment, done: int) -> bool:
    """Whether the attempt lasts until a moment, when `done` jobs are behind it; then what that says is killed."""
    wait(lambda: done + len(attempt.finished()) >= moment.jobs, attempt)
    if moment.kind in ("job", "augment"):
        caught = wait(partial(attempt.writers, moment.kind.removeprefix("job")), attempt) or []
        kill(caught[:1], signal.SIGKILL)
        return bool(caught)
    if "sleeping" in moment.kind:
        if not (caught := wait(attempt.writers, attempt)):
            return False
        kill(caught[:1], signal.SIGSTOP)
    else:
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
def test_a_run_killed_at_twenty_moments_gives_the_same_bytes(
    half_done: Path, finished: Path, tmp_path: Path
) -> None:
    old = written(half_done / RUN)
    attempts: list[Attempt] = []
    try:
        coming = moments(0)
        while coming:
            done = sum(len(attempt.finished()) for attempt in attempts)
            attempts.append(Attempt(half_done, tmp_path / f"{len(attempts)}.log"))
            while coming and killed(attempts[-1], coming[0], done):
                coming.pop(0)
            if attempts[-1].process.wait(PATIENCE) == 0:
                break
        attempts.append(Attempt(half_done, tmp_path / "last.log"))
        assert attempts[-1].process.wait(PATIENCE) == 0, attempts[-1].log.read_text()
        assert not coming, "the run was over too early"
        expect_no_more_writing(attempts)
        compare(half_done, finished, attempts)
        new = written(half_done / RUN)
        assert [path for path in old if path.endswith(".parquet") and new[path] != old[path]] == []
    finally:
        kill([pid for attempt in attempts for pid in attempt.members()], signal.SIGKILL)


def compare(folder: Path, undisturbed: Path, attempts: list[Attempt]) -> None:
    """Nothing was done twice, and the results are those of an undisturbed run."""
    found, expected = results(folder), results(undisturbed)
    assert found.keys() == expected.keys()
    assert [name for name in found if found[name] != expected[name]] == []
    done = [job for attempt in attempts for job in attempt.finished()]
    assert sorted(done) == sorted(set(done)), "what was finished is not done again"
