"""How much of a document an excerpt quotes."""

from __future__ import annotations

BEFORE, AFTER = 24, 16  # tokens on each side of the pivot


def excerpt_bounds(pivot: int, begin: int, end: int) -> slice:
    """The part of a document from `begin` to before `end` that is quoted around its token at `pivot`.

    >>> excerpt_bounds(30, 0, 100), excerpt_bounds(3, 0, 10)
    (slice(6, 47, None), slice(0, 10, None))
    """
    return slice(max(begin, pivot - BEFORE), min(end, pivot + AFTER + 1))
