"""The errors that a user can cause, and how a script reports them."""

from __future__ import annotations

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


class ConfigError(InputError):
    """A configuration value is wrong; the message starts with the key's dotted path."""


def first_line(error: Exception) -> str:
    """The first line of a library's error without its full stop, or the error's name; to be used within a sentence.

    A line that only announces the next, as in "Error(s) in loading state_dict:", brings that along.
    """
    lines = [" ".join(line.split()) for line in str(error).splitlines() if line.strip()] or [
        type(error).__name__
    ]
    last = next((number for number, line in enumerate(lines) if not _announces(line)), len(lines) - 1)
    return " ".join(lines[: last + 1]).rstrip(".:")


def _announces(line: str) -> bool:
    return line.endswith(":") or re.match(r"\d{3} (Client|Server) Error", line) is not None


@contextmanager
def exit_with_sentence() -> Generator[None]:
    """On :class:`InputError`, end the program with status 1 and nothing but the sentence on stderr.

    The same applies if the GPU runs out of memory and smaller batches do not help.
    """
    try:
        yield
    except InputError as error:
        sys.exit(str(error))
    except RuntimeError as error:
        if type(error).__name__ != "OutOfMemoryError":  # torch's, which most programs do without
            raise
        sys.exit(
            "the GPU's memory is full, even with small batches: end other programs that use it, select fewer"
            " neurons, or set device: cpu; what is finished is kept."
        )
