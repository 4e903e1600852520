"""What changed between two runs: other settings, checkpoints or models."""

from __future__ import annotations

from typing import Any

from n2g.atlas import Atlas, Neuron, spell
from n2g.patterns import Pattern, spelled, verified

SCORES = ("precision", "recall", "f1", "average_precision", "correlation")
CHANGED = 0.01  # least change of a pattern's weight that counts


def diff(old: Atlas, new: Atlas) -> dict[str, Any]:
    """Neuron by neuron: patterns added, removed and re-weighted, and changes of the graph's scores.

    Patterns are compared by the texts of their tokens, so that models with other tokenizers compare. A weight is the
    predicted activation as a share of the graph's largest.

    Returns:
        `neurons`: for each that changed, `neuron`, `added`, `removed` (pattern -> weight), `reweighted` (pattern ->
        weights before and after), `metrics` (test set -> score -> values before and after) and `status` (before and
        after); `same`: how many did not change; `only`: neurons that one run alone has.
    """
    names = [set(atlas.names()) for atlas in (old, new)]
    changed = []
    for name in sorted(names[0] & names[1]):
        found = _compared(old[name], new[name], old.words, new.words)
        if (
            any(found[kind] for kind in ("added", "removed", "reweighted", "metrics"))
            or len(set(found["status"])) > 1
        ):
            changed.append({"neuron": str(name), **found})
    return {
        "neurons": changed,
        "same": len(names[0] & names[1]) - len(changed),
        "only": [[str(name) for name in sorted(names[i] - names[1 - i])] for i in (0, 1)],
    }


def _compared(old: Neuron, new: Neuron, old_words: list[str], new_words: list[str]) -> dict[str, Any]:
    before, after = _weights(old, old_words), _weights(new, new_words)
    return {
        "status": [old.status, new.status],
        "added": {spell(key, ()): weight for key, weight in after.items() if key not in before},
        "removed": {spell(key, ()): weight for key, weight in before.items() if key not in after},
        "reweighted": {
            spell(key, ()): [weight, after[key]]
            for key, weight in before.items()
            if key in after and abs(weight - after[key]) >= CHANGED
        },
        "metrics": _metrics(old.record["metrics"], new.record["metrics"]),
    }


def _weights(neuron: Neuron, words: list[str]) -> dict[Pattern, float]:
    found = verified(neuron.record["graph"])
    largest = max(found.values(), default=1.0)
    return {spelled(pattern, words): activation / largest for pattern, activation in sorted(found.items())}


def _metrics(old: dict, new: dict) -> dict[str, dict[str, list]]:
    changed: dict[str, dict[str, list]] = {}
    for kind in old.keys() & new.keys():
        pairs = {name: [one[kind]["graph"][name] for one in (old, new)] for name in SCORES}
        if differing := {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}:
            changed[kind] = differing
    return dict(sorted(changed.items()))
