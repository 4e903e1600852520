"""The language of rules: how a rule is written in one line, and how a line is read.

    Black|Red|Green … Sea; Kath-mand|-entric

fires on the token " Sea" some tokens after " Black", " Red" or " Green", on "mand" right after " Kath", and on
"entric". docs/rules.md has the grammar. `site/static/js/rule.js` reads lines in the same way.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import product
from math import prod
from typing import Any

from n2g.errors import InputError
from n2g.graphs.elements import START, WILDCARD, Element, gap, one_of
from n2g.graphs.rule import Elements, Rule
from n2g.graphs.token_display import is_hidden, is_mark

FAR = 31  # tokens that a gap without a number skips at most
MOST = 1000  # patterns that a line may stand for

_LETTERS = r'[^ \t\n\r|;…∗*^"#-]+'
_PART = re.compile(
    rf"""(?P<blank>[ \t\n\r]+) | (?P<gap>(?:…|\.\.\.)(?P<longest>[0-9]{{0,4}})) | (?P<wildcard>[∗*])
    | (?P<start>\^) | (?P<or>\|) | (?P<end>;) | \#(?P<id>[0-9]{{1,9}})
    | "(?P<quoted>(?:[^"\\]|\\.)*)" | (?P<word>-?{_LETTERS}(?:-{_LETTERS})*)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:u\{([0-9A-Fa-f]{1,6})\}|(.))", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}

Token = str | int  # its text, or its id
Step = dict[str, Any]  # {"words": alternatives, each a list of tokens} or {"kind": ..., "max": ...}


def parse(line: str) -> list[list[Step]]:
    """The patterns of a line, each in the order of the text. Raises InputError, with the place, where it is none."""
    patterns: list[list[Step]] = [[]]
    at, joins = 0, False  # joins: a "|" was read, and its second word is awaited
    while at < len(line):
        found = _PART.match(line, at)
        if not found:
            raise _wrong(line, at, "is not understood here")
        kind = found.lastgroup if found.lastgroup != "longest" else "gap"
        pattern = patterns[-1]
        if kind == "end":
            if joins:
                raise _wrong(line, at, "follows a | that needs a word after it")
            patterns.append([])
        elif kind == "or":
            if joins or not pattern or "words" not in pattern[-1]:
                raise _wrong(line, at, "needs a word before it")
            joins = True
        elif kind in ("id", "quoted", "word"):
            word = _word(found, line)
            if joins:
                pattern[-1]["words"].append(word)
            else:
                pattern.append({"words": [word]})
            joins = False
        elif kind != "blank":
            if joins:
                raise _wrong(line, at, "follows a | that needs a word after it")
            if kind == "start" and pattern:
                raise _wrong(line, at, "stands for the start of a text, so nothing can stand before it")
            longest = found["longest"]
            pattern.append({"kind": kind} | ({"max": int(longest or FAR)} if kind == "gap" else {}))
        at = found.end()
    if joins:
        raise _wrong(line, len(line), "ends with a | that needs a word after it")
    patterns = [pattern for pattern in patterns if pattern]
    for pattern in patterns:
        if pattern[-1].get("kind") in ("gap", "start"):
            raise InputError(
                f"the rule {line!r} has a pattern without a token at its end: name the one that fires."
            )
    return patterns


