"""A run is never lost: whatever stops it, or is odd about its place or its clock, the next plain command finishes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_full_disk import on_a_full_disk
from test_run_lock import SNAKEMAKE, live, make_atlas
from tiny_run import RUN, snakemake

from n2g.workflow.clock import date_back

HOUR = 3600


def finishes(folder: Path) -> None:
    """The plain command makes the atlas, and then has nothing more to do."""
    status, said = snakemake(folder)
    assert status == 0, said
    assert (folder / RUN / "atlas" / "index.html").exists()
    status, said = snakemake(folder)
    assert status == 0 and "Nothing to be done" in said, said


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_a_signal(copied: Path, by: signal.Signals) -> None:
    """Ctrl-C reaches all processes of a terminal; a system that shuts down ends each."""
    shutil.rmtree(copied / RUN / "atlas")
    (copied / RUN / "0/00000-00001/evaluate.parquet").unlink()
    with live(copied, "--forcerun", "evaluate", "--until", "evaluate") as run:
        while not list(copied.glob(".snakemake/log/*")) or "Evaluating" not in _log(copied):
            time.sleep(0.05)
        os.killpg(run.pid, by)
        said, _ = run.communicate()
    assert run.returncode
    assert "Traceback" not in said
    assert "the same command goes on from there" in said
    finishes(copied)


def _log(folder: Path) -> str:
    return max(folder.glob(".snakemake/log/*"), key=lambda path: path.stat().st_mtime).read_text()


def test_any_path_and_no_home(copied: Path, tmp_path: Path) -> None:
    """Spaces, quotes, letters of other scripts; Snakemake, MkDocs and the model's libraries do without a home."""
    folder = copied.rename(tmp_path / 'it\'s a "run" of Жанна & 神経 $HOME')
    shutil.rmtree(folder / RUN / "atlas")
    (folder / RUN / "0/00000-00001/logits.parquet").unlink()
    (folder / ".venv").symlink_to(sys.prefix)
    nowhere = ["env", "HOME=/proc/none", "XDG_CACHE_HOME=/proc/none/cache"]
    done = make_atlas(folder, nowhere, "ARGS=--forcerun logits")
    assert done.returncode == 0, done.stdout
    assert (folder / RUN / "atlas" / "index.html").exists()


def test_inputs_dated_in_the_future(copied: Path) -> None:
    (fetched,) = copied.glob("resources/texts/*/fetched.json")
    later = time.time() + HOUR
    for path in (copied / "texts.txt", *(copied / "site").rglob("*"), *(copied / "docs").rglob("*")):
        os.utime(path, (later, later))
    status, said = snakemake(copied, fetched.relative_to(copied))
    assert status == 0, said
    assert "Fetching the texts" in said, "another date is another file"
    shutil.rmtree(copied / RUN / "atlas")
    status, said = snakemake(copied, f"{RUN}/atlas", "--rerun-triggers", "mtime")
    assert status == 0, said


def test_a_clock_that_is_set_back(copied: Path) -> None:
    """All that is there was made later than now."""
    for path in [*(copied / "results").rglob("*"), *(copied / "resources").rglob("*")]:
        when = path.stat(follow_symlinks=False).st_mtime + 24 * HOUR
        os.utime(path, (when, when), follow_symlinks=False)
    shutil.rmtree(copied / RUN / "atlas")
    finishes(copied)


def test_what_was_newer_stays_newer(tmp_path: Path) -> None:
    now = time.time()
    for name, when in (("old", now - 9), ("later", now + 9), ("latest", now + 99)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (when, when))
    assert date_back([*tmp_path.iterdir(), tmp_path / "gone"]) == 2
    dates = {path.name: path.stat().st_mtime for path in tmp_path.iterdir()}
    assert dates["old"] == pytest.approx(now - 9)
    assert dates["old"] < dates["later"] < dates["latest"] <= time.time()


@pytest.mark.parametrize("name", ["results", "resources", ".snakemake"])
def test_a_folder_that_is_a_link_to_nothing(name: str, copied: Path) -> None:
    """As where a disk is not mounted; once it is, the run goes on."""
    (copied / name).rename(copied / "disk")
    (copied / name).symlink_to(copied / "mounted")
    status, said = snakemake(copied)
    assert status != 0 and "Traceback" not in said
    assert said.splitlines()[-1].startswith(
        f"{name} is a link to nothing, or no folder: mount or make what it"
    )
    (copied / "disk").rename(copied / "mounted")
    status, said = snakemake(copied, "--dry-run")
    assert status == 0, said


@on_a_full_disk
def test_a_checkout_that_cannot_be_written(copied: Path) -> None:
    shell = f"mount --bind . . && mount -o remount,ro,bind . && cd {copied} && exec {' '.join(SNAKEMAKE)}"
    done = subprocess.run(
        ["unshare", "--mount", "bash", "-c", shell], cwd=copied, capture_output=True, text=True
    )
    assert done.returncode
    assert done.stderr.splitlines()[-1].startswith(".snakemake cannot be written (Read-only file system): ")
    assert "Traceback" not in done.stderr
