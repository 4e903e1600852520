"""A disk that fills up while a library or another program writes: one sentence about it, not about something else."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tiny
from wheels import save_wheel

from n2g.errors import exit_with_sentence, why_not_written

SCRIPTS = Path(__file__).parents[2] / "scripts"
MAY_MOUNT = (
    shutil.which("unshare") is not None
    and subprocess.run(["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"], stderr=-3).returncode
    == 0
)
on_a_full_disk = pytest.mark.skipif(not MAY_MOUNT, reason="only root may mount a file system, if anyone")


def program(folder: Path, size: str, command: list[object], **variables: str) -> list[str]:
    """Run a program in a folder whose folder `made` is a disk of some size; the last line that it says, and what is
    left on the disk."""
    (folder / "made").mkdir(exist_ok=True)
    shell = f'mount -t tmpfs -o size={size} none made; "$@" >said 2>&1; echo $? >rc; find made -type f >left'
    words = ["unshare", "--mount", "bash", "-c", shell, "-", sys.executable, *map(str, command)]
    subprocess.run(words, cwd=folder, env=os.environ | variables, check=True)
    said = (folder / "said").read_text()
    assert (folder / "rc").read_text() == "1\n", said
    assert "Traceback" not in said
    return [said.splitlines()[-1], *(folder / "left").read_text().split()]


def sentence(path: str) -> str:
    return (
        f"{path} cannot be written (No space left on device): free space or fix the permissions, then run again; what "
        "is finished is kept."
    )


def manifest(folder: Path, *files: Path) -> Path:
    """The manifest of local files."""
    path = folder / "fetched.json"
    root = str(files[0].parent)
    content = {"source": {"name": "model"}, "root": root, "files": {file.name: "" for file in files}}
    path.write_text(json.dumps(content | {"other_files": {}}))
    return path


@on_a_full_disk
def test_the_conversion_of_a_model(tmp_path: Path) -> None:
    given = manifest(tmp_path, tiny.save_gguf(tmp_path / "model.gguf"))
    command = [SCRIPTS / "checkpoint.py", "--model", given, "--output", "made/m/checkpoint.json"]
    assert program(tmp_path, "60k", command) == [sentence("made/m")], "and room is made again"


@on_a_full_disk
def test_the_tokenizer_is_not_blamed(tmp_path: Path) -> None:
    """It is read well, and then cannot be written in its other form."""
    model = tiny.save_gpt2(tmp_path / "model")
    words = json.loads((model / "tokenizer.json").read_text())["model"]["vocab"]
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (model / name).unlink(missing_ok=True)
    (model / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (model / "merges.txt").write_text("#version: 0.2\n")
    given = manifest(tmp_path, *sorted(model.iterdir()))
    command = [SCRIPTS / "checkpoint.py", "--model", given, "--output", "made/m/checkpoint.json"]
    assert program(tmp_path, "8k", command) == [sentence("made/m")]


@on_a_full_disk
def test_a_wheel_does_not_blame_the_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = save_wheel(tmp_path / "index", "texts", {"texts/a.txt": os.urandom(300_000)}, monkeypatch)
    source = ["--source", "pypi:texts==1.0", "--file", "texts/a.txt", "--output", "made/t/fetched.json"]
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    command = [SCRIPTS / "fetch.py", "corpus", *source, "--sha256", digest]
    for size in ("100k", "400k"):  # for the wheel itself, and for what is in it
        assert program(tmp_path, size, command) == [sentence("made/t")]


@on_a_full_disk
@pytest.mark.parametrize("room", [500, 1100], ids=["before MkDocs", "within MkDocs"])
def test_the_site(copied: Path, room: int) -> None:
    shutil.rmtree(copied / "results" / "tiny" / "atlas")
    used = sum(file.stat().st_blocks for file in (copied / "results").rglob("*")) // 2
    (copied / "results").rename(copied / "old")
    (copied / "results").mkdir()
    shell = f"mount -t tmpfs -o size={used + room}k none results && cp -a old/. results && exec "
    words = ["unshare", "--mount", "bash", "-c", f"{shell}{sys.executable} -m snakemake"]
    done = subprocess.run(words, cwd=copied, capture_output=True, text=True)
    assert done.returncode
    assert f"\n{sentence('results/tiny/atlas')}\nLog: results/tiny/logs/atlas.log\n" in done.stderr
    assert "Traceback" not in done.stderr


def test_whatever_else_meets_a_full_disk_says_so(capsys: pytest.CaptureFixture) -> None:
    with (
        pytest.raises(SystemExit, match=r"^/tmp/x cannot be written \(No space left on device\)"),
        exit_with_sentence(),
    ):
        raise OSError(28, "No space left on device", "/tmp/x")
    with pytest.raises(SystemExit, match=r"^A file cannot be written"), exit_with_sentence():
        try:
            raise OSError(122, "Disk quota exceeded")
        except OSError as error:
            raise ValueError("a library's own error") from error
    with pytest.raises(ZeroDivisionError), exit_with_sentence():
        raise ZeroDivisionError
    assert why_not_written(PermissionError(13, "Permission denied")) is None
