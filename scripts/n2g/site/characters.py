"""The classes of characters by which the pages' scripts show tokens, written from those of `token_display`.

Browsers know other versions of Unicode than Python does; written out, the classes are the same everywhere.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

from n2g.graphs.token_display import MARKER, NAMED, is_hidden, is_mark


def script() -> str:
    """The constants that `js/token_display.js` begins with."""
    constants = {
        "NAMED": json.dumps(NAMED),
        "MARKER": json.dumps(MARKER),
        "HIDDEN": _regex(is_hidden),
        "MARK": _regex(is_mark),
    }
    lines = ["// The next lines are written from scripts/n2g/graphs/token_display.py when the site is built."]
    return "\n".join([*lines, *(f"const {name} = {value};" for name, value in constants.items()), ""])


def _regex(belongs: Callable[[str], bool]) -> str:
    """A regular expression for the characters of a class, as ranges of code points."""
    ranges: list[list[int]] = []
    for code in filter(lambda code: belongs(chr(code)), range(sys.maxunicode + 1)):
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "/[" + "".join(f"\\u{{{first:x}}}-\\u{{{last:x}}}" for first, last in ranges) + "]/u"
