"""The errors that a user can cause, and how a script reports them."""

from __future__ import annotations

import errno
import re
import sys
from collections.abc import Generator
from contextlib import contextmanager


class InputError(Exception):
    r"""Something outside the program is wrong: a file, a download or a setting.

    The message is one sentence that names what is wrong and what to do about it; scripts print it as it is,
    without a traceback. What it quotes may hold anything: line ends become spaces, and what a terminal might obey is
    written as Python writes it.

    >>> print(InputError("no key\n\x1b[31m: remove it."))
    no key \x1b[31m: remove it.
    """

    def __str__(self) -> str:
        said = " ".join(super().__str__().splitlines())
        return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in said)


WARNING = "Warning: "  # begins the line of a job's log that is shown again at the end of the run


def warn(sentence: str) -> None:
    """Say in a job's log, and at the end of the run, what went on otherwise than a user may expect."""
    print(f"{WARNING}{sentence}", flush=True)


class ConfigError(InputError):
    """A configuration value is wrong; the message starts with the key's dotted path."""


def first_line(error: BaseException) -> str:
    """The first line of a library's error without its full stop, or the error's name; to be used within a sentence.

    A line that only announces the next, as in "Error(s) in loading state_dict:", brings that along.
    """
    said = f"there is no {error}" if isinstance(error, KeyError) and len(error.args) == 1 else str(error)
    lines = [" ".join(line.split()) for line in said.splitlines() if line.strip()] or [type(error).__name__]
    last = next((number for number, line in enumerate(lines) if not _announces(line)), len(lines) - 1)
    return " ".join(lines[: last + 1]).rstrip(".:")


def _announces(line: str) -> bool:
    return line.endswith(":") or re.match(r"\d{3} (Client|Server) Error", line) is not None


# What only the machine can be blamed for.
_OF_THE_MACHINE = {
    *(errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE, errno.ELOOP),
    *(errno.ENAMETOOLONG, errno.EMFILE, errno.ENFILE, errno.ENOMEM),
}
_NOT_WRITTEN = re.compile(
    "No space left on device|Disk quota exceeded|File too large|Read-only file system|database or disk is full"
)


def why_not_written(said: BaseException | str | None) -> str | None:
    """What the system says of a disk that takes no more, or None where an error is another one.

    Libraries have errors of their own for that, and other programs only words.
    """
    while isinstance(said, BaseException):
        if found := _NOT_WRITTEN.search(str(said)):
            return found[0]
        said = said.__cause__ or said.__context__
    found = _NOT_WRITTEN.search(said or "")
    return found[0] if found else None


def not_written(path: object, why: object) -> InputError:
    """The sentence about what cannot be written."""
    return InputError(
        f"{path} cannot be written ({why}): free space or fix the permissions, then run again; what is finished is "
        "kept."
    )


@contextmanager
def exit_with_sentence() -> Generator[None]:
    """On :class:`InputError`, end the program with status 1 and nothing but the sentence on stderr.

    The same applies to what the machine refuses: a full disk or memory, a file without permission.
    """
    try:
        yield
    except InputError as error:
        sys.exit(str(error))
    except Exception as error:
        if why := why_not_written(error):
            sys.exit(str(not_written(getattr(error, "filename", None) or "A file", why)))
        if (said := _of_the_machine(error)) is None:
            raise
        sys.exit(str(InputError(said)))


def _of_the_machine(error: Exception) -> str | None:
    if type(error).__name__ == "OutOfMemoryError":  # torch's, which most programs do without
        return (
            "the GPU's memory is full, even with small batches: end other programs that use it, select fewer"
            " neurons, or set device: cpu; what is finished is kept."
        )
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
        return (
            "the memory is full: end other programs, run one job at a time with --cores 1, or select fewer neurons;"
            " what is finished is kept."
        )
    if isinstance(error, OSError) and error.errno in _OF_THE_MACHINE:
        return (
            f"{error.filename or 'a file'} cannot be used ({error.strerror}): mend this and run again; "
            "what is finished is kept."
        )
    return None