class Spelling:
    """How the tokens of one model are written in rules.

    words: the text of each token id.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = words

    @cached_property
    def _ids(self) -> Mapping[str, int | None]:
        """Text -> id; None where several tokens have it."""
        found: dict[str, int | None] = {}
        for token, text in enumerate(self.words):
            found[text] = None if text in found else token
        return found

    def write(self, rule: Rule) -> str:
        """The rule in one line; `read` gives it back."""
        parts: list[str] = []
        chained = False
        for elements in rule.patterns:
            written = [self._element(element) for element in reversed(elements)]
            rest = written[1:]
            word = all(e.kind == "token" for e in elements) and all(part.startswith("-") for part in rest)
            word = word and (not rest or not written[0].startswith(('"', "#")))
            text = "".join(written) if word else " ".join(written)
            if word and chained:
                parts[-1] += f"|{text}"
            else:
                parts.append(text)
            chained = word
        return "; ".join(parts)

    def read(self, line: str) -> Rule:
        """The rule of a line. Raises InputError where the line is wrong or names what is no token."""
        patterns: list[Elements] = []
        for pattern in parse(line):
            choices = [_choices(step, len(pattern) == 1) for step in pattern]
            if prod(map(len, choices)) + len(patterns) > MOST:
                raise InputError(f"the rule stands for more than {MOST} patterns: shorten it.")
            for chosen in product(*choices):
                steps = (self._read(step) for part in chosen for step in part)
                patterns.append(tuple(steps)[::-1])
        return Rule(tuple(patterns))

    def token(self, token: int) -> str:
        """One token: a word that follows a space as it is, a piece without a space after "-", other text in quotes,
        and "#" with the id where another token has the same text."""
        text = self.words[token] if 0 <= token < len(self.words) else None
        if text is None or self._ids[text] is None:
            return f"#{token}"
        if _is_bare(text[1:]) and text.startswith(" "):
            return text[1:]
        return f"-{text}" if _is_bare(text) else _quote(text)

    def _element(self, element: Element) -> str:
        if element.kind == "gap":
            return "…" if element.max == FAR else f"…{element.max}"
        if not element.tokens:
            return {"wildcard": "∗", "start": "^"}[element.kind]
        return "|".join(self.token(token) for token in element.tokens)

    def _read(self, step: Token | Element | list[Token]) -> Element:
        if isinstance(step, Element):
            return step
        return one_of(self._id(token) for token in (step if isinstance(step, list) else [step]))

    def _id(self, token: Token) -> int:
        if isinstance(token, int):
            if token >= len(self.words):
                raise InputError(f"#{token} is not a token: ids end at {len(self.words) - 1}.")
            return token
        found = self._ids.get(token, -1)
        if found == -1:
            raise InputError(
                f"{token!r} is not a token of this model: write the pieces that it has, as in Kath-mand."
            )
        if found is None:
            raise InputError(f"several tokens have the text {token!r}: choose one by its id, as in #42.")
        return found


def _choices(step: Step, alone: bool) -> list[list[Any]]:
    """The ways to match a step, each as what stands in its place: one, a class, for alternatives of a single token;
    but each its own where the step is a whole pattern."""
    if "words" not in step:
        return [[{"wildcard": WILDCARD, "start": START}.get(step["kind"]) or gap(step["max"])]]
    if alone or max(map(len, step["words"])) > 1:
        return [list(word) for word in step["words"]]
    return [[[word[0] for word in step["words"]]]]


def _word(found: re.Match[str], line: str) -> list[Token]:
    """The tokens of a word."""
    if found["id"]:
        return [int(found["id"])]
    if found["quoted"] is not None:
        return [_unquote(found, line)]
    first, *rest = re.split("-", found["word"].removeprefix("-"))
    return [first if found["word"].startswith("-") else f" {first}", *rest]


def _unquote(found: re.Match[str], line: str) -> str:
    def meant(escape: re.Match[str]) -> str:
        code, letter = escape.groups()
        if code and int(code, 16) < 0x110000 and not 0xD800 <= int(code, 16) < 0xE000:
            return chr(int(code, 16))
        if letter in _ESCAPES:
            return _ESCAPES[letter]
        raise _wrong(line, found.start("quoted") + escape.start(), "is no character")

    return _ESCAPE.sub(meant, found["quoted"])


def _quote(text: str) -> str:
    escapes = {character: letter for letter, character in _ESCAPES.items()}
    written, based = "", False
    for character in text:
        if character in escapes:
            written += f"\\{escapes[character]}"
        elif (is_hidden(character) and character != " ") or (is_mark(character) and not based):
            written += f"\\u{{{ord(character):X}}}"
        else:
            written += character
        based = character != " " and not is_hidden(character)
    return f'"{written}"'


def _is_bare(text: str) -> bool:
    """Whether a token's text needs no quotes: letters and digits, and marks on them."""
    kinds = [unicodedata.category(character)[0] for character in text]
    return bool(kinds) and kinds[0] in "LN" and set(kinds) <= set("LNM") and not any(map(is_hidden, text))


def _wrong(line: str, at: int, problem: str) -> InputError:
    return InputError(
        f"the rule {line!r} is wrong at character {at + 1}: {line[at : at + 1] or 'it'} {problem}."
    )
