"""What a neuron's page shows, from its record: variables of `neuron.html`, ready to print."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from n2g.display import elide, plain, visible
from n2g.draw import inline
from n2g.palette import level
from n2g.plots import bars
from n2g.words import PREDICTORS, SETS, STATUSES, number, ratio

AROUND = 16
STAMPED = {("top", "train"): 2, ("top", "test"): 4}  # excerpts in the page; the others come from the record
LONGEST = 80
GROUPS = [
    ("top", "train", "Training texts with the largest activations", "the graph was made from these"),
    ("top", "test", "Test texts with the largest activations", "held out"),
    ("quantile", "test", "Test texts across quantiles", "held out"),
    ("random", "test", "Random test texts", "held out"),
    ("false-positive", "test", "Worst false positives", "the graph fires, the neuron does not"),
    ("false-negative", "test", "Worst false negatives", "the neuron fires, the graph does not"),
]
_STATISTICS = [
    ("density", "Density", "share of tokens with an activation of at least 0.001", number),
    ("firing", "Firing tokens", "tokens with at least half of the maximum", number),
    ("maximum", "Maximum", "largest activation on training texts", number),
    ("mean", "Mean", "mean activation", number),
    ("std", "Deviation", "standard deviation of the activation", number),
    ("skewness", "Skewness", "0 for a symmetric distribution", ratio),
    ("kurtosis", "Kurtosis", "3 for a normal distribution, large for a selective neuron", ratio),
]


def context(record: Mapping[str, Any], svg: str | None) -> dict[str, Any]:
    """The variables of one neuron's page.

    Args:
        record: the neuron's record.
        svg: the graph's picture, or None when there is no pattern to draw.
    """
    statistics = record.get("statistics") or {}
    return {
        "record": record,
        "meaning": STATUSES[record["status"]],
        "svg": Markup(inline(svg)) if svg else None,
        **_scores(record.get("metrics") or {}),
        "score": _score(record.get("metrics") or {}),
        "plot": _plot(statistics, record),
        "statistics": [
            (name, shown(statistics[key]), meaning)
            for key, name, meaning, shown in _STATISTICS
            if statistics.get(key) is not None
        ],
        "scale": _scale(record),
        "groups": _groups(record),
        "logits": _logits(record),
        "provenance": _provenance(record),
    }


def _scores(metrics: Mapping[str, Any]) -> dict[str, list]:
    """Columns (test sets) and rows (predictors) of the table of scores; what was not measured is {}."""
    known = {key: metrics[key] for key in SETS if metrics.get(key)}
    names = [name for name in PREDICTORS if any(name in found for found in known.values())]
    columns = [
        {"title": SETS[key][0], "meaning": SETS[key][1], "firing": found[names[0]].get("firing")}
        for key, found in known.items()
        if names and names[0] in found
    ]
    rows = [
        {
            "key": name,
            "title": PREDICTORS[name],
            "sets": [_measured(found.get(name)) for found in known.values()],
        }
        for name in names
    ]
    return {"sets": columns, "scores": rows}


def _measured(scores: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Scores of a test set in which the neuron fires; elsewhere only the correlation says something."""
    if not scores or scores.get("firing"):
        return scores or {}
    return {"correlation": scores.get("correlation")}


def _score(metrics: Mapping[str, Any]) -> dict | None:
    """The three numbers beside the graph."""
    top = metrics.get("top") or {}
    if "graph" not in top:
        return None
    lookup = _measured(top.get("token_lookup"))
    return {
        "f1": _measured(top["graph"]).get("f1"),
        "lookup": lookup.get("f1"),
        "correlation": top["graph"].get("correlation"),
    }


def _plot(statistics: Mapping[str, Any], record: Mapping[str, Any]) -> dict | None:
    histogram = statistics.get("histogram") or {}
    if not histogram.get("counts"):
        return None
    cut = (record.get("graph") or {}).get("cut")
    caption = "Tokens by activation, both axes logarithmic; the line is the cut of the graph"
    edges = histogram["edges"]
    label = f"Histogram of activations from {number(edges[0])} to {number(edges[-1])}"
    return bars(edges, histogram["counts"], label, caption, cut)


def _scale(record: Mapping[str, Any]) -> float:
    """The activation that has the strongest colour."""
    return (record.get("graph") or {}).get("scale") or (record.get("statistics") or {}).get("maximum") or 1.0


def _groups(record: Mapping[str, Any]) -> list[dict]:
    found = []
    for kind, split, title, note in GROUPS:
        known = [
            (index, example)
            for index, example in enumerate(record.get("examples") or [])
            if example["set"] == kind and example["split"] == split
        ]
        if known:
            count = STAMPED.get((kind, split), 0)
            items = [_example(index, example, record) for index, example in known[:count]]
            later = [index for index, _ in known[count:]]
            found.append({"title": title, "note": note, "items": items, "later": later})
    return found


def _example(index: int, example: Mapping[str, Any], record: Mapping[str, Any]) -> dict:
    """An excerpt around the pivot. Tokens are (text, class names); the page's script adds the values."""
    scale = _scale(record)
    skipped = (record.get("graph") or {}).get("bos") == example["tokens"][0] and example["start"] == 0
    first = max(int(skipped), example["pivot"] - AROUND)
    last = min(len(example["tokens"]), example["pivot"] + AROUND + 1)
    predictions = example.get("predictions") or [0.0] * len(example["tokens"])
    tokens = []
    for at in range(first, last):
        text = record["vocabulary"].get(str(example["tokens"][at]), "�")
        real, predicted = level(example["activations"][at], scale), level(predictions[at], scale)
        colour = " ".join([f"a{real}"] * (real > 0) + [f"p{predicted}"] * (predicted > 0))
        tokens.append((elide(plain(text), LONGEST), colour))
    return {
        "index": index,
        "value": max(example["activations"]),
        "tokens": tokens,
        "held_out": example.get("predictions") is not None,
        "title": elide(plain(example.get("title") or ""), LONGEST),
    }


def _logits(record: Mapping[str, Any]) -> list[tuple[str, list]]:
    logits = record.get("logits") or {}
    titles = {
        "promoted": "Tokens it makes more likely",
        "suppressed": "Tokens it makes less likely",
        "liked": "Tokens its input likes",
    }
    known = record["vocabulary"]
    return [
        (title, [(elide(visible(known.get(str(token), "�"))), value) for token, value in logits[key]])
        for key, title in titles.items()
        if logits.get(key)
    ]


def _provenance(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    known = record["provenance"]
    model, corpus = known.get("model") or {}, known.get("corpus") or {}
    rows = [
        ("Run", known.get("run")),
        (
            "Model",
            f"{model.get('name') or model.get('source')} ({model.get('licence') or 'licence unknown'})",
        ),
        (
            "Texts",
            f"{corpus.get('name') or corpus.get('source')} ({corpus.get('licence') or 'licence unknown'})",
        ),
        ("Hook", known.get("hook")),
        ("Versions", _pairs(known.get("versions"))),
        ("Digest", record.get("digest")),
    ]
    return [(name, str(value)) for name, value in rows if value]


def _pairs(values: Mapping[str, Any] | None) -> str:
    return ", ".join(f"{key} {value}" for key, value in sorted((values or {}).items()))
