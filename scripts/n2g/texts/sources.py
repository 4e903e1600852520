"""Where models and texts come from, and how they are fetched.

A source is ``pypi:NAME==VERSION`` (one file out of a wheel, which is downloaded but never installed),
``hf:ORG/NAME@REVISION`` (a Hugging Face repository), or a local path. Nothing fetched is ever executed, and
pickled weights are only taken for the one loader that needs them (and then read as plain tensors).
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from n2g.errors import InputError, first_line
from n2g.files.atomic import write_bytes
from n2g.files.digests import file_digest

MANIFEST = "fetched.json"
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
)
MODEL_FILES = (
    "config.json",
    "generation_config.json",
    "*.safetensors",
    "model.safetensors.index.json",
    *TOKENIZER_FILES,
)
LEGACY_FILES = ("config.json", "*final.pth")
TEXT_SUFFIXES = (".json", ".jsonl", ".parquet", ".txt")
TEXT_FILES = tuple(f"**/*{suffix}" for suffix in TEXT_SUFFIXES)
_NO_TEXTS = ("dataset_info.json", "dataset_infos.json", "state.json")  # metadata of Hugging Face data sets


def wanted_files(what: str, loader: str = "auto") -> tuple[str, ...]:
    """Name patterns of the files wanted from a source that names no single one.

    Args:
        what: ``model``, ``tokenizer`` or ``corpus``.
        loader: the model's loader; only ``tl_legacy`` wants pickled weights.
    """
    if loader == "tl_legacy":
        return LEGACY_FILES + TOKENIZER_FILES
    return {"model": MODEL_FILES, "tokenizer": TOKENIZER_FILES, "corpus": TEXT_FILES}[what]


_PYPI = re.compile(r"pypi:([A-Za-z0-9][A-Za-z0-9._-]*)==([A-Za-z0-9][A-Za-z0-9.!+_-]*)")
_HF = re.compile(r"hf:([A-Za-z0-9][\w.-]*(?:/[A-Za-z0-9][\w.-]*)?)@([\w./-]+)")


@dataclass(frozen=True)
class Source:
    """A parsed source.

    Attributes:
        kind: ``pypi``, ``hf`` or ``local``.
        name: the package, the repository or the path.
        version: version or revision; empty for a local path.
        file: path of the one file wanted inside the source, or None for all that fit.
        sha256: expected SHA-256 in hexadecimal, or None.
    """

    kind: str
    name: str
    version: str = ""
    file: str | None = None
    sha256: str | None = None

    @classmethod
    def parse(cls, text: str, file: str | None = None, sha256: str | None = None) -> Source:
        """Read a source's text form.

        Raises:
            InputError: the text has none of the three forms, or ``file`` leads out of the source.
        """
        if file is not None and (PurePosixPath(file).is_absolute() or ".." in PurePosixPath(file).parts):
            raise InputError(f"the file {file!r} is outside the source: give a path inside it.")
        if text.startswith("pypi:"):
            if not (match := _PYPI.fullmatch(text)):
                raise InputError(f"{text!r} has no exact version: write it as pypi:NAME==VERSION.")
            return cls("pypi", match[1], match[2], file, sha256)
        if text.startswith("hf:"):
            if not (match := _HF.fullmatch(text)):
                raise InputError(f"{text!r} has no fixed revision: write it as hf:ORG/NAME@REVISION.")
            return cls("hf", match[1], match[2], file, sha256)
        return cls("local", text, "", file, sha256)

    @property
    def key(self) -> str:
        """Name of the folder for what is fetched: readable, and different for every different source."""
        digest = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()
        stem = Path(self.name).name if self.kind == "local" else f"{self.name}-{self.version}"
        return f"{re.sub(r'[^A-Za-z0-9.]+', '-', stem).strip('-.')[:60]}-{digest[:12]}"

    @property
    def path(self) -> Path:
        """The local file or folder that is meant (local sources only)."""
        return Path(self.name, self.file) if self.file else Path(self.name)

    @property
    def is_single_file(self) -> bool:
        """Whether the source stands for one file whose SHA-256 can be checked."""
        return self.file is not None or (self.kind == "local" and self.path.is_file())

    def check_exists(self) -> None:
        """Raise :class:`InputError` if this is a local path and nothing is there."""
        if self.kind == "local" and not self.path.exists():
            raise InputError(
                f"{str(self.path)!r} does not exist: give the path of a file or folder that does."
            )

    def local_files(self, patterns: tuple[str, ...]) -> list[Path]:
        """The files that a local source stands for, sorted: itself, or those in it that fit a pattern.

        There are none for a download.
        """
        if self.kind != "local":
            return []
        return matching_files(self.path, patterns) if self.path.is_dir() else [self.path]


def matching_files(folder: Path, patterns: tuple[str, ...]) -> list[Path]:
    """Files in a folder whose names fit one of the patterns (``**/`` means: at any depth), sorted by path."""
    found = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    return sorted(path for path in found if path.name not in (MANIFEST, *_NO_TEXTS))


def fetch(source: Source, folder: Path, patterns: tuple[str, ...], *, repo_type: str = "model") -> dict:
    """Fetch a source into a folder and write its manifest, ``fetched.json``, last.

    Local files are not copied; the manifest names where they are.

    Args:
        source: what to fetch.
        folder: where to; files from an earlier, different fetch in it are removed.
        patterns: names of the files wanted when the source names no single one.
        repo_type: ``model`` or ``dataset``, for Hugging Face repositories.

    Returns:
        The manifest: ``source`` (its fields), ``root`` (folder of the files, relative to the manifest or
        absolute) and ``files`` (path below the root -> SHA-256 in hexadecimal).

    Raises:
        InputError: the source cannot be had, has no such file, or has another SHA-256.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".incoming-") as temporary:
        incoming = Path(temporary)
        if source.kind == "pypi":
            _fetch_wheel(source, incoming)
        elif source.kind == "hf":
            _fetch_repository(source, incoming, (source.file,) if source.file else patterns, repo_type)
        manifest = _place(source, incoming, folder, patterns)
    write_bytes(folder / MANIFEST, (json.dumps(manifest, indent=1, sort_keys=True) + "\n").encode())
    return manifest


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


