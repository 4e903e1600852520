"""The errors that a user can cause, and how a script reports them."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager


class InputError(Exception):
    """Something outside the program is wrong: a file, a download, a setting.

    The message is one sentence that names what is wrong and what to do about it; scripts print it as it is,
    without a traceback.
    """


class ConfigError(InputError):
    """A configuration value is wrong; the message starts with the key's dotted path."""


def first_line(error: Exception) -> str:
    """What a library's error says first, without the full stop, or the error's name; for a part of a sentence."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


@contextmanager
def exit_with_sentence() -> Generator[None]:
    """On :class:`InputError`, end the program with status 1 and nothing but the sentence on stderr.

    So too where the GPU's memory is full and smaller batches have not helped.
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
