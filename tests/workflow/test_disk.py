"""A full disk, a quota, a folder that nobody may write to, files cut short: one sentence, and nothing is lost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_run import RUN, snakemake

SCRIPTS = Path(__file__).parents[2] / "scripts"
WRITERS = """
import json, sys
from pathlib import Path
import numpy as np
from n2g.errors import InputError
from n2g.files.atomic import replacing
from n2g.files.tables import new_array, write_array, write_arrays, write_json, write_table

folder = Path(sys.argv[1])
random = np.random.default_rng(0).integers(0, 2**31, 100_000, dtype=np.int32)

def write_folder(path, content):
    with replacing(path) as whole:
        whole.mkdir()
        (whole / "one.svg").write_bytes(b"x" * 1000)
        (whole / "two.svg").write_bytes(content.tobytes())

def write_mapped(path, content):
    with new_array(path, content.dtype) as room:
        room(len(content))[:] = content

writers = {
    "a.parquet": lambda path: write_table(
        path, "vocabulary", {"token": random, "text": [str(i) for i in random], "special": random > 9}
    ),
    "b.npy": lambda path: write_array(path, random),
    "c.safetensors": lambda path: write_arrays(path, {"x": random}),
    "d.json": lambda path: write_json(path, random.tolist()),
    "e": lambda path: write_folder(path, random),
    "f.npy": lambda path: write_mapped(path, random),
}
said = {}
for name, write in writers.items():
    try:
        write(folder / name)
    except InputError as error:
        said[name] = str(error)
left = {
    path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()
}
print(json.dumps([said, left]))
"""
# What to run the writers in: a file may have 100,000 bytes; a file system; one that is read-only.
PLACES = {
    "quota": "ulimit -f 100; exec {command}",
    "full disk": "mount -t tmpfs -o size=100k none {folder} && cp -r {old}/. {folder} && exec {command}",
    "read-only": "cp -r {old}/. {folder} && mount --bind {folder} {folder}"
    " && mount -o remount,ro,bind {folder} && exec {command}",
}


def mounting() -> bool:
    """Whether this user may mount file systems, in a namespace of its own."""
    if not shutil.which("unshare"):
        return False
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0


@pytest.mark.parametrize("place", PLACES)
def test_what_cannot_be_written_is_named_and_the_old_stays(tmp_path: Path, place: str) -> None:
    old, folder = tmp_path / "old", tmp_path / "new"
    (old / "e").mkdir(parents=True)
    names = ["a.parquet", "b.npy", "c.safetensors", "d.json", "e/one.svg", "f.npy"]
    for name in names:
        (old / name).write_text(f"the old {name}")
    folder.mkdir()
    shell = ["bash", "-c"]
    if place == "quota":
        shutil.copytree(old, folder, dirs_exist_ok=True)
    elif mounting():
        shell = ["unshare", "--mount", *shell]
    else:
        pytest.skip("only root may mount a file system, and a container may forbid it")
    (tmp_path / "writers.py").write_text(WRITERS)
    command = PLACES[place].format(
        command=f"{sys.executable} {tmp_path}/writers.py {folder}", folder=folder, old=old
    )
    environment = os.environ | {"PYTHONPATH": str(SCRIPTS)}
    done = subprocess.run([*shell, command], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said, left = json.loads(done.stdout)
    reason = {"quota": "File too large", "full disk": "No space left on device", "read-only": "Read-only"}[
        place
    ]
    assert sorted(said) == ["a.parquet", "b.npy", "c.safetensors", "d.json", "e", "f.npy"]
    for name, sentence in said.items():
        assert sentence.startswith(f"{folder / name} cannot be written (")
        assert reason in sentence or " requested and " in sentence  # the latter is numpy's way to say it
        assert sentence.endswith("then run again; what is finished is kept.")
    assert left == {name: f"the old {name}" for name in names}


@pytest.mark.skipif(not mounting(), reason="only root may mount a file system, and a container may forbid it")
def test_a_run_in_a_read_only_folder_stops_at_once(copied: Path) -> None:
    for made in ("1/00000-00001/render", "atlas"):
        shutil.rmtree(copied / RUN / made)
    command = "mount --bind results results && mount -o remount,ro,bind results && exec {} -m snakemake"
    shell = ["unshare", "--mount", "bash", "-c", command.format(sys.executable)]
    done = subprocess.run(shell, cwd=copied, capture_output=True, text=True)
    assert done.returncode
    assert "Write-protected output files" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_cut_short_is_named_and_made_anew_on_request(copied: Path) -> None:
    """The remedy of the sentence works, and whatever does not need the file is finished meanwhile."""
    block = copied / RUN / "1" / "00000-00001"
    files = [
        path for path in (copied / RUN).rglob("*.*") if path.is_file() and "benchmarks" not in path.parts
    ]
    before = {
        path: path.read_bytes() for path in files if path.suffix in (".parquet", ".json", ".svg", ".html")
    }
    shutil.rmtree(copied / RUN / "atlas")
    cut = block / "evaluate.parquet"
    cut.write_bytes(before[cut][:-7])
    status, said = snakemake(copied)
    assert status != 0
    assert f"{RUN}/1/00000-00001/evaluate.parquet is damaged (" in said
    assert (
        f"): delete it and run again, or, where the run is finished, `snakemake {cut.relative_to(copied)}`."
        in said
    )
    assert "Traceback" not in said
    assert {path for path in before if not path.exists()} <= {
        path for path in before if "atlas" in path.parts or path.is_relative_to(block / "render")
    } | {copied / RUN / "summary.json"}
    cut.unlink()
    status, said = snakemake(copied)
    assert status == 0, said
    cut.unlink()  # now of a finished run
    status, said = snakemake(copied, str(cut.relative_to(copied)))
    assert status == 0, said
    before.pop(copied / RUN / "manifest.json")  # it tells times
    assert [str(path) for path, content in before.items() if path.read_bytes() != content] == []
