"""A neuron's measured effects in its record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

LISTS = ("promoted", "suppressed")
NEGLIGIBLE = 0.001  # nats of divergence: the loss that the effect is worth to the model itself, at each place


def effects_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict]:
    """Rows of the table `effects` of one neuron as set of places -> figures, and the promoted and suppressed tokens as
    pairs of token id and mean change of the probability."""
    found = {}
    for row in rows:
        known = {name: value for name, value in row.items() if name not in ("neuron", "pole", "set")}
        pairs = {
            name: [list(pair) for pair in zip(known.pop(name), known.pop(f"{name}_by"), strict=True)]
            for name in LISTS
        }
        found[row["set"]] = known | pairs
    return found


def effect_at(record: Mapping[str, Any], places: str = "firing") -> Mapping[str, Any]:
    """The figures of a record for one of the sets of places; none where nothing was measured."""
    return (record.get("effects") or {}).get(places) or {}


def measurable(effect: Mapping[str, Any]) -> bool:
    """Whether a neuron does anything where it fires, as far as the places show: not where the interval of the change of
    loss holds 0 and the divergence is negligible.

    effect: `firing` of a record's `effects`, at one place or more.
    """
    low, high = effect["loss_low"], effect["loss_high"]
    unsure = low is None or high is None or low <= 0 <= high
    return not (unsure and effect["divergence"] < NEGLIGIBLE)
