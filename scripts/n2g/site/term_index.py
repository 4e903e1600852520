"""What the search looks through: tokens of graphs, words of excerpts, lines such as titles; in one sorted index.

All that is found by one word stands together, so that a search loads one or two pieces whatever the atlas's size.
"""

from __future__ import annotations

import json
import re
import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from n2g.graphs.drawing import activations
from n2g.graphs.token_display import MARKER, is_hidden, whole_characters
from n2g.results.effects import effect_at
from n2g.site.search_indexes import Pieces, f1_of, key_of

TOKEN, WORD, LINE = 0, 1, 2  # kinds of entries
# Of the graph; by the weights alone; by mean activation; as measured where the neuron fires.
ACTIVATING, CONTEXT, PROMOTED, STRONGEST, RAISED, LOWERED = range(6)
ROLES = 8  # that a posting has room for
Posting = tuple[int, int, int, int]  # role, row of the neuron, strength and F1 in hundredths
# Of what may be found by nearly every search only the best is kept; each entry says how much there was.
POSTINGS, NEURONS, LINES = 2000, 300, 40
EXCERPTS, AROUND = 8, 16  # of a split; tokens on each side of their pivots whose words are kept
LONGEST = 40  # characters of a word
LONGEST_LINE = 160
_SEPARATE = (
    "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # kana and Chinese: a character is a word
)
_PARTS = re.compile(rf"[{_SEPARATE}]|[^\W_{_SEPARATE}]+|[^\w\s\x00-\x7f]")
_BYTES = re.compile(r"<0x[0-9A-F]{2}>")


def words_of(text: str) -> list[str]:
    """The words of a text in lower case; Chinese characters, kana and symbols such as emoji are words of their own.

    `partsOf` in `js/terms.js` does the same with what is typed.

    >>> words_of("The Lakers' 日本 trip, 2 days_ago 🏳!")
    ['the', 'lakers', '日', '本', 'trip', '2', 'days', 'ago', '🏳']
    """
    found = (part.lower() for part in _PARTS.findall(text))
    return [part for part in found if len(part) > 1 or part.isalnum() or unicodedata.category(part) == "So"]


