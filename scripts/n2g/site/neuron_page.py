"""What a neuron's page shows, from its record: variables of `neuron.html`, ready to print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from n2g.graphs.colours import level
from n2g.graphs.drawing import activations, is_background
from n2g.graphs.pattern_paths import only, strongest_paths
from n2g.graphs.token_display import elide, excerpt, has_code, plain, shortened, visible
from n2g.metrics import FEW, f1_interval, firing_threshold
from n2g.results.pictures import SHOWN as PATTERNS
from n2g.settings import Settings
from n2g.site.neuron_effects import effects_context
from n2g.site.pattern_rows import pattern_rows
from n2g.site.plots import bars
from n2g.site.wording import PREDICTORS, SETS, STATUSES, grouped, number, ratio

AROUND, COMPARED = 16, 5  # tokens on each side of the pivot: shown, and compared to fold similar excerpts
BESIDE = 10  # tokens on each side, beside the graph
ERRORS = ("false_positives", "false_negatives")
STAMPED = {("top", "test"): 4, ("top", "train"): 2}  # excerpts in the page; the others come from the record
EVIDENCE = tuple(STAMPED)
AT_ONCE = 8  # excerpts of a list; the others when someone asks for them
TITLES = 6
RELIABLE = 0.5  # of the lower end of the interval of F1
VERDICTS = {
    "too few test tokens": f"the neuron fires on fewer than {FEW} tokens of the top test documents",
    "reliable": f"the lower end of the interval of F1 is at least {RELIABLE}",
    "weak": f"the lower end of the interval of F1 is below {RELIABLE}",
}
LONGEST = 80
WEIGHTS = {
    "promoted": "Promoted tokens (direct logit effect)",
    "suppressed": "Suppressed tokens (direct logit effect)",
    "input_aligned": "Input-aligned tokens",
}
SETTINGS = ("method", "seed", "dtype")
GROUPS = [
    ("top", "test", "Strongest in test documents", "held out"),
    ("top", "train", "Strongest in training documents", "the graph was fitted to these"),
    ("quantile", "test", "Across quantiles", "held out"),
    ("random", "test", "Random documents", "held out"),
    ("false-positive", "test", "Worst false positives", "the graph fires, the neuron does not"),
    ("false-negative", "test", "Worst false negatives", "the neuron fires, the graph does not"),
]
CONTINUED = {"top": "firing"}  # what a list goes on with
_STATISTICS = [
    ("density", "Activation density", "fraction of tokens with an activation above 0.001", number),
    ("firing", "Firing tokens", "of all documents, at or above the firing threshold", grouped),
    ("maximum", "Maximum, training", "largest activation on training documents", number),
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
        "drawn": _drawn(record.get("graph")),
        "name": shortened(plain(record["provenance"].get("name") or ""), LONGEST),
        "svg": Markup(svg) if svg else None,
        **_scores(record.get("metrics") or {}),
        "about": _about(record),
        "firing": _firing(record),
        "patterns": pattern_rows(record),
        "listed": PATTERNS,
        "score": _score(record.get("metrics") or {}),
        "rule": record.get("rule") or "",
        "rule_f1": _rule_f1(record.get("metrics") or {}),
        "plot": _plot(statistics, record),
        "statistics": [
            (name, shown(statistics[key]), meaning)
            for key, name, meaning, shown in _STATISTICS
            if statistics.get(key) is not None
        ],
        "scale": _scale(record),
        "evidence": _groups(record, EVIDENCE),
        "groups": _groups(record, [group[:2] for group in GROUPS if group[:2] not in EVIDENCE]),
        "does": effects_context(record),
        "weights": _weights(record),
        "provenance": _provenance(record),
    }


def _drawn(graph: Mapping[str, Any] | None) -> dict[str, bool]:
    """What the picture of a graph has beside tokens, which the legend explains: `free` elements, `start`, and a
    `background`; of each, whether it is among the patterns that are shown at first."""
    if not graph:
        return {}
    paths = strongest_paths(graph)
    first = only(graph, paths[:PATTERNS]) if len(paths) > PATTERNS else graph  # as in the picture
    shown = _kinds(first)
    return {kind: kind in shown for kind in sorted(_kinds(graph))}


def _kinds(graph: Mapping[str, Any]) -> set[str]:
    nodes, strength = graph["nodes"][1:], activations(graph)
    kinds = {"wildcard": "free", "gap": "free", "start": "start"}
    found = {kinds[node["kind"]] for node in nodes if node["kind"] in kinds}
    return found | {"background" for node in nodes if is_background(node, graph, strength)}


def _scores(metrics: Mapping[str, Any]) -> dict[str, list]:
    """Columns (test sets) and rows (predictors) of the table of scores; what was not measured is {}.

    The windows are left out, as their sample is large enough for a layer, not for a neuron; so are the quantiles,
    which few neurons fire in and the record holds.
    """
    known = {key: metrics[key] for key in ("top", "random") if metrics.get(key)}
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
    """What the graph's scores come to, in a word and in figures; None where nothing was measured."""
    found = {name: (metrics.get(name) or {}).get("graph") for name in ("top", "random")}
    if not found["top"]:
        return None
    top, random = (_measured(scores) for scores in found.values())
    firing = found["top"].get("firing") or 0
    word = "too few test tokens" if firing < FEW else "reliable" if top["f1_low"] >= RELIABLE else "weak"
    others = {name: _measured(scores).get("f1") for name, scores in metrics["top"].items() if name != "graph"}
    known = {name: value for name, value in others.items() if value is not None and name in PREDICTORS}
    best = max(known, key=lambda name: known[name], default=None)
    return {
        "word": word,
        "means": VERDICTS[word],
        "firing": firing,
        "f1": top.get("f1"),
        "low": top.get("f1_low"),
        "high": top.get("f1_high"),
        "random": random.get("f1"),
        "best": (PREDICTORS[best], known[best]) if best else None,
    }


