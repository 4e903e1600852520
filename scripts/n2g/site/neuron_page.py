"""What a neuron's page shows, from its record: variables of `neuron.html`, ready to print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from n2g.graphs.colours import level
from n2g.graphs.token_display import elide, excerpt, has_code, plain, shortened, visible
from n2g.metrics import f1_interval
from n2g.site.plots import bars
from n2g.site.wording import PREDICTORS, SETS, STATUSES, number, ratio

AROUND, COMPARED = 16, 5  # tokens on each side of the pivot: shown, and compared to fold similar excerpts
ERRORS = ("false_positives", "false_negatives")
STAMPED = {("top", "train"): 1, ("top", "test"): 3}  # excerpts in the page; the others come from the record
LONGEST = 80
WEIGHTS = {
    "promoted": "Promoted tokens (direct logit effect)",
    "suppressed": "Suppressed tokens (direct logit effect)",
    "input_aligned": "Input-aligned tokens",
}
SETTINGS = ("method", "seed", "dtype")
GROUPS = [
    ("top", "train", "Top activations, training documents", "the graph was fitted to these"),
    ("top", "test", "Top activations, test documents", "held out"),
    ("quantile", "test", "Across quantiles", "held out"),
    ("random", "test", "Random documents", "held out"),
    ("false-positive", "test", "Worst false positives", "the graph fires, the neuron does not"),
    ("false-negative", "test", "Worst false negatives", "the neuron fires, the graph does not"),
]
_STATISTICS = [
    ("density", "Activation density", "fraction of tokens with an activation above 0.001", number),
    ("firing", "Firing tokens", "at least half of the maximum", number),
    ("maximum", "Maximum", "on training documents", number),
    ("mean", "Mean", "", number),
    ("std", "Std. dev.", "standard deviation", number),
    ("skewness", "Skewness", "0 if symmetric", ratio),
    ("kurtosis", "Kurtosis", "3 for a normal distribution", ratio),
]


def context(record: Mapping[str, Any], svg: str | None) -> dict[str, Any]:
    """The variables of one neuron's page.

    Args:
        record: the neuron's record.
        svg: the graph's picture without its style, or None when there is no pattern to draw.
    """
    statistics = record.get("statistics") or {}
    return {
        "record": record,
        "meaning": STATUSES[record["status"]],
        "svg": Markup(svg) if svg else None,
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
        "weights": _weights(record),
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
    if not scores:
        return {}
    if not scores.get("firing"):
        return {"correlation": scores.get("correlation")}
    hits = scores.get("true_positives")
    errors = [scores[name] for name in ERRORS if scores.get(name) is not None]
    if hits is None or len(errors) < len(ERRORS):
        return scores
    low, high = f1_interval(hits, sum(errors))
    return {**scores, "f1_low": low, "f1_high": high}


def _score(metrics: Mapping[str, Any]) -> dict | None:
    """The three scores beside the graph."""
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
    threshold = (record.get("graph") or {}).get("decision_threshold")
    caption = "Tokens by activation, log–log; the red line is the graph’s decision threshold"
    edges = histogram["edges"]
    label = f"Histogram of activations from {number(edges[0])} to {number(edges[-1])}"
    return bars(edges, histogram["counts"], label, caption, threshold)


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
            folded = _folded(known)
            count = STAMPED.get((kind, split), 0)
            items = [_example(index, example, record) | {"times": n} for index, example, n in folded[:count]]
            later = [f"{index}*{n}" if n > 1 else str(index) for index, _, n in folded[count:]]
            found.append(
                {"key": f"{split}-{kind}", "title": title, "note": note, "items": items, "later": later}
            )
    return found


def _folded(known: Sequence[tuple[int, Mapping[str, Any]]]) -> list[tuple[int, Mapping[str, Any], int]]:
    """(index, excerpt, how often) of excerpts: of those with the same tokens around the pivot only the first."""
    first: dict[tuple, list] = {}
    for index, example in known:
        near = slice(max(0, example["pivot"] - COMPARED), example["pivot"] + COMPARED + 1)
        first.setdefault(tuple(example["tokens"][near]), [index, example, 0])[2] += 1
    return [tuple(one) for one in first.values()]


def _example(index: int, example: Mapping[str, Any], record: Mapping[str, Any]) -> dict:
    """An excerpt around the pivot. Tokens are (text, class names, whether it has code); the script adds values."""
    scale = _scale(record)
    skipped = (record.get("graph") or {}).get("bos") == example["tokens"][0] and example["start"] == 0
    first = max(int(skipped), example["pivot"] - AROUND)
    last = min(len(example["tokens"]), example["pivot"] + AROUND + 1)
    predictions = example.get("predictions") or [0.0] * len(example["tokens"])
    words = excerpt([record["vocabulary"].get(str(token), "�") for token in example["tokens"]])
    tokens = []
    for at in range(first, last):
        value = example["activations"][at]
        real, opposite, predicted = level(value, scale), level(-value, scale), level(predictions[at], scale)
        steps = (("a", real), ("n", opposite), ("p", predicted))
        colour = " ".join(f"{name}{step}" for name, step in steps if step)
        tokens.append((shortened(words[at], LONGEST), colour, has_code(words[at])))
    return {
        "index": index,
        "value": max(example["activations"]),
        "tokens": tokens,
        "held_out": example.get("predictions") is not None,
        "title": shortened(plain(example.get("title") or ""), LONGEST),
    }


def _weights(record: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, float]]]]:
    """(title, (token, value) pairs) of what the weights say alone."""
    known = record.get("logits") or {}
    texts = record["vocabulary"]
    return [
        (title, [(elide(visible(texts[str(token)])), value) for token, value in known[name]])
        for name, title in WEIGHTS.items()
        if known.get(name)
    ]


def _provenance(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    known = record["provenance"]
    model, corpus = known.get("model") or {}, known.get("corpus") or {}
    rows = [
        ("Run", known.get("run")),
        ("Model", _source(model)),
        ("Texts", _source(corpus)),
        ("Hook", known.get("hook")),
        ("Settings", _pairs({key: known.get(key) for key in SETTINGS} | (known.get("settings") or {}))),
        ("Versions", _pairs(known.get("versions"))),
        ("Digest", record.get("digest")),
    ]
    return [(name, str(value)) for name, value in rows if value]


def _source(given: Mapping[str, Any]) -> str:
    """Name, licence and revision of the model or of the texts."""
    parts = [f"{given.get('name') or given.get('source')} ({given.get('licence') or 'licence unknown'})"]
    parts += [str(given[key]) for key in ("source", "file") if given.get(key)]
    if given.get("sha256"):
        parts.append(f"SHA-256 {given['sha256'][:16]}…")
    return ", ".join(parts)


def _pairs(values: Mapping[str, Any] | None) -> str:
    return ", ".join(f"{key} {value}" for key, value in sorted((values or {}).items()) if value is not None)
