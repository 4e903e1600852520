"""Which neurons have similar graphs, by their patterns.

The weighted Jaccard index of two graphs' profiles; how much of one the other covers; and graphs that accept exactly the
same texts. All pairs that share anything are found through lists of the graphs that hold a pattern.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any

import numpy as np

from n2g.compare.similar_table import TOP, Pair
from n2g.graphs.pattern_cover import Cover
from n2g.graphs.pattern_language import accepted
from n2g.graphs.patterns import Pattern, is_free, profile, verified
from n2g.workflow.process_pool import in_order

LEAST = 0.01  # least Jaccard index that is worth a row
MOST = 0.9  # share of a profile from which it counts as covered
CHUNK = 512  # neurons that a process compares at a time


class Profiles:
    """The profiles of many units (see `n2g.graphs.patterns.profile`), found by their patterns.

    starts: int64 [unit + 1], where each unit's part of the next two begins. numbers: int64, its patterns, ascending.
    weights: float64, of these patterns. totals: float64 [unit], sums of the weights.
    """

    def __init__(self, profiles: Sequence[Mapping[Pattern, float]]) -> None:
        known: dict[Pattern, int] = {}
        for pattern in chain.from_iterable(profiles):
            known.setdefault(pattern, len(known))
        rows = [sorted((known[pattern], weight) for pattern, weight in one.items()) for one in profiles]
        self.starts = np.cumsum([0, *map(len, rows)])
        self.numbers = np.array([number for row in rows for number, _ in row], dtype=np.int64)
        self.weights = np.array([weight for row in rows for _, weight in row], dtype=np.float64)
        unit = np.repeat(np.arange(len(rows)), np.diff(self.starts))
        self.totals = np.bincount(unit, self.weights, len(rows))
        order = np.argsort(self.numbers, kind="stable")
        self._units, self._weights = unit[order], self.weights[order]
        self._lists = np.searchsorted(self.numbers[order], np.arange(len(known) + 1))
        cover = Cover(known)
        covering = [cover.covering(pattern) for pattern in known]
        self._cover_starts = np.cumsum([0, *map(len, covering)])
        self._covering = np.fromiter(chain.from_iterable(covering), np.int64, self._cover_starts[-1])

    def __len__(self) -> int:
        return len(self.totals)

    def jaccard(self, unit: int) -> np.ndarray:
        """float64 [unit]: sum of the smaller weights / sum of the larger weights of the patterns of two units."""
        own = slice(self.starts[unit], self.starts[unit + 1])
        numbers = self.numbers[own]
        places, counts = _ranges(self._lists[numbers], self._lists[numbers + 1])
        smaller = np.minimum(np.repeat(self.weights[own], counts), self._weights[places])
        common = np.bincount(self._units[places], smaller, len(self))
        both = self.totals[unit] + self.totals - common
        return np.divide(common, both, out=np.zeros(len(self)), where=both > 0)

    def covered(self, unit: int) -> np.ndarray:
        """float64 [unit]: the share of a unit's profile that each unit's patterns cover, pattern by pattern."""
        own = slice(self.starts[unit], self.starts[unit + 1])
        numbers = self.numbers[own]
        wide, counts = _ranges(self._cover_starts[numbers], self._cover_starts[numbers + 1])
        place = np.repeat(np.arange(len(numbers)), counts)
        covering = self._covering[wide]
        places, counts = _ranges(self._lists[covering], self._lists[covering + 1])
        seen = np.zeros(len(numbers) * len(self), dtype=bool)  # two patterns of a unit may cover the same one
        seen[np.repeat(place, counts) * len(self) + self._units[places]] = True
        pairs = np.flatnonzero(seen)
        weight = self.weights[own][pairs // len(self)]
        shares = np.bincount(pairs % len(self), weight, len(self))
        return shares / self.totals[unit] if len(numbers) else shares


def structural(
    graphs: Sequence[Mapping[str, Any] | None], top: int = TOP, processes: int = 1
) -> Iterator[Pair]:
    """The most similar units of each unit, those that cover it or that it covers, and those that are its equals.

    Units without a pattern are similar to none. Equals are no subsets of each other.

    graphs: of each unit, in the form of `NeuronGraph.to_dict()`. processes: how many work on it.
    """
    firing = [verified(graph) for graph in graphs]
    equals = duplicates(graphs, firing)
    work = partial(_pairs_of, Profiles([profile(one) for one in firing]), equals, top)
    inside: list[np.ndarray] = [np.zeros((0, 4))]
    for pairs, found in in_order(work, _chunks(len(graphs)), processes):
        yield from pairs
        inside.append(found)
    yield from _supersets(np.concatenate(inside), top)


def _pairs_of(
    profiles: Profiles, equals: Mapping[int, list[int]], top: int, units: range
) -> tuple[list[Pair], np.ndarray]:
    """The pairs of some units, and which units are covered by others, as `_supersets` wants it."""
    pairs: list[Pair] = []
    inside: list[np.ndarray] = []
    for unit in units:
        scores = profiles.jaccard(unit)
        pairs += _best(unit, "similar", scores, scores >= LEAST, scores, top)
        shares = profiles.covered(unit)
        enough = shares >= MOST
        enough[equals.get(unit, unit)] = False
        pairs += _best(unit, "subset", shares, enough, scores, top)
        others = np.flatnonzero(enough)
        inside.append(np.stack([others, np.full(len(others), unit), shares[others], scores[others]], axis=1))
        same = [other for other in equals.get(unit, ()) if other != unit]
        pairs += [Pair(unit, other, "duplicate", 1.0, rank) for rank, other in enumerate(same[:top])]
    return pairs, np.concatenate(inside)


def _chunks(count: int) -> Iterator[range]:
    return (range(first, min(first + CHUNK, count)) for first in range(0, count, CHUNK))


def duplicates(
    graphs: Sequence[Mapping[str, Any] | None], firing: Sequence[Mapping[Pattern, float]]
) -> dict[int, list[int]]:
    """For each unit that fires on anything: the units that fire on exactly the same texts, itself too, ascending.

    firing: for each graph the patterns that make it fire.
    """
    by_pivots: dict[frozenset | None, list[int]] = {}  # only these can be equal: the same activating tokens
    for unit, one in enumerate(firing):
        if one:
            pivots = frozenset(pattern[0] for pattern in one)
            by_pivots.setdefault(None if any(map(is_free, pivots)) else pivots, []).append(unit)
    groups: dict[str, list[int]] = {}
    for units in by_pivots.values():
        for unit in units if len(units) > 1 else ():
            groups.setdefault(accepted(graphs[unit]), []).append(unit)
    return {unit: group for group in groups.values() for unit in group}


def _best(
    unit: int, kind: str, scores: np.ndarray, allowed: np.ndarray, ties: np.ndarray, top: int
) -> Iterator[Pair]:
    """The allowed units with the largest scores, except the unit itself."""
    others = np.flatnonzero(allowed)
    others = others[others != unit]
    order = np.lexsort((others, -ties[others], -scores[others]))[:top]
    for rank, other in enumerate(others[order].tolist()):
        yield Pair(unit, other, kind, float(scores[other]), rank)


def _supersets(inside: np.ndarray, top: int) -> Iterator[Pair]:
    """inside: float64 [pair, 4], each unit, a unit that it covers, the share covered and the Jaccard index."""
    inside = inside[np.lexsort((inside[:, 1], -inside[:, 3], -inside[:, 2], inside[:, 0]))]
    last, rank = -1, 0
    for unit, other, share, _ in inside.tolist():
        rank = rank + 1 if unit == last else 0
        last = unit
        if rank < top:
            yield Pair(int(unit), int(other), "superset", share, rank)


def _ranges(starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All numbers from each start to its end (left out), one range after the other; and the ranges' lengths."""
    counts = ends - starts
    offsets = np.repeat(starts - (np.cumsum(counts) - counts), counts)
    return offsets + np.arange(counts.sum()), counts
