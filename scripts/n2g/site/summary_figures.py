"""What several pages show of a run: figures of its summary, and the order of its neurons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from n2g.ids import NeuronId
from n2g.site import wording

LISTED = 256  # rows in the table of a layer's page; the rest are in the table of all neurons


def best_first(one: Mapping[str, Any]) -> tuple:
    """Orders rows of neurons by the lower end of the interval of F1, the best first, those without one last."""
    return one["f1_low"] is None, -(one["f1_low"] or 0.0), NeuronId.parse(one["id"])


def worst_first(one: Mapping[str, Any]) -> tuple:
    """Orders rows with an interval of F1 by its upper end: what is surely bad comes before what is hardly known."""
    return one["f1_high"], one["f1"], NeuronId.parse(one["id"])


def predictor_meanings(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(title, meaning) of every predictor that the summary knows."""
    known = {name for sets in by_layer(summary).values() for found in sets.values() for name in found}
    return [
        (title, wording.PREDICTOR_MEANINGS[name])
        for name, title in wording.PREDICTORS.items()
        if name in known
    ]


def by_layer(summary: Mapping[str, Any]) -> Mapping[str, Any]:
    """Layer -> test set -> predictor -> scores."""
    return summary.get("layers") or {}


def across_layers(summary: Mapping[str, Any]) -> Mapping[str, Any]:
    """Test set -> predictor -> scores, over all layers."""
    return summary.get("overall") or {}
