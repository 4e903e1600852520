"""A neuron as one row of the tables: few numbers and a sentence, taken from its record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from n2g.graphs.pattern_paths import Nodes, firing_paths, strongest_paths
from n2g.metrics import f1_interval
from n2g.results.effects import effect_at
from n2g.site import explainer_comparison
from n2g.site.pattern_rows import pattern_rows
from n2g.site.wording import of_units

_TOP = "on the test documents with the largest activations"
_RATIO = {"numeric": True, "format": "ratio"}
_NUMBER = {"numeric": True, "format": "number"}
_TEXT = {"numeric": False, "format": "text"}
COLUMNS = [
    {"key": "id", "title": "Neuron", "meaning": "", **_TEXT},
    {"key": "explanation", "title": "Fires on", "meaning": "the graph in a sentence", **_TEXT},
    {"key": "status", "title": "Status", "meaning": "", **_TEXT},
    {"key": "f1", "title": "F1", "meaning": f"F1 of the graph {_TOP}", **_RATIO},
    {
        "key": "f1_low",
        "title": "F1, at least",
        "meaning": f"lower end of the 95 % confidence interval of F1 {_TOP}: what neurons are ranked by",
        **_RATIO,
    },
    {"key": "firing", "title": "Firing", "meaning": f"firing tokens {_TOP}", **_NUMBER},
    {"key": "precision", "title": "Precision", "meaning": f"precision of the graph {_TOP}", **_RATIO},
    {"key": "recall", "title": "Recall", "meaning": f"recall of the graph {_TOP}", **_RATIO},
    {"key": "lookup_f1", "title": "F1, token lookup", "meaning": f"F1 of the token lookup {_TOP}", **_RATIO},
    {
        "key": "random_f1",
        "title": "F1, random documents",
        "meaning": "F1 of the graph on random test documents",
        **_RATIO,
    },
    {
        "key": "correlation",
        "title": "r",
        "meaning": "correlation of predicted and actual activation",
        **_RATIO,
    },
    {
        "key": "density",
        "title": "Activation density",
        "meaning": "fraction of tokens with an activation above 0.001",
        **_NUMBER,
    },
    {"key": "maximum", "title": "Max", "meaning": "largest activation on training documents", **_NUMBER},
    {"key": "kurtosis", "title": "Kurtosis", "meaning": "3 for a normal distribution", **_NUMBER},
    {"key": "nodes", "title": "Nodes", "meaning": "nodes in the graph", **_NUMBER},
    {"key": "depth", "title": "Depth", "meaning": "length of the longest pattern", **_NUMBER},
    {
        "key": "repeats",
        "title": "Repeats",
        "meaning": "fraction of patterns whose activating token also occurs in their context",
        **_RATIO,
    },
]

KEPT = {
    "key": "kept",
    "title": "Effect kept",
    "meaning": "share of the neuron’s effect on the model’s predictions that is left if its graph replaces it",
    **_RATIO,
}

EFFECTS = [
    {
        "key": "loss",
        "title": "Loss change",
        "meaning": "change of the model’s next-token loss by the firing, in nats, against the neuron at its mean; below"
        " 0 it helps to predict",
        **_NUMBER,
    },
    {
        "key": "divergence",
        "title": "Effect",
        "meaning": "divergence of the model’s next-token predictions, in nats, with the neuron at its mean where it"
        " fires",
        **_NUMBER,
    },
]


def columns(rewritten: bool, measured: bool, unit: str = "neuron") -> list[dict[str, Any]]:
    """The columns of the tables. rewritten: whether layers were rewritten by their graphs. measured: whether it was
    measured what neurons do. unit: what the tables are about."""
    further = [*(EFFECTS if measured else []), *([KEPT] if rewritten else [])]
    named: list[dict[str, Any]] = [*COLUMNS, *further]
    return [one | {key: of_units(one[key], unit) for key in ("title", "meaning")} for one in named]


def row(record: Mapping[str, Any]) -> dict[str, Any]:
    """A neuron as one row of the tables: the values of COLUMNS, its layer, its hits and errors on random texts, and
    the strongest of its patterns that repeat a token."""
    metrics, statistics = record.get("metrics") or {}, record.get("statistics") or {}
    top = metrics.get("top") or {}
    graph = top.get("graph") or {}
    paths = list(firing_paths(record["graph"])) if record.get("graph") else []
    repeating = sum(map(repeats, paths))
    strongest = strongest_repeat(record) if repeating else None
    low, high = interval(graph) or (None, None)
    return {
        "id": record["id"],
        "layer": record["layer"],
        "status": record["status"],
        "f1": f1(graph),
        "f1_low": low,
        "f1_high": high,
        "firing": graph.get("firing"),
        "precision": graph.get("precision") if graph.get("firing") else None,
        "recall": graph.get("recall") if graph.get("firing") else None,
        "lookup_f1": f1(top.get("token_lookup")),
        "random_f1": f1((metrics.get("random") or {}).get("graph")),
        "correlation": graph.get("correlation"),
        "density": statistics.get("density"),
        "maximum": statistics.get("maximum"),
        "kurtosis": statistics.get("kurtosis"),
        "nodes": len((record.get("graph") or {"nodes": [0]})["nodes"]) - 1,
        "depth": max(map(len, paths), default=0),
        "repeats": repeating / len(paths) if paths else 0.0,
        "loss": effect_at(record).get("loss"),
        "divergence": effect_at(record).get("divergence"),
        "explanation": record.get("explanation") or "",
        "repeat": strongest and strongest | {"patterns": repeating, "of": len(paths)},
        "explained": explainer_comparison.scores(record),
        "counts": _counts((metrics.get("random") or {}).get("graph")),
    }


def _counts(scores: Mapping[str, Any] | None) -> tuple[int, int, int]:
    """True positives, false positives and false negatives."""
    names = ("true_positives", "false_positives", "false_negatives")
    hits, false_alarms, misses = ((scores or {}).get(name) or 0 for name in names)
    return hits, false_alarms, misses


def f1(scores: Mapping[str, Any] | None) -> float | None:
    """F1, or None where the neuron does not fire in the test set, so that nothing could be found."""
    return scores.get("f1") if scores and scores.get("firing") else None


def interval(scores: Mapping[str, Any] | None) -> tuple[float, float] | None:
    """The confidence interval of F1: by its lower end, two hits of two are worth less than twenty of twenty."""
    if not scores or not scores.get("firing"):
        return None
    hits, false_alarms, misses = _counts(scores)
    return f1_interval(hits, false_alarms + misses)


def repeats(path: Nodes) -> bool:
    """Whether a token that activates also stands in the pattern's context: the text repeats itself."""
    activating = set(path[0].get("tokens", ()))
    return any(not activating.isdisjoint(node.get("tokens", ())) for node in path[1:])


def strongest_repeat(record: Mapping[str, Any]) -> dict[str, Any]:
    """The first of a record's patterns that repeat a token, as a row of `pattern_rows`; there must be one."""
    ends = {path[-1]["id"] for path in strongest_paths(record["graph"]) if repeats(path)}
    return next(one for one in pattern_rows(record) if one["node"] in ends)
