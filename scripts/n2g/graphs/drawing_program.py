"""The Graphviz program that places the nodes of drawings."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from n2g.errors import InputError


def find_program(name: str) -> str:
    """The path of a Graphviz program, looked for beside Python first. Raises InputError where it is not installed."""
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    found = shutil.which(name, path=places)
    if not found:
        raise InputError(
            f"dot: the program {name!r} is not installed: install Graphviz, or set dot to graphviz-pure."
        )
    return found
