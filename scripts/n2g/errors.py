"""The errors that a user can cause, and how a script reports them."""

from __future__ import annotations

import sys
from collections.abc import Callable

from n2g.orphan import end_with_workflow


class InputError(Exception):
    """Something outside the program is wrong: a file, a download, a setting.

    The message is one sentence that names what is wrong and what to do about it; scripts print it as it is,
    without a traceback.
    """


class ConfigError(InputError):
    """A configuration value is wrong; the message starts with the key's dotted path."""


def run_script(main: Callable[[], None]) -> None:
    """Run a script's ``main``; on :class:`InputError` print its sentence on stderr and exit with status 1.

    Anything else is a defect of the program, so its traceback is shown. Run by a workflow, it ends with that.
    """
    end_with_workflow()
    try:
        main()
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