def _rule_f1(metrics: Mapping[str, Any]) -> float | None:
    """F1 of the rule on the top test documents; None where the neuron does not fire there."""
    return _measured((metrics.get("top") or {}).get("rule")).get("f1")


def _about(record: Mapping[str, Any]) -> dict[str, Any]:
    """What the neuron is about, whatever the graph says: how often it fires, between what its activations lie, whether
    the page's pole is the weaker one, the tokens of the largest mean activation, and the titles of top documents."""
    statistics = record.get("statistics") or {}
    sign = -1 if record["pole"] == "negative" else 1  # of the page's pole, which the statistics have
    lowest, highest = statistics.get("lowest"), statistics.get("highest")
    known = lowest is not None and highest is not None
    titles = [
        elide(plain(example["title"]), LONGEST)
        for example in record.get("examples") or []
        if example["set"] == "top" and example.get("title")
    ]
    return {
        "firing": statistics.get("firing"),
        "threshold": sign * _firing(record),
        "tokens": statistics.get("tokens"),
        "ends": sorted((sign * lowest, sign * highest)) if known else None,
        "weaker": known and lowest < 0 and -lowest >= highest,
        "own": sign * highest if known else None,
        "other": sign * lowest if known else None,
        "strongest": [
            (elide(visible(record["vocabulary"].get(str(token), f"#{token}"))), mean, count)
            for token, mean, count in record.get("top_tokens") or []
        ],
        "titles": list(dict.fromkeys(titles))[:TITLES],
    }


def _plot(statistics: Mapping[str, Any], record: Mapping[str, Any]) -> dict | None:
    histogram = statistics.get("histogram") or {}
    if not histogram.get("counts"):
        return None
    threshold, firing = (record.get("graph") or {}).get("decision_threshold"), _firing(record)
    caption = "Tokens of all documents by activation, log–log."
    if threshold is not None:
        caption += f" Line: the graph’s decision threshold, {number(threshold)}."
    if firing > 0:
        caption += f" Dashed: the neuron’s firing threshold, {number(firing)}, a fixed share of the maximum on training"
        caption += " documents. Validation and test documents may go beyond that maximum."
    edges = histogram["edges"]
    label = f"Histogram of activations from {number(edges[0])} to {number(edges[-1])}"
    return bars(edges, histogram["counts"], label, caption, {"decision": threshold, "firing": firing or None})


