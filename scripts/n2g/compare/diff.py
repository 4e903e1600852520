"""What changed between two runs: other settings, checkpoints or models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from n2g.graphs.patterns import Pattern, spell, verified, worded
from n2g.ids import NeuronId

SCORES = ("precision", "recall", "f1", "average_precision", "correlation")
CHANGED = 0.01  # least change of a pattern's weight that counts
PATTERNS = ("added", "removed", "reweighted")
ONLY = ("only before", "only now")  # a neuron that one run alone has


class Records(Protocol):
    """The records of a run."""

    def names(self) -> Sequence[NeuronId]: ...

    def record(self, neuron: NeuronId) -> Mapping[str, Any]: ...


def diff(old: Records, new: Records) -> dict[str, Any]:
    """All that `changes` finds, for programs.

    Returns:
        `neurons`: those that changed, as of `changes`; `same`: how many did not change; `only`: names of the neurons
        that the old or the new run alone has.
    """
    found = list(changes(old, new))
    changed = [one for one in found if "only" not in one]
    only = [[one["neuron"] for one in found if one.get("only") == kind] for kind in ONLY]
    both = len(old.names()) - len(only[0])
    return {"neurons": changed, "same": both - len(changed), "only": only}


def changes(old: Records, new: Records) -> Iterator[dict[str, Any]]:
    """Neuron by neuron, in order: patterns added, removed and re-weighted, and changes of the graph's scores.

    Neurons are paired by name. Patterns are compared by the texts of their tokens, so that models with other tokenizers
    compare. A weight is the predicted activation as a share of the graph's largest.

    Yields:
        For each neuron that changed `neuron`, `added`, `removed` (pattern -> weight), `reweighted` (pattern -> weights
        before and after), `metrics` (test set -> score -> values before and after) and `status` (before and after);
        for each that one run alone has `neuron` and `only`.
    """
    before, after = set(old.names()), set(new.names())
    for name in sorted(before | after):
        if name not in before or name not in after:
            yield {"neuron": str(name), "only": ONLY[name in after]}
            continue
        found = _compared(old.record(name), new.record(name))
        if any(found[kind] for kind in (*PATTERNS, "metrics")) or len(set(found["status"])) > 1:
            yield {"neuron": str(name), **found}


def rows(change: Mapping[str, Any]) -> Iterator[tuple[str, str, float, float]]:
    """(kind, what, before, after) of everything that changed in a neuron, as in the `diff` table."""
    if "only" in change:
        yield change["only"], "", 0.0, 0.0
        return
    if len(set(change["status"])) > 1:
        yield "status", " → ".join(change["status"]), 0.0, 0.0
    for kind, scores in change["metrics"].items():
        for score, (before, after) in scores.items():
            yield "score", f"{score} on {kind}", before, after
    for pattern, weight in change["added"].items():
        yield "added", pattern, 0.0, weight
    for pattern, weight in change["removed"].items():
        yield "removed", pattern, weight, 0.0
    for pattern, (before, after) in change["reweighted"].items():
        yield "reweighted", pattern, before, after


def diff_columns(found: Iterator[Mapping[str, Any]]) -> dict[str, Sequence]:
    """The columns of the `diff` table."""
    lines = []
    for change in found:
        name = NeuronId.parse(change["neuron"])
        lines += [(name.layer, name.neuron, name.pole, *row) for row in rows(change)]
    names = ("layer", "neuron", "pole", "kind", "what", "before", "after")
    return {name: [line[at] for line in lines] for at, name in enumerate(names)}


def _compared(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    before, after = _weights(old), _weights(new)
    return {
        "status": [old["status"], new["status"]],
        "added": {spell(key, ()): weight for key, weight in after.items() if key not in before},
        "removed": {spell(key, ()): weight for key, weight in before.items() if key not in after},
        "reweighted": {
            spell(key, ()): [weight, after[key]]
            for key, weight in before.items()
            if key in after and abs(weight - after[key]) >= CHANGED
        },
        "metrics": _metrics(old["metrics"], new["metrics"]),
    }


def _weights(record: Mapping[str, Any]) -> dict[Pattern, float]:
    """Pattern by the texts of its tokens -> weight."""
    words = {int(token): text for token, text in record["vocabulary"].items()}
    found = verified(worded(record["graph"], words))
    largest = max(found.values(), default=1.0)
    return {pattern: activation / largest for pattern, activation in sorted(found.items(), key=repr)}


def _metrics(old: Mapping, new: Mapping) -> dict[str, dict[str, list]]:
    changed: dict[str, dict[str, list]] = {}
    for kind in old.keys() & new.keys():
        pairs = {name: [one[kind]["graph"][name] for one in (old, new)] for name in SCORES}
        if differing := {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}:
            changed[kind] = differing
    return dict(sorted(changed.items()))
