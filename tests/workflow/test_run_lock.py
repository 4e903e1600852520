"""Two runs in one folder: the lock of a live one is left alone, wherever it lives; that of a killed one is not."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tiny_run import RUN

from n2g.workflow import run_lock

SNAKEMAKE = [sys.executable, "-m", "snakemake"]
MAY_UNSHARE = (
    shutil.which("unshare") is not None
    and subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", "true"], stderr=-3).returncode == 0
)
ELSEWHERE = ["unshare", "--pid", "--fork", "--mount-proc"] if MAY_UNSHARE else []


@contextmanager
def live(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A Snakemake that is planning or working, in a session of its own, from where it has its lock on."""
    # Tests that a shell runs in the background inherit that interrupts are ignored.
    heeded = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); "
    heeded += "os.execvp(sys.argv[1], sys.argv[1:])"
    command = [sys.executable, "-c", heeded, *SNAKEMAKE, *arguments]
    run = subprocess.Popen(
        command, cwd=folder, stdout=-1, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        while not locks(folder):
            assert run.poll() is None, run.stdout.read()
            time.sleep(0.02)
        yield run
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
        run.wait()


def locks(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob(".snakemake/locks/*"))


@pytest.fixture
def unfinished(copied: Path) -> Path:
    shutil.rmtree(copied / RUN / "atlas")
    (copied / ".venv").symlink_to(sys.prefix)
    return copied


def make_atlas(folder: Path, prefix: list[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*prefix, "make", "atlas", "ENVIRONMENT=.venv", *arguments]
    return subprocess.run(command, cwd=folder, stdout=-1, stderr=subprocess.STDOUT, text=True)


def test_a_live_run_is_not_disturbed(unfinished: Path, tmp_path: Path) -> None:
    """Not by one whose list of processes lacks it, such as that of a container, nor by one that takes another path."""
    (tmp_path / "other-path").symlink_to(unfinished)
    with live(unfinished) as run:
        held = locks(unfinished)
        os.killpg(run.pid, signal.SIGSTOP)  # so that it is not over before the others have come
        assert make_atlas(unfinished, ELSEWHERE, "ARGS=-n").returncode == 0
        second = make_atlas(tmp_path / "other-path", ELSEWHERE)
        assert locks(unfinished) == held, "the run was over too early, or its lock is gone"
        os.killpg(run.pid, signal.SIGCONT)
        said, _ = run.communicate()
    assert second.returncode and "LockException" in second.stdout
    assert run.returncode == 0, said
    assert (unfinished / RUN / "atlas" / "index.html").exists()


def test_after_a_kill_the_plain_command_goes_on(unfinished: Path) -> None:
    with live(unfinished, "--until", "atlas") as run:
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    assert locks(unfinished)
    done = subprocess.run(SNAKEMAKE, cwd=unfinished, stdout=-1, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    assert (unfinished / RUN / "atlas" / "index.html").exists()


@pytest.mark.parametrize(
    ("name", "boot", "removed"),
    [("here", "1", True), ("container", "1", True), ("here", "2", True), ("other", "2", False)],
)
def test_what_another_machine_left_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, boot: str, removed: bool
) -> None:
    """Its file system may keep the locks of each host to themselves."""
    for machine, started in (("here", "1"), (name, boot)):
        (tmp_path / "boot").write_text(f"{started}\n")
        monkeypatch.setattr(run_lock, "BOOT", tmp_path / "boot")
        monkeypatch.setattr(run_lock.platform, "node", lambda machine=machine: machine)
        run_lock.hold(tmp_path)
        run_lock._HELD.pop().close()
        (tmp_path / "locks").mkdir(exist_ok=True)
        left = list((tmp_path / "locks").iterdir())
        (tmp_path / "locks" / "0.output.lock").touch()
    assert (left == []) is removed