def _scale(record: Mapping[str, Any]) -> float:
    """The activation that has the strongest colour."""
    return (record.get("graph") or {}).get("scale") or (record.get("statistics") or {}).get("maximum") or 1.0


def _groups(record: Mapping[str, Any], wanted: Sequence[tuple[str, str]]) -> list[dict]:
    found = []
    around = BESIDE if wanted is EVIDENCE else AROUND
    for kind, split, title, note in GROUPS:
        if (kind, split) not in wanted:
            continue
        known = [
            (index, example)
            for index, example in enumerate(record.get("examples") or [])
            if example["set"] in (kind, CONTINUED.get(kind)) and example["split"] == split
        ]
        if known:
            folded = _folded(known)
            count = STAMPED.get((kind, split), 0)
            items = [
                _example(index, example, record, around) | {"times": n}
                for index, example, n in folded[:count]
            ]
            rest = [f"{index}*{n}" if n > 1 else str(index) for index, _, n in folded]
            found.append(
                {"key": f"{split}-{kind}", "title": title, "note": note, "items": items, "around": around}
                | {"later": rest[count:AT_ONCE], "more": rest[AT_ONCE:]}
            )
    return found


def _folded(known: Sequence[tuple[int, Mapping[str, Any]]]) -> list[tuple[int, Mapping[str, Any], int]]:
    """(index, excerpt, how often) of excerpts: of those with the same tokens around the pivot only the first."""
    first: dict[tuple, list] = {}
    for index, example in known:
        near = slice(max(0, example["pivot"] - COMPARED), example["pivot"] + COMPARED + 1)
        first.setdefault(tuple(example["tokens"][near]), [index, example, 0])[2] += 1
    return [tuple(one) for one in first.values()]


def _example(index: int, example: Mapping[str, Any], record: Mapping[str, Any], around: int) -> dict:
    """An excerpt around the pivot. Tokens are (text, class names, whether it has code); the script adds values."""
    scale = _scale(record)
    skipped = (record.get("graph") or {}).get("bos") == example["tokens"][0] and example["start"] == 0
    pivot, predictions = example["pivot"], example["predictions"]
    first = max(int(skipped), pivot - around)
    last = min(len(example["tokens"]), pivot + around + 1)
    words = excerpt([record["vocabulary"].get(str(token), "�") for token in example["tokens"]])
    tokens = []
    for at in range(first, last):
        value = example["activations"][at]
        real, opposite, predicted = level(value, scale), level(-value, scale), level(predictions[at], scale)
        steps = (("a", real), ("n", opposite), ("p", predicted))
        colour = " ".join(f"{name}{step}" for name, step in steps if step)
        if at == pivot:
            colour = f"{colour} pivot".strip()
        tokens.append((shortened(words[at], LONGEST), colour, has_code(words[at])))
    return {
        "index": index,
        "value": example["activations"][pivot],
        "predicted": predictions[pivot],
        "outcome": _outcome(example["activations"][pivot], predictions[pivot], record),
        "tokens": tokens,
        "title": shortened(plain(example.get("title") or ""), LONGEST),
        "drawn": example["set"] == CONTINUED["top"],
    }


def _firing(record: Mapping[str, Any]) -> float:
    """The activation from which the neuron counts as firing."""
    share = (record["provenance"].get("settings") or {}).get("firing_threshold", Settings.firing_threshold)
    return firing_threshold((record.get("statistics") or {}).get("maximum") or 0.0, share)


def _outcome(value: float, predicted: float, record: Mapping[str, Any]) -> str:
    """`hit`, `miss` (the neuron fires alone), `false` (the graph fires alone), or "" where neither does."""
    fires = value >= _firing(record)
    says = predicted >= (record.get("graph") or {}).get("decision_threshold", 0.0) and predicted > 0
    return {(True, True): "hit", (True, False): "miss", (False, True): "false"}.get((fires, says), "")


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
        ("Latents", _source(known["units"]) if known.get("units") else None),
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
