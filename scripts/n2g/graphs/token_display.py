"""Token text that people can read safely: invisible characters become visible.

Tokens come from models and corpora, so they contain line ends, control characters, bidirectional overrides and
lone bytes. Nothing here escapes for HTML or SVG: whoever writes markup does that.
"""

from __future__ import annotations

import unicodedata

_NAMED = {"\n": "⏎", "\r": "␍", "\t": "⇥", " ": "␣", "\u00a0": "⍽", "\x7f": "␡"}
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"}


def plain(text: str) -> str:
    """The text with spaces kept, and every other character that cannot be seen written out.

    >>> plain("a b\\n\\u202e")
    'a b⏎⟨U+202E⟩'
    """
    return "".join(character if character == " " else _visible(character) for character in text)


def visible(text: str) -> str:
    """One token's text with its spaces visible as well.

    >>> visible(" the"), visible(""), visible("\\u0301")
    ('␣the', '∅', '◌́')
    """
    shown = "".join(map(_visible, text))
    if shown and unicodedata.combining(shown[0]):
        shown = "◌" + shown
    return shown or "∅"


def elide(text: str, columns: int = 20) -> str:
    """The text, truncated to `columns` columns of a fixed-width font and then marked by `…`."""
    if width(text) <= columns:
        return text
    kept, used = [], 1
    for character in text:
        used += width(character)
        if used > columns:
            break
        kept.append(character)
    return "".join(kept) + "…"


def width(text: str) -> int:
    """Columns that the text takes in a fixed-width font (East Asian wide characters take two)."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def _visible(character: str) -> str:
    if character in _NAMED:
        return _NAMED[character]
    if ord(character) < 32:
        return chr(0x2400 + ord(character))
    if unicodedata.category(character) in _HIDDEN:
        return f"⟨U+{ord(character):04X}⟩"
    return character
