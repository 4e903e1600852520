"""Fetching: sources, checksums, unpacking, manifests. The network is replaced by local files."""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from wheels import save_wheel

from n2g.errors import InputError
from n2g.files.atomic import write_bytes
from n2g.texts.fetch import fetch, fetched_files, fetched_name, unpack
from n2g.texts.sources import Source, state_of, wanted_files


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel with a text and a program."""
    files = {"texts/a.txt": b"hello", "texts/code.py": b"raise SystemExit('this must never run')"}
    return save_wheel(tmp_path / "index", "texts", files, monkeypatch)


def test_a_wheel_gives_the_one_file(wheel: Path, tmp_path: Path) -> None:
    source = Source.parse("pypi:texts==1.0", "texts/a.txt", sha256(wheel.read_bytes()))
    manifest = fetch(source, tmp_path / "out", wanted_files("corpus"))
    assert manifest["files"] == {"texts/a.txt": sha256(b"hello")}
    (file,) = fetched_files(tmp_path / "out" / "fetched.json")
    assert file.read_text() == "hello"
    assert fetched_name(tmp_path / "out" / "fetched.json") == "texts"
    assert sorted(path.name for path in (tmp_path / "out").rglob("*") if path.is_file()) == [
        "a.txt",
        "fetched.json",
    ]


ENCODERS = [
    *("one/layer_1/cfg.json", "one/layer_1/w.safetensors", "one/layer_1/w.pt"),
    *("set/config.yaml", "set/layer_3.safetensors", "set/layer_4.safetensors", "set/layer_3.md"),
    *("sparse/config.json", "sparse/layers.3.mlp/cfg.json", "sparse/layers.3.mlp/sae.safetensors"),
    *("two/layer_1/w.npz", "two/layer_1/[a].npz"),
    *("pickles/layer_1/config.json", "pickles/layer_1/ae.pt"),
]


def save_encoders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, held: list[str]
) -> tuple[Source, list[str]]:
    """A wheel or a repository with these files, and a list of what comes out of it."""
    came: list[str] = []
    if kind == "repository":
        save_hub(tmp_path, monkeypatch, held, came)
        return Source.parse("hf:org/saes@v1"), came
    folders = {f"{parent}/" for name in held for parent in Path(name).parents if parent.name}
    entries = dict.fromkeys(sorted(folders), b"") | {name: name.encode() for name in held}
    path = save_wheel(tmp_path / "index", "texts", entries, monkeypatch)

    def unpack_and_tell(archive: Path, name: str, folder: Path) -> Path:
        came.append(name)
        return unpack(archive, name, folder)

    monkeypatch.setattr("n2g.texts.fetch.unpack", unpack_and_tell)
    return Source.parse("pypi:texts==1.0", None, sha256(path.read_bytes())), came


@pytest.mark.parametrize(
    ("only", "taken"),
    [
        (None, [name for name in ENCODERS if not name.endswith((".pt", ".md"))]),
        ("one", ENCODERS[:2]),
        ("one/layer_1/", ENCODERS[:2]),
        ("one/layer_*", ENCODERS[:2]),
        ("one/layer_1/w.*", ENCODERS[:2]),
        ("set/layer_3*", ["set/config.yaml", "set/layer_3.safetensors"]),
        ("set/layer_3.safetensors", ["set/config.yaml", "set/layer_3.safetensors"]),
        ("sparse/layers.3.mlp", ENCODERS[7:10]),
        ("*/layer_1/[[]a].npz", ["two/layer_1/[a].npz"]),
    ],
)
@pytest.mark.parametrize("kind", ["wheel", "repository"])
def test_encoders_of_a_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, only: str | None, taken: list[str]
) -> None:
    source, came = save_encoders(tmp_path, monkeypatch, kind, ENCODERS)
    manifest = fetch(source, tmp_path / "out", wanted_files("units"), only=only)
    assert list(manifest["files"]) == sorted(taken)
    assert sorted(came) == sorted(taken)
    files = tmp_path / "out" / "files"
    found = [path.relative_to(files).as_posix() for path in files.rglob("*") if path.is_file()]
    assert sorted(found) == sorted(taken)


@pytest.mark.parametrize(
    ("only", "said"),
    [
        ("three", r"three, contains none of \*\.safetensors, .*: correct units\.file\."),
        ("set/layer_3.md", r"set/layer_3\.md, contains none of .*: correct units\.file\."),
        ("pickles", r"pickles, has pickles \(pickles/layer_1/ae\.pt\), which can run code"),
        ("one/*.pt", r"one/\*\.pt, has pickles \(one/layer_1/w\.pt\), which can run code"),
    ],
)
@pytest.mark.parametrize("kind", ["wheel", "repository"])
def test_a_place_without_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, only: str, said: str
) -> None:
    source, came = save_encoders(tmp_path, monkeypatch, kind, ENCODERS)
    with pytest.raises(InputError, match=rf"^(texts|org/saes), {said}"):
        fetch(source, tmp_path / "out", wanted_files("units"), only=only)
    assert came == []


@pytest.mark.parametrize("held", [["a/ae.pt"], ["config.json", "a/ae.pt"]])
@pytest.mark.parametrize("kind", ["wheel", "repository"])
def test_a_source_of_pickles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, held: list[str]
) -> None:
    source, _ = save_encoders(tmp_path, monkeypatch, kind, held)
    with pytest.raises(InputError, match=r"^(texts|org/saes) has pickles \(a/ae\.pt\), which can run code"):
        fetch(source, tmp_path / "out", wanted_files("units"))


@pytest.mark.parametrize("given", [None, "0" * 64])
def test_a_missing_or_wrong_checksum_names_the_right_one(
    wheel: Path, tmp_path: Path, given: str | None
) -> None:
    source = Source.parse("pypi:texts==1.0", "texts/a.txt", given)
    with pytest.raises(InputError, match=sha256(wheel.read_bytes())):
        fetch(source, tmp_path / "out", wanted_files("corpus"))
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("text", "file", "said"),
    [
        ("pypi:texts==2.0", "texts/a.txt", "could not be downloaded"),
        ("pypi:texts==1.0", "texts/b.txt", "contains no file"),
    ],
)
def test_what_a_wheel_cannot_give(wheel: Path, tmp_path: Path, text: str, file: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        fetch(Source.parse(text, file, sha256(wheel.read_bytes())), tmp_path / "out", wanted_files("corpus"))


def test_unpacking_stays_in_its_folder_and_refuses_damage(tmp_path: Path) -> None:
    archive = tmp_path / "evil.whl"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("../evil.txt", "x")
    with pytest.raises(InputError, match="is outside"):
        unpack(archive, "../evil.txt", tmp_path / "inside")
    assert not (tmp_path / "evil.txt").exists()
    archive.write_bytes(archive.read_bytes()[:20])
    with pytest.raises(InputError, match="damaged"):
        unpack(archive, "a.txt", tmp_path / "inside")


def save_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: list[str], came: list[str] | None = None
) -> dict[str, str]:
    """Every repository of the hub holds these files; gives what was asked for last. came: gets what is downloaded."""
    hub = tmp_path / "hub"
    for name in names:
        (hub / name).parent.mkdir(parents=True, exist_ok=True)
        (hub / name).write_text(name)
    asked: dict[str, str] = {}

    def snapshot_download(
        name: str, *, local_dir: Path, allow_patterns: list, ignore_patterns: list | None, **more: str
    ) -> None:
        from huggingface_hub.utils import filter_repo_objects

        asked.update(more, name=name)
        for wanted in filter_repo_objects(
            names, allow_patterns=allow_patterns, ignore_patterns=ignore_patterns
        ):
            (local_dir / wanted).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(hub / wanted, local_dir / wanted)
            if came is not None:
                came.append(wanted)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    monkeypatch.setattr("huggingface_hub.list_repo_files", lambda *_, **__: names)
    return asked


def test_a_repository_gives_the_wanted_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["config.json", "model.safetensors", "pytorch_model.bin", "onnx/config.json", "data/a.jsonl"]
    asked = save_hub(tmp_path, monkeypatch, names)
    source = Source.parse("hf:org/model@abc123")
    assert list(fetch(source, tmp_path / "m", wanted_files("model"))["files"]) == [
        "config.json",
        "model.safetensors",
    ]
    assert asked == {"name": "org/model", "revision": "abc123", "repo_type": "model"}
    texts = fetch(
        Source.parse("hf:org/texts@v1", "data/a.jsonl"),
        tmp_path / "t",
        wanted_files("corpus"),
        repo_type="dataset",
    )
    assert list(texts["files"]) == ["data/a.jsonl"]
    assert asked["repo_type"] == "dataset"
    with pytest.raises(InputError, match="contains no file"):
        fetch(Source.parse("hf:org/texts@v1", "data/b.jsonl"), tmp_path / "t", wanted_files("corpus"))


def test_a_repository_out_of_reach_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def snapshot_download(*args: object, **more: object) -> None:
        raise ConnectionError("no route\nto the host")

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    with pytest.raises(InputError, match=r"org/model@v1 could not be downloaded \(no route\)"):
        fetch(Source.parse("hf:org/model@v1"), tmp_path / "m", wanted_files("model"))


def test_pickled_weights_are_wanted_by_one_loader_only() -> None:
    assert not any("pth" in name or "bin" in name for name in wanted_files("model"))
    assert any("pth" in name for name in wanted_files("model", "tl_legacy"))


def test_local_files_stay_where_they_are(tmp_path: Path) -> None:
    (tmp_path / "texts" / "deep").mkdir(parents=True)
    (tmp_path / "texts" / "deep" / "b.txt").write_text("b")
    (tmp_path / "texts" / "a.txt").write_text("a")
    (tmp_path / "texts" / "c.csv").write_text("c")
    fetch(Source.parse(str(tmp_path / "texts")), tmp_path / "out", wanted_files("corpus"))
    found = fetched_files(tmp_path / "out" / "fetched.json")
    assert found == [tmp_path / "texts" / "a.txt", tmp_path / "texts" / "deep" / "b.txt"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["fetched.json"]
    found[0].unlink()
    with pytest.raises(InputError, match=r"a\.txt is missing"):
        fetched_files(tmp_path / "out" / "fetched.json")


@pytest.mark.parametrize(
    ("name", "said"),
    [(b"caf\xe9.txt", "'.*/caf[?].txt' is not UTF-8: rename it"), (b"{x}.txt", "{x}.txt' has a brace")],
)
def test_names_that_snakemake_cannot_work_with(tmp_path: Path, name: bytes, said: str) -> None:
    (tmp_path / os.fsdecode(name)).write_text("a")
    with pytest.raises(InputError, match=said) as caught:
        Source.parse(str(tmp_path)).local_files(wanted_files("corpus"))
    assert str(caught.value).encode()
    assert Source.parse(str(tmp_path)).local_files(wanted_files("model")) == []


def refused(path: Path | str, said: str) -> None:
    """Neither the check before a run nor the look at the files lets the path through."""
    source = Source.parse(str(path))
    with pytest.raises(InputError, match=said) as caught:
        source.check_exists()
        source.local_files(wanted_files("corpus"))
    assert len(str(caught.value)) < 400


def test_what_is_neither_a_file_nor_a_folder(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.txt")
    refused(tmp_path / "a.txt", "a.txt' is neither a file nor a folder")
    refused("/dev/null", "'/dev/null' is neither a file nor a folder")
    refused(tmp_path, "a.txt' is a link to nothing, or no file")


def test_a_link_to_nothing_is_no_file_that_may_be_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "b.txt").symlink_to(tmp_path / "gone")
    refused(tmp_path, "b.txt' is a link to nothing, or no file: fetch what it stands for, or remove it")
    refused(tmp_path / "b.txt", "b.txt' does not exist")
    (tmp_path / "b.txt").unlink()
    (tmp_path / "b.csv").symlink_to(tmp_path / "gone")
    manifest = fetch(Source.parse(str(tmp_path)), tmp_path / ".out", wanted_files("corpus"))
    assert manifest["other_files"] == {".csv": 1}


def test_what_the_system_refuses_to_look_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "loop").symlink_to("loop")
    refused("x" * 5000, "'xxx.* cannot be read \\(File name too long\\): give another path")
    refused(
        tmp_path / "loop" / "a.txt", "cannot be read \\(Too many levels of symbolic links\\)|does not exist"
    )
    (tmp_path / "closed").mkdir()
    scan = os.scandir

    def closed(path: str) -> object:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", closed)
    refused(tmp_path, "closed' cannot be read \\(Permission denied\\)")
    assert Source.parse(str(tmp_path)).local_files(wanted_files("model")) == []  # looks into no other folder


@pytest.mark.parametrize("what", ["corpus", "model"])
def test_pointers_of_git_lfs_are_not_the_files(what: str, tmp_path: Path) -> None:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 9\n"
    for name in ("a.txt", "model.safetensors"):
        (tmp_path / name).write_text(pointer)
    with pytest.raises(InputError, match="is a pointer of Git LFS, not the file itself: run `git lfs pull`"):
        fetch(Source.parse(str(tmp_path)), tmp_path / "out", wanted_files(what))


def test_the_state_of_files_is_their_size_and_time(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("a")
    os.utime(file, (1, 1))
    state = state_of([file])
    copy = Path(shutil.copy2(file, tmp_path / "b.txt"))
    assert state_of([copy]) == state
    os.utime(copy, (0, 0))
    assert state_of([copy]) != state
    copy.write_text("ab")
    os.utime(copy, (1, 1))
    assert state_of([copy]) != state
    assert state_of([tmp_path / "none"]) == state_of([])


def test_a_local_file_is_checked(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    fetch(Source.parse(str(tmp_path), "a.txt", sha256(b"a")), tmp_path / "out", wanted_files("corpus"))
    with pytest.raises(InputError, match=sha256(b"a")):
        fetch(
            Source.parse(str(tmp_path / "a.txt"), None, sha256(b"b")),
            tmp_path / "out",
            wanted_files("corpus"),
        )
    with pytest.raises(InputError, match="contains none of"):
        fetch(Source.parse(str(tmp_path)), tmp_path / "out", wanted_files("model"))
    (tmp_path / "a.gguf").touch()
    with pytest.raises(InputError, match=r"is a folder of \.gguf files: name one in model\.file"):
        fetch(Source.parse(str(tmp_path)), tmp_path / "out", wanted_files("model"))


def test_different_sources_have_different_folders() -> None:
    texts = [
        ("pypi:a==1", "f", "0" * 64),
        ("pypi:a==1", "g", "0" * 64),
        ("pypi:a==2", "f", "0" * 64),
        ("a", None, None),
    ]
    keys = {Source.parse(*text).key for text in texts}
    assert len(keys) == len(texts)
    assert keys == {Source.parse(*text).key for text in texts}


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f"
    write_bytes(path, b"old")
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_bytes(path, b"new")
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("f", b"old")]


def test_the_program_says_one_sentence_and_fails(tmp_path: Path) -> None:
    script = Path(__file__).parents[2] / "scripts" / "fetch.py"
    command = [sys.executable, script, "model", "--source", "pypi:a", "--output", tmp_path / "fetched.json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines() == [
        "'pypi:a' has no exact version: write it as pypi:NAME==VERSION."
    ]
