"""Which texts patterns accept, as a digest: equal for graphs that fire on the same texts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations, product
from typing import Any

from n2g.graphs.patterns import ANY, GAP, START, Pattern, is_free, is_gap, patterns, reaches_threshold

# A pattern with more fixed distances than this is compared as it is written.
DISTANCES = 4096

Texts = tuple[tuple[int, int | str], ...]  # (place counted from the activating token, token), ascending


def accepted(graph: Mapping[str, Any] | None) -> str:
    """SHA-256 of the set of texts on which a graph fires: equal digests mean equal sets.

    The converse holds, as far as it does for `language`, where no pattern keeps another from firing. Where one may,
    the graphs must be written identically to have the same digest.
    """
    known = patterns(graph)
    firing = {pattern for pattern, (activation, _) in known.items() if reaches_threshold(activation, graph)}
    pivots = {pattern[0] for pattern in firing}
    hinder = [
        pattern
        for pattern in known.keys() - firing
        if pattern[0] in pivots or is_free(pattern[0]) or any(map(is_free, pivots))
    ]
    if not hinder:
        return language(firing)
    parts = (sorted(map(json.dumps, part)) for part in (firing, hinder))
    content = json.dumps([graph is not None and graph["method"] == "paper", *parts])
    return hashlib.sha256(content.encode()).hexdigest()


def language(found: Iterable[Pattern]) -> str:
    """SHA-256 of the language that patterns accept together: equal for equal languages, however they are written.

    A text is accepted if any pattern matches at its end. Equal digests always mean equal languages. The converse
    holds as long as there are tokens that no pattern names, and no pattern allows more than DISTANCES distances.
    """
    large: list[list] = []
    small: list[tuple[Texts, int, bool]] = []
    for pattern in found:
        if _distances(pattern) > DISTANCES:
            large.append(_tidy(pattern))
        else:
            small.extend(_fixed(pattern))
    horizon = max((length for _, length, _ in small), default=0) + 1
    accepted: dict[
        Texts, set[int]
    ] = {}  # tokens in their places -> lengths of text; the horizon means all beyond
    for texts, length, whole in small:
        lengths = {length} if whole else range(length, horizon + 1)
        accepted.setdefault(texts, set()).update(lengths)
    canonical = []
    for texts, lengths in accepted.items():
        implied = set().union(*(accepted[part] for part in _parts(texts, accepted)))
        if rest := sorted(lengths - implied):
            canonical.append([texts, *_lengths(rest, horizon)])
    content = json.dumps([sorted(map(json.dumps, canonical)), sorted(map(json.dumps, large))])
    return hashlib.sha256(content.encode()).hexdigest()


def _distances(pattern: Pattern) -> int:
    """How many texts of fixed length a pattern stands for."""
    count = 1
    for code in pattern:
        count *= GAP - code + 1 if is_gap(code) else 1
    return count


def _fixed(pattern: Pattern) -> Iterator[tuple[Texts, int, bool]]:
    """(tokens in their places, least number of tokens, whether the text has no more) for each fixed distance."""
    ranges = [range(GAP - code + 1) if is_gap(code) else (1,) for code in pattern]
    for lengths in product(*ranges):
        at, texts, whole, possible = 0, [], False, True
        for code, length in zip(pattern, lengths, strict=True):
            if code == START:
                whole = True
                continue
            possible &= not (whole and length)  # nothing stands before the start
            if not is_free(code):
                texts.append((at, code))
            at += length
        if possible:
            yield tuple(texts), at, whole


def _tidy(pattern: Pattern) -> list:
    """The pattern with each run of wildcards and gaps as [least, most] tokens."""
    tidy: list[Any] = []
    for code in pattern:
        if code == START or not is_free(code):
            tidy.append(code)
            continue
        least, most = (1, 1) if code == ANY else (0, GAP - code)
        if tidy and isinstance(tidy[-1], list):
            tidy[-1] = [tidy[-1][0] + least, tidy[-1][1] + most]
        else:
            tidy.append([least, most])
    return tidy


def _parts(texts: Texts, accepted: Mapping[Texts, Any]) -> list[Texts]:
    """Those keys of `accepted` that hold some of the tokens, but not all."""
    if 2 ** len(texts) < len(accepted):
        return [part for size in range(len(texts)) for part in combinations(texts, size) if part in accepted]
    own = set(texts)
    return [other for other in accepted if own > set(other)]


def _lengths(lengths: Sequence[int], horizon: int) -> tuple[list[int], int | None]:
    """Ascending lengths as those that stand alone, and the one from which on all are there (or None)."""
    if lengths[-1] != horizon:
        return list(lengths), None
    first = len(lengths) - 1
    while first and lengths[first - 1] == lengths[first] - 1:
        first -= 1
    return list(lengths[:first]), lengths[first]
