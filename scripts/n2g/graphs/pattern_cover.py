"""Which patterns match wherever a given one does."""

from __future__ import annotations

from collections.abc import Iterable

from n2g.graphs.patterns import ANY, GAP, START, Pattern, is_gap


class Cover:
    """Which of many patterns cover a given one: they match wherever it does.

    What is found is always true. A pattern that only several others together cover is not found, nor one with a gap
    that is matched in another way at each of its distances.
    """

    def __init__(self, known: Iterable[Pattern]) -> None:
        self._children: list[dict[int | str, int]] = [{}]
        self._gaps: dict[int, list[tuple[int, int]]] = {}  # node -> children that are gaps, with their reach
        self._ends: dict[int, int] = {}
        for number, pattern in enumerate(known):
            at = 0
            for code in pattern:
                if code not in self._children[at]:
                    if is_gap(code):
                        self._gaps.setdefault(at, []).append((len(self._children), GAP - code))
                    self._children[at][code] = len(self._children)
                    self._children.append({})
                at = self._children[at][code]
            self._ends.setdefault(at, number)

    def covering(self, pattern: Pattern) -> list[int]:
        """Numbers of the known patterns that cover `pattern`, ascending."""
        found: set[int] = set()
        seen: set[tuple[int, int, int]] = set()
        todo = [
            (0, 0, 0)
        ]  # node, elements of `pattern` that are read, tokens that the node's gap may still skip
        while todo:
            state = todo.pop()
            if state in seen:
                continue
            seen.add(state)
            node, read, room = state
            if node in self._ends:
                found.add(self._ends[node])
            children = self._children[node]
            todo += [(to, read, reach) for to, reach in self._gaps.get(node, ())]
            if read == len(pattern):
                continue
            code = pattern[read]
            if code == START:
                todo += [(children[START], read, 0)] if START in children else []
                continue
            length = GAP - code if is_gap(code) else 1
            if length <= room:  # the known pattern's gap skips this element
                todo.append((node, read + 1, room - length))
            if not is_gap(code):
                todo += [(children[one], read + 1, 0) for one in {code, ANY} if one in children]
        return sorted(found)
