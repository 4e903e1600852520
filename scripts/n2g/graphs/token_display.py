"""Token text that people can read safely: what cannot be seen is written out.

Tokens come from models and corpora, so they contain line ends, control characters, bidirectional overrides, marks
without a letter and lone bytes. Nothing here escapes for HTML or SVG: whoever writes markup does that.

The pages do the same in `site/static/js/token_display.js`. Which characters are which is decided here alone:
`n2g.site.characters` writes the scripts their classes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from contextlib import suppress

NAMED = {"\n": "⏎", "\r": "␍", "\t": "⇥", " ": "␣", "\u00a0": "⍽", "\x7f": "␡"}
NAMED |= {chr(code): chr(0x2400 + code) for code in range(32) if chr(code) not in NAMED}
MARKER = "⁞"  # a token that holds a part of a character only

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"}
# Letters, marks and symbols without ink: what Unicode calls default ignorable, then blanks that fonts draw as such.
_BLANK = {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180F, 0x3164, 0xFFA0, *range(0x180B, 0x180E)}
_BLANK |= {*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0), 0x2800, 0xFFFC, 0x16FE4, 0x1D159}
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")
_PIECE = re.compile(r"<0x[0-9A-F]{2}>|.", re.DOTALL)


def is_hidden(character: str) -> bool:
    """Whether nobody can see the character."""
    return unicodedata.category(character) in _HIDDEN or ord(character) in _BLANK


def is_mark(character: str) -> bool:
    """Whether the character is drawn on the letter before it."""
    return unicodedata.category(character)[0] == "M" and not is_hidden(character)


def plain(text: str) -> str:
    """Running text: its spaces are kept, and every other character that cannot be seen is written out.

    >>> plain("a b\\n\\u202e")
    'a b⏎⟨U+202E⟩'
    """
    return _shown(text, " ", based=True)[0]


def visible(text: str) -> str:
    """One token's text with its spaces visible as well.

    >>> visible(" the"), visible(""), visible("\\u0301"), visible("\\ufe0f")
    ('␣the', '∅', '◌́', '⟨U+FE0F⟩')
    """
    return _shown(text, "", based=False)[0] or "∅"


def excerpt(texts: Sequence[str]) -> list[str]:
    """Consecutive tokens of a text as they are shown: like `plain`, with characters put together from their bytes.

    >>> excerpt([" a", "\\u0301", "\\n", "\\u0301", "<0xE6><0xB0>", "<0xB4>"])
    [' a', '́', '⏎', '◌́', '⁞', '水']
    """
    shown, based = [], False
    for text in whole_characters(texts):
        words, based = _shown(text, " ", based)
        shown.append(words)
    return shown


def whole_characters(texts: Sequence[str]) -> list[str]:
    """Texts of consecutive tokens, in which a character whose bytes are spread over tokens can be read.

    It stands at its last token, where a model has read all of it, and MARKER at those before. Bytes that make no
    character stay as they are.

    >>> whole_characters(["<0xE6>", "<0xB0>", "<0xB4><0xE6>", "!"])
    ['⁞', '⁞', '水<0xE6>', '!']
    """
    if not any("<0x" in text for text in texts):
        return list(texts)
    pieces = [(at, piece) for at, text in enumerate(texts) for piece in _PIECE.findall(text)]
    whole, number = [""] * len(texts), 0
    while number < len(pieces):
        count, text = _character(pieces[number : number + 4])
        *parts, last = (at for at, _ in pieces[number : number + count])
        for at in dict.fromkeys(parts):
            whole[at] += MARKER * (at != last)
        whole[last] += text
        number += count
    return whole


def _character(pieces: Sequence[tuple[int, str]]) -> tuple[int, str]:
    """How many pieces, from the first on, show as one text, and that: a character that tokens share, or the first."""
    found = [_BYTE.fullmatch(piece) for _, piece in pieces]
    content = bytes(int(one[1], 16) for one in found if one) if found[0] else b""
    count = 4 if content >= b"\xf0" else 3 if content >= b"\xe0" else 2
    if all(found[:count]) and len(content) >= count and pieces[0][0] != pieces[count - 1][0]:
        with suppress(UnicodeDecodeError):
            return count, content[:count].decode()
    return 1, pieces[0][1]


def has_code(shown: str) -> bool:
    """Whether what is shown of a token has bytes or characters written out: words that are not the text's own."""
    return "⟨U+" in shown or "<0x" in shown


def isolated(shown: str) -> str:
    """A token within a sentence: right-to-left text reads in its own direction and leaves the rest in place."""
    if any(unicodedata.bidirectional(character) in ("R", "AL") for character in shown):
        return f"\u2068{shown}\u2069"
    return shown


def shortened(text: str, most: int) -> str:
    """At most so many characters of the text, the last of them `…` where some are left out."""
    return text if len(text) <= most else text[: most - 1] + "…"


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
        0
        if unicodedata.category(character) in ("Mn", "Me")
        else 2
        if unicodedata.east_asian_width(character) in "WF"
        else 1
        for character in text
    )


def _shown(text: str, kept: str, based: bool) -> tuple[str, bool]:
    """The text with what is not `kept` written out, and whether a mark that follows has a letter to be drawn on.

    based: the same of what precedes the text.
    """
    if text and text.isascii() and text.isprintable():  # most tokens
        return text if kept else text.replace(" ", NAMED[" "]), text[-1] != " "
    shown = []
    for character in text:
        written = character if character in kept else _written(character)
        if is_mark(character) and not based:
            written = "◌" + written
        based = character not in (" ", MARKER) and not is_hidden(character)
        shown.append(written)
    return "".join(shown), based


def _written(character: str) -> str:
    if character in NAMED:
        return NAMED[character]
    return f"⟨U+{ord(character):04X}⟩" if is_hidden(character) else character
