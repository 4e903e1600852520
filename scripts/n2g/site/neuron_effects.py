"""What a neuron does, for its page: measured where it fires, beside what its weights alone say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from n2g.graphs.token_display import elide, visible
from n2g.results.effects import LISTS, effect_at, measurable

LEAST = 0.001  # change of a probability of a token that is listed


def effects_context(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """Figures, tokens that change by `LEAST` or more as (text, change of the probability, whether the weights name it
    too), and what happens where only the graph fires; None where nothing was measured, or at no place."""
    effect, elsewhere = effect_at(record), effect_at(record, "false-positive")
    if not effect or not effect["places"]:
        return None
    weights = {name: {token for token, _ in (record.get("logits") or {}).get(name, ())} for name in LISTS}
    lists = {
        name: [
            (_shown(record, token), value, token in weights[name])
            for token, value in effect[name]
            if abs(value) >= LEAST
        ]
        for name in LISTS
    }
    return {
        **effect,
        **lists,
        "least": LEAST,
        "measurable": measurable(effect),
        "unclear": effect["loss_low"] is not None and effect["loss_low"] <= 0 <= effect["loss_high"],
        "agreed": any(both for name in LISTS for *_, both in lists[name]),
        "elsewhere": elsewhere if elsewhere and elsewhere["places"] else None,
    }


def _shown(record: Mapping[str, Any], token: int) -> str:
    return elide(visible(record["vocabulary"][str(token)]))
