"""Which explains better, the graph or a language model, over the neurons for which both were scored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def scores(record: Mapping[str, Any]) -> dict[str, float] | None:
    """Explainer -> its ev_correlation_score, or None where no language model was scored."""
    found = record.get("explanations") or {}
    if (found.get("model") or {}).get("status") != "ok":
        return None
    return {name: found[name]["ev_correlation"] or 0.0 for name in ("graph", "model")}


def compare(neurons: Iterable[Mapping[str, float] | None]) -> dict[str, Any] | None:
    """Mean scores, and how many neurons each explainer explains better than the other; None without a neuron.

    >>> compare([{"graph": 0.5, "model": 0.25}, None, {"graph": 0.5, "model": 0.5}])
    {'neurons': 2, 'graph': 0.5, 'model': 0.375, 'graph_better': 1, 'model_better': 0}
    """
    known = [one for one in neurons if one is not None]
    if not known:
        return None
    return {
        "neurons": len(known),
        "graph": sum(one["graph"] for one in known) / len(known),
        "model": sum(one["model"] for one in known) / len(known),
        "graph_better": sum(one["graph"] > one["model"] for one in known),
        "model_better": sum(one["model"] > one["graph"] for one in known),
    }
