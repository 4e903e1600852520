"""Compare a neuron's published record with a recomputed one: byte for byte, otherwise by meaning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from n2g.files.canonical_json import digest_of
from n2g.graphs.pattern_paths import paths
from n2g.graphs.token_display import visible
from n2g.ids import NeuronId

# By how much activations may differ between kinds of hardware or number formats, as a share of the largest one.
TOLERANCE = 0.01


@dataclass(frozen=True)
class Comparison:
    """What a comparison of two records of one neuron found.

    Attributes:
        neuron: its name.
        outcome: `identical`; `equivalent`: the same patterns, activations within the tolerance; or `different`.
        published, recomputed: digests of the two contents.
        largest_difference: the largest difference between activations of patterns in both graphs, as a share of the
            largest activation on training documents.
        differences: a line for each, the graph's patterns first.
    """

    neuron: str
    outcome: str
    published: str
    recomputed: str
    largest_difference: float
    differences: tuple[str, ...]


def compare(published: Mapping[str, Any], recomputed: Mapping[str, Any]) -> Comparison:
    """Compare two records of one neuron (see docs/files.md)."""
    digests = digest_of(published), digest_of(recomputed)
    tampered = list(_tampered(published, digests[0]))
    words = {**recomputed["vocabulary"], **published["vocabulary"]}
    graphs = [Shape.of(record["graph"], words) for record in (published, recomputed)]
    lines = [*tampered, *_patterns(*graphs)]
    first = ("status", "reason", "metrics", "statistics")
    keys = [*first, *sorted((published.keys() | recomputed.keys()) - {"graph", "digest", *first})]
    for key in keys:
        lines += _differing(published.get(key), recomputed.get(key), key)
    largest = graphs[0].distance(graphs[1])
    same = published["status"] == recomputed["status"] and graphs[0].fires_like(graphs[1], TOLERANCE)
    if digests[0] == digests[1] and not lines:
        outcome = "identical"
    elif same and largest <= TOLERANCE and not tampered:
        outcome = "equivalent"
    else:
        outcome = "different"
    return Comparison(published["id"], outcome, *digests, largest, tuple(lines))


@dataclass(frozen=True)
class Shape:
    """A graph as its patterns: what each accepts, in words -> (activation, tokens' weights, the rest of its end)."""

    decision_threshold: float
    scale: float
    patterns: Mapping[str, tuple[float, tuple[float, ...], str]]

    @classmethod
    def of(cls, graph: Mapping[str, Any] | None, words: Mapping[str, str]) -> Shape:
        """The shape of a record's graph; without one it has no patterns."""
        if graph is None:
            return cls(0.0, 0.0, {})
        found = {}
        for path in paths(graph):
            name = " ".join(_element(node, words) for node in reversed(path))
            while name in found:  # the same tokens with other weights
                name += " [once more]"
            weights = tuple(weight for node in reversed(path) for weight in node.get("weights", ()))
            end = dict(path[-1]["end"])
            found[name] = (end.pop("activation"), weights, str(sorted(end.items())))
        return cls(graph["decision_threshold"], graph["scale"], found)

    def firing(self) -> set[str]:
        """The patterns that make the graph fire; the others are its background."""
        return {
            name for name, (activation, *_) in self.patterns.items() if activation >= self.decision_threshold
        }

    def distance(self, other: Shape) -> float:
        """The largest difference of a common pattern's activation, for any of its tokens, as a share of the scale."""
        pairs = [
            (self.patterns[name], other.patterns[name]) for name in self.patterns.keys() & other.patterns
        ]
        differences = [
            abs(one[0] * a - two[0] * b)
            for one, two in pairs
            for a, b in [(1.0, 1.0), *zip(one[1], two[1], strict=True)]
        ]
        return max(differences, default=0.0) / (self.scale or 1.0)

    def fires_like(self, other: Shape, tolerance: float) -> bool:
        """Whether the same patterns make both fire, with a decision threshold and a scale that differ by no more than
        allowed."""
        allowed = tolerance * self.scale
        thresholds = abs(self.decision_threshold - other.decision_threshold)
        close = thresholds <= allowed and abs(self.scale - other.scale) <= allowed
        return close and self.firing() == other.firing()


def _tampered(record: Mapping[str, Any], digest: str) -> Iterator[str]:
    if record.get("digest") != digest:
        yield f"digest: the published record says {record.get('digest')}, its content has {digest}"


def _patterns(published: Shape, recomputed: Shape) -> Iterator[str]:
    for name in sorted(published.patterns.keys() | recomputed.patterns.keys()):
        old, new = published.patterns.get(name), recomputed.patterns.get(name)
        if new is None:
            yield f"pattern {name}: in the published record only"
        elif old is None:
            yield f"pattern {name}: in the recomputed record only"
        elif old != new:
            parts = zip(("activation", "weights", "end"), old, new, strict=True)
            yield f"pattern {name}: " + "; ".join(_both(part, a, b) for part, a, b in parts if a != b)
    for name in ("decision_threshold", "scale"):
        yield from _differing(getattr(published, name), getattr(recomputed, name), f"graph.{name}")


def _element(node: Mapping[str, Any], words: Mapping[str, str]) -> str:
    """What a node accepts, in words that tell any two apart."""
    if node["kind"] == "gap":
        return f"[0-{node['max']} tokens]"
    if node["kind"] in ("wildcard", "start"):
        return {"wildcard": "[any token]", "start": "[start]"}[node["kind"]]
    return "|".join(f"“{visible(words.get(str(token), ''))}” ({token})" for token in node["tokens"])


def _differing(old: Any, new: Any, path: str) -> Iterator[str]:
    """A line for each place where two JSON values differ."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted(old.keys() | new.keys()):
            yield from _differing(old.get(key), new.get(key), f"{path}.{key}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for at, (one, two) in enumerate(zip(old, new, strict=True)):
            yield from _differing(one, two, f"{path}.{at}")
    elif isinstance(old, list) and isinstance(new, list):
        yield f"{path}: {len(old)} entries published, {len(new)} recomputed"
    elif old != new:
        yield _both(path, old, new)


def _both(name: str, old: Any, new: Any) -> str:
    return f"{name}: {old!r} published, {new!r} recomputed"


def report(found: Iterable[Comparison], strict: bool) -> Iterator[str]:
    """The report: a line per neuron, followed by what differs.

    strict: the same bytes are expected, as hardware and number format are the same.
    """
    for one in found:
        if one.outcome == "identical":
            yield f"{one.neuron} reproduced {one.published}"
            continue
        within = f"within {one.largest_difference:.2g} of the largest (tolerance {TOLERANCE:g})"
        equal = f"the same patterns, activations {within}"
        if one.outcome == "different":
            yield f"{one.neuron} differs:"
        elif strict:
            yield f"{one.neuron} differs in bytes, but is equivalent: {equal}:"
        else:
            yield f"{one.neuron} reproduced as equivalent: {equal}:"
        yield from (f"  {line}" for line in shortened(one.differences))


def rows(found: Iterable[Comparison]) -> Iterator[dict[str, Any]]:
    """The rows of the table `reproduced`."""
    for one in found:
        neuron = NeuronId.parse(one.neuron)
        yield {
            "layer": neuron.layer,
            "neuron": neuron.neuron,
            "pole": neuron.pole,
            "outcome": one.outcome,
            "published": one.published,
            "recomputed": one.recomputed,
            "largest_difference": one.largest_difference,
            "differences": list(one.differences),
        }


def shortened(lines: Iterable[str], most: int = 20, width: int = 300) -> list[str]:
    """The first lines, truncated to a width, and how many more there are."""
    lines = [line if len(line) <= width else f"{line[: width - 1]}…" for line in lines]
    more = [f"and {len(lines) - most} more"] if len(lines) > most else []
    return lines[:most] + more
