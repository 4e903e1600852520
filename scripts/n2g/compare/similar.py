"""Similar neurons: by the patterns of their graphs, and by their activations.

By patterns: the weighted Jaccard index of two graphs' profiles; how much of one the other covers; and graphs that
accept exactly the same texts. All pairs that share anything are found through lists of the graphs that hold a
pattern. By what they do: the correlation of activations. A sketch names the most promising partners of each neuron,
and only their correlations are computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import numpy as np

from n2g.graphs.patterns import Cover, Pattern, accepted, is_free, profile, verified
from n2g.workflow.processes import in_order

KINDS = ("duplicate", "similar", "subset", "superset", "behaviour")
TOP = 10
LEAST = 0.01  # least Jaccard index that is worth a row
MOST = 0.9  # share of a profile from which it counts as covered
CORRELATED = 0.1  # least correlation that is worth a row

SKETCH = 2**26  # numbers in all sketches together; with few units, whole rows fit in
CANDIDATES = 24
CHUNK = 512


@dataclass(frozen=True)
class Pair:
    """What one unit is to another; units are numbers in the order in which they were given."""

    unit: int
    other: int
    kind: str
    score: float
    rank: int


def similar_columns(pairs: Iterable[Pair], units: Sequence[tuple[int, int, str]]) -> dict[str, list]:
    """The columns of the `similar` table; units are (layer, neuron, pole)."""
    ordered = sorted(pairs, key=lambda one: (units[one.unit], KINDS.index(one.kind), one.rank))
    columns: dict[str, list] = {}
    for column, name in enumerate(("layer", "neuron", "pole")):
        columns[name] = [units[one.unit][column] for one in ordered]
        columns[f"other_{name}"] = [units[one.other][column] for one in ordered]
    return columns | {name: [getattr(one, name) for one in ordered] for name in ("kind", "score", "rank")}


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

    Units without a pattern are like none. Equals are no subsets of each other.

    graphs: of each unit, in the form of `NeuronGraph.to_dict()`. processes: how many work on it.
    """
    firing = [verified(graph) for graph in graphs]
    equals = duplicates(graphs, firing)
    work = partial(_alike, Profiles([profile(one) for one in firing]), equals, top)
    inside: list[np.ndarray] = [np.zeros((0, 4))]
    for pairs, found in in_order(work, _chunks(len(graphs)), processes):
        yield from pairs
        inside.append(found)
    yield from _supersets(np.concatenate(inside), top)


def _alike(
    profiles: Profiles, equals: Mapping[int, list[int]], top: int, units: range
) -> tuple[list[Pair], np.ndarray]:
    """The pairs of some units, and which units lie inside of others, as `_supersets` wants it."""
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
    alike: dict[frozenset | None, list[int]] = {}  # only these can be equal: the same activating tokens
    for unit, one in enumerate(firing):
        if one:
            pivots = frozenset(pattern[0] for pattern in one)
            alike.setdefault(None if any(map(is_free, pivots)) else pivots, []).append(unit)
    groups: dict[str, list[int]] = {}
    for units in alike.values():
        for unit in units if len(units) > 1 else ():
            groups.setdefault(accepted(graphs[unit]), []).append(unit)
    return {unit: group for group in groups.values() for unit in group}


def behavioural(
    activations: Sequence[np.ndarray], kept: np.ndarray, top: int = TOP, threads: int = 1
) -> Iterator[Pair]:
    """The units whose activations correlate most with those of each unit.

    activations: for each block, float16 [unit of the block, token]; they may be memory maps. kept: bool [token],
    which tokens count. A unit that is constant or not finite is like none. threads: how many work on it.
    """
    rows = _Rows(activations, kept)
    sketch = _sketches(rows)
    count = min(CANDIDATES, len(rows) - 1)
    partners: list[set[int]] = [set() for _ in range(len(rows))]
    for first in range(0, len(rows), CHUNK) if count > 0 else ():
        guess = -sketch[first : first + CHUNK] @ sketch.T
        guess[np.arange(len(guess)), first + np.arange(len(guess))] = np.inf
        for unit, others in enumerate(np.argpartition(guess, count - 1)[:, :count].tolist(), start=first):
            for other in others:
                partners[min(unit, other)].add(max(unit, other))
    found: list[list[tuple[float, int]]] = [[] for _ in range(len(rows))]
    chosen = [sorted(others) for others in partners]
    with ThreadPoolExecutor(
        threads
    ) as pool:  # threads share the memory maps, and numpy lets them work side by side
        for unit, scores in enumerate(pool.map(rows.correlations, range(len(rows)), chosen)):
            for other, score in zip(chosen[unit], scores, strict=True):
                if score >= CORRELATED:
                    found[unit].append((-score, other))
                    found[other].append((-score, unit))
    for unit, pairs in enumerate(found):
        for rank, (score, other) in enumerate(sorted(pairs)[:top]):
            yield Pair(unit, other, "behaviour", -score, rank)


class _Rows:
    """The rows of several arrays, one array after the other, on the tokens that count."""

    def __init__(self, blocks: Sequence[np.ndarray], kept: np.ndarray) -> None:
        self._places = [(block, row) for block in blocks for row in range(len(block))]
        self._kept = np.flatnonzero(kept)
        self._norms = [self._centred(unit)[1] for unit in range(len(self))]

    def __len__(self) -> int:
        return len(self._places)

    def standardised(self, unit: int) -> np.ndarray:
        """float64 [token that counts]: of mean 0 and length 1, or zeros for a unit that correlates with none."""
        values, norm = self._centred(unit)
        return values / norm if norm else np.zeros_like(values)

    def correlations(self, unit: int, others: Sequence[int]) -> list[float]:
        """Pearson's r with other units, to four decimals."""
        own = self.standardised(unit)
        norms = [self._norms[other] for other in others]
        return [
            round(float((own * self._values(other)).sum()) / norm, 4) if norm else 0.0
            for other, norm in zip(others, norms, strict=True)
        ]

    def _values(self, unit: int) -> np.ndarray:
        block, row = self._places[unit]
        return block[row].take(self._kept).astype(np.float64)

    def _centred(self, unit: int) -> tuple[np.ndarray, float]:
        """Values less their mean, and their length; 0 where they are all equal or not finite."""
        values = self._values(unit)
        if not len(values) or not np.isfinite(values).all():
            return values, 0.0
        values -= values.mean()
        norm = float(np.sqrt(np.square(values).sum()))  # no BLAS: its sums depend on the threads
        return values, norm if norm > 1e-6 * np.sqrt(len(values)) else 0.0


def _sketches(rows: _Rows) -> np.ndarray:
    """float32 [unit, ...]: standardised rows, shortened so that products stay close (a count sketch)."""
    size = SKETCH // max(1, len(rows))
    sketches: list[np.ndarray] = []
    for unit in range(len(rows)):
        whole = rows.standardised(unit).astype(np.float32)
        if not sketches:
            random = np.random.default_rng(0)
            order = random.permutation(len(whole))
            signs = random.choice(np.array([-1.0, 1.0], np.float32), len(whole))
            bounds = np.linspace(0, len(whole), size + 1).astype(int)[:-1]
        sketches.append(np.add.reduceat((whole * signs)[order], bounds) if len(whole) > size else whole)
    return np.array(sketches)


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