def _read_manifest(manifest: Path) -> dict:
    try:
        return json.loads(manifest.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{manifest} cannot be read: delete its folder and run again.") from error


def _place(source: Source, incoming: Path, folder: Path, patterns: tuple[str, ...]) -> dict:
    """Check what came in, move it to its place, and describe it."""
    if source.kind == "local":
        source.check_exists()
        files = [file.absolute() for file in source.local_files(patterns)]
        root = source.path.absolute() if source.path.is_dir() else source.path.absolute().parent
    else:
        files = [incoming / source.file] if source.file else matching_files(incoming, patterns)
        root = incoming
    if not files:
        raise InputError(f"{source.name} contains none of {', '.join(patterns)}: choose another source.")
    digests = {file.relative_to(root).as_posix(): file_digest(file) for file in files}
    if source.kind != "pypi" and source.sha256:
        _check_digest(source.name, next(iter(digests.values())), source.sha256)
    if source.kind != "local":
        shutil.rmtree(folder / "files", ignore_errors=True)
        for name in digests:
            target = folder / "files" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            (incoming / name).replace(target)
    where = str(root) if source.kind == "local" else "files"
    return {"source": asdict(source), "root": where, "files": digests}


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


def _fetch_wheel(source: Source, incoming: Path) -> None:
    """Download a wheel, check it, and take one file out of it."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--quiet"]
    command += ["--disable-pip-version-check", "--dest", str(incoming), f"{source.name}=={source.version}"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
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
    unpack(wheels[0], source.file or "", incoming)
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


def _fetch_repository(source: Source, incoming: Path, patterns: tuple[str, ...], repo_type: str) -> None:
    """Download the wanted files of a Hugging Face repository at its revision."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        snapshot_download(
            source.name,
            repo_type=repo_type,
            revision=source.version,
            allow_patterns=[pattern.removeprefix("**/") for pattern in patterns],
            ignore_patterns=None if source.file or patterns[0].startswith("**/") else ["*/*"],
            local_dir=incoming,
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        raise InputError(
            f"{source.name}@{source.version} could not be downloaded ({first_line(error)}): check the name, the "
            "revision and the connection."
        ) from error
    if source.file and not (incoming / source.file).is_file():
        raise InputError(
            f"{source.name}@{source.version} contains no file {source.file!r}: check the key file."
        )