def lines_of(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(group, line) for the texts about a neuron that are found by any of their words and shown as a whole.

    Another kind of line is another `yield` here and another group in `js/search.js`.
    """
    for example in _strongest(record):
        if example.get("title"):
            yield "title", example["title"]
    label = ((record.get("explanations") or {}).get("model") or {}).get("label")
    if label:
        yield "label", label
    if rule := record.get("rule"):
        yield "rule", rule


class TermIndex:
    """Filled record by record, then written in sorted pieces."""

    def __init__(self) -> None:
        self._texts: dict[int, str] = {}
        self._postings: dict[int, array] = {}
        self._words: dict[str, array] = {}
        self._lines: dict[tuple[str, str], array] = {}

    def add(self, row: int, record: Mapping[str, Any]) -> None:
        """Add a record; `row` is the neuron's place in `ids.json`."""
        f1 = f1_of(record)
        best: dict[tuple[int, int], int] = {}
        for token, role, strength in _uses(record):
            best[token, role] = max(best.get((token, role), 0), round(100 * strength))
        for (token, role), strength in best.items():
            self._texts[token] = record["vocabulary"][str(token)]
            value = ((row * ROLES + role) * 128 + strength) * 128 + f1
            self._postings.setdefault(token, array("Q")).append(value)
        for word, count in _excerpt_words(record).items():
            value = (row * 128 + min(count, 127)) * 128 + f1
            self._words.setdefault(word, array("Q")).append(value)
        for group, text in dict.fromkeys(lines_of(record)):
            self._lines.setdefault((group, text[:LONGEST_LINE]), array("Q")).append(row)

    def update(self, later: TermIndex) -> None:
        """Append the entries of an index of later neurons."""
        self._texts |= later._texts
        for name in ("_postings", "_words", "_lines"):
            for key, found in getattr(later, name).items():
                getattr(self, name).setdefault(key, array("Q")).extend(found)

    def write(self, folder: Path) -> None:
        """Write `terms/{piece}.json.gz` and `terms.json`, which gives the first key of each piece.

        Entries by key, each [key, kind, ...]:
        [key, 0, how many postings there are, text, token id, [role, row, strength, F1, ...]] for a token;
        [key, 1, how many neurons, [row, excerpts, F1, ...]] for a word of excerpts;
        [key, 2, how many lines with that word, group, [[line, how many neurons, [row, ...]], ...]].
        """
        entries = sorted(self._entries(), key=lambda one: (_utf16(one[0]), one[1:]))
        pieces = Pieces(folder / "terms")
        for entry in entries:
            pieces.add(entry[0][:24], json.dumps(entry, ensure_ascii=False, separators=(",", ":")))
        pieces.close()

    def _entries(self) -> Iterator[list]:
        for token, text in self._texts.items():
            postings = sorted(map(_unpacked, self._postings[token]), key=_most_useful)
            yield [key_of(text), TOKEN, len(postings), text, token, _flat(postings[:POSTINGS])]
        for word, packed in self._words.items():
            rows = sorted(map(_unpacked_word, packed), key=lambda one: (-one[1], -one[2], one[0]))
            yield [word, WORD, len(rows), _flat(rows[:NEURONS])]
        lines: dict[tuple[str, str], list] = {}
        for (group, text), rows in self._lines.items():
            for word in dict.fromkeys(words_of(text)):
                lines.setdefault((word[:LONGEST], group), []).append(
                    [text, len(rows), rows[:NEURONS].tolist()]
                )
        for (word, group), found in lines.items():
            found.sort(key=lambda one: (-one[1], _utf16(one[0])))
            yield [word, LINE, len(found), group, found[:LINES]]


def _flat(rows: Iterable[Sequence[int]]) -> list[int]:
    return [value for row in rows for value in row]


def _unpacked(value: int) -> Posting:
    value, f1 = divmod(value, 128)
    value, strength = divmod(value, 128)
    row, role = divmod(value, ROLES)
    return role, row, strength, f1


def _unpacked_word(value: int) -> tuple[int, int, int]:
    value, f1 = divmod(value, 128)
    return *divmod(value, 128), f1


def _most_useful(posting: Posting) -> tuple:
    return -posting[2] * (posting[3] + 1), posting


def _excerpt_words(record: Mapping[str, Any]) -> Counter[str]:
    """In how many of a neuron's strongest excerpts each word stands near the pivot."""
    found: Counter[str] = Counter()
    for example in _strongest(record):
        near = slice(max(0, example["pivot"] - AROUND), example["pivot"] + AROUND + 1)
        texts = [record["vocabulary"].get(str(token), " ") for token in example["tokens"][near]]
        text = "".join(whole_characters(texts)).replace(MARKER, "")
        shown = "".join(one for one in _BYTES.sub(" ", text) if one.isspace() or not is_hidden(one))
        found.update({word[:LONGEST] for word in words_of(shown)})
    return found


def _strongest(record: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The strongest EXCERPTS of each split; with all of them, the index would be half as large again."""
    seen: Counter[str] = Counter()
    for example in record.get("examples") or ():
        if example["set"] == "top":
            seen[example["split"]] += 1
            if seen[example["split"]] <= EXCERPTS:
                yield example


def _uses(record: Mapping[str, Any]) -> Iterable[tuple[int, int, float]]:
    """(token, role, strength from 0 to 1) for each token of a record's graph, output and strongest tokens."""
    graph = record.get("graph")
    if graph and graph["scale"] > 0:
        strongest = activations(graph)
        for node in graph["nodes"]:
            active, reached = node["parent"] == 0, strongest[node["id"]]
            weight = reached / graph["scale"] if active else node.get("importance", 0.0)
            for token, factor in zip(node.get("tokens", ()), node.get("weights", ()), strict=False):
                if reached * factor >= graph["decision_threshold"]:  # the others never make it fire
                    yield token, ACTIVATING if active else CONTEXT, min(1.0, weight * factor)
    promoted = (record.get("logits") or {}).get("promoted") or []
    for token, value in promoted:
        yield token, PROMOTED, value / promoted[0][1] if promoted[0][1] > 0 else 0.0
    strongest = record.get("top_tokens") or []
    for token, mean, _ in strongest:
        if str(token) in record["vocabulary"] and mean > 0:
            yield token, STRONGEST, mean / strongest[0][1]
    for role, name in ((RAISED, "promoted"), (LOWERED, "suppressed")):
        for token, value in effect_at(record).get(name, ()):
            yield token, role, min(1.0, abs(value))  # of a probability, so that neurons compare


def _utf16(text: str) -> bytes:
    """A sort key that orders texts as JavaScript compares strings."""
    return text.encode("utf-16-be", "surrogatepass")
