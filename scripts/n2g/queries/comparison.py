"""Neurons compared by the patterns of their graphs: two side by side, and one with all of another run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import fsum
from typing import Any

import numpy as np
import pyarrow as pa

from n2g.compare.pattern_similarity import Profiles
from n2g.compare.similar_table import TOP
from n2g.graphs.pattern_language import accepted
from n2g.graphs.patterns import ANY, Pattern, loose, profile, verified
from n2g.ids import NeuronId


def compare(
    first: Mapping[str, Any] | None, second: Mapping[str, Any] | None, spelled: Callable[[Pattern], str]
) -> dict[str, Any]:
    """Two graphs (in the form of `NeuronGraph.to_dict()`) side by side.

    Returns:
        `similarity`: weighted Jaccard index; `covered`: how much of the first the second covers, and the reverse;
        `duplicate`: whether both provably fire on the same texts; `both`, `first`, `second`: patterns with their
        weights, the share of the graph's largest activation.
    """
    profiles = [profile(verified(graph)) for graph in (first, second)]
    known = Profiles(profiles)
    one, other = profiles
    duplicate = bool(one and other) and accepted(first or {}) == accepted(second or {})

    def listed(keys: Iterable[Pattern], *weights: Mapping[Pattern, float]) -> list[dict[str, Any]]:
        rows = [{"pattern": spelled(key), "weights": [weight[key] for weight in weights]} for key in keys]
        return sorted(rows, key=lambda row: (-max(row["weights"]), row["pattern"]))

    return {
        "similarity": float(known.jaccard(0)[1]),
        "covered": [float(known.covered(0)[1]), float(known.covered(1)[0])],
        "duplicate": duplicate,
        "both": listed(one.keys() & other.keys(), one, other),
        "first": listed(one.keys() - other.keys(), one),
        "second": listed(other.keys() - one.keys(), other),
    }


def similar_in(
    own: Mapping[Pattern, float], firing: pa.Table, words: Sequence[str], letter: str = "N"
) -> list[dict[str, Any]]:
    """Those neurons of another run that share a pattern with a neuron, by the weighted Jaccard index.

    Args:
        own: the neuron's profile, its tokens as texts.
        firing: the other run's patterns that make a graph fire; `unit` is a number for each neuron and pole: layer
            times 2^32, plus twice the neuron, plus 1 for the negative pole.
        words: text of each of the other run's token ids.
        letter: in the other run's names.
    """
    pivots = {pattern[0] for pattern in own}
    tokens = [ANY, *(token for token, text in enumerate(words) if text in pivots)]

    def rows(column: str, wanted: Iterable[int]) -> Iterator[tuple[int, Pattern, float]]:
        chosen = firing.filter(pa.array(np.isin(firing[column].to_numpy(), list(wanted))))
        columns = (chosen[name].to_pylist() for name in ("unit", "pattern", "activation"))
        for unit, pattern, activation in zip(*columns, strict=True):
            yield unit, tuple(code if code < 0 else words[code] for code in pattern), activation

    sharing = {unit for unit, pattern, _ in rows("token", tokens) if loose(pattern) in own}
    found: dict[int, dict[Pattern, float]] = {}
    for unit, pattern, activation in rows("unit", sharing):
        known = found.setdefault(unit, {})
        known[pattern] = max(activation, known.get(pattern, 0.0))
    scores = {
        str(NeuronId(unit >> 32, unit % 2**32 // 2, unit % 2 == 1, letter)): _jaccard(own, profile(patterns))
        for unit, patterns in found.items()
    }
    best = sorted(scores, key=lambda one: (-scores[one], NeuronId.parse(one)))[:TOP]
    return [{"kind": "similar", "neuron": one, "score": scores[one]} for one in best]


def _jaccard(one: Mapping[Pattern, float], other: Mapping[Pattern, float]) -> float:
    """The weighted Jaccard index of two profiles that are not empty."""
    common = fsum(min(one[pattern], other[pattern]) for pattern in one.keys() & other.keys())
    return common / (fsum(one.values()) + fsum(other.values()) - common)
