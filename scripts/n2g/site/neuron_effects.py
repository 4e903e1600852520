"""What a neuron does, for its page: measured where it fires, beside what its weights alone say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from n2g.graphs.token_display import elide, visible
from n2g.results.effects import LISTS, effect_at, measurable


def effects_context(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """Figures, tokens as (text, change of the probability, whether the weights name it too), how many of each list they
    name, and what happens where only the graph fires; None where nothing was measured, or at no place."""
    effect, elsewhere = effect_at(record), effect_at(record, "false-positive")
    if not effect or not effect["places"]:
        return None
    weights = {name: {token for token, _ in (record.get("logits") or {}).get(name, ())} for name in LISTS}
    lists = {
        name: [(_shown(record, token), value, token in weights[name]) for token, value in effect[name]]
        for name in LISTS
    }
    return {
        **effect,
        **lists,
        "measurable": measurable(effect),
        "agreed": {name: sum(both for *_, both in lists[name]) for name in LISTS},
        "compared": any(weights.values()),
        "elsewhere": elsewhere if elsewhere and elsewhere["places"] else None,
    }


def _shown(record: Mapping[str, Any], token: int) -> str:
    return elide(visible(record["vocabulary"][str(token)]))
