"""Writing files and folders so that they are complete from the moment they exist, whatever is killed when."""

from __future__ import annotations

import glob
import os
import shutil
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from n2g.errors import InputError, not_written, why_not_written


@contextmanager
def replacing(path: Path) -> Generator[Path]:
    """A temporary path beside ``path`` for a file or folder, renamed to it if the block succeeds, else removed.

    What a killed program left of the same path is removed too. Should that program still run, it can then no
    longer finish.

    Raises:
        InputError: the block or the renaming could not write, for example on a full disk.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
            _remove(left)
        yield temporary
        if path.is_dir():
            shutil.rmtree(path)
        temporary.replace(path)
    except InputError:
        raise
    except Exception as error:
        why = why_not_written(error)
        if why is None and not isinstance(error, OSError):
            raise
        raise not_written(path, why or getattr(error, "strerror", None) or error) from error
    finally:
        _remove(temporary)


@contextmanager
def filling(folder: Path) -> Generator[None]:
    """Say in a sentence that a folder cannot be filled, since the disk is full. It may hold unfinished files then.

    Raises:
        InputError: for what any library that writes in the block says of a full disk.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if why := why_not_written(error):
            raise not_written(folder, why) from error
        raise


@contextmanager
def scratch_database(folder: Path) -> Generator[sqlite3.Connection]:
    """An SQLite database on disk for data that may not fit in memory; it disappears with the block, or the program.

    Raises:
        OSError: it could not be written in ``folder``, for example on a full disk.
    """
    with NamedTemporaryFile(dir=folder, prefix=".") as file:
        database = sqlite3.connect(file.name, isolation_level=None)
        try:
            for setting in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-16384"):
                database.execute(f"PRAGMA {setting}")
            database.execute("BEGIN")
            yield database
        except sqlite3.OperationalError as error:
            raise OSError(str(error)) from error
        finally:
            database.close()


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a whole file at once: to a temporary name in the same folder, then rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
