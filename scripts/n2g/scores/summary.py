"""Averages over neurons and layers: the content of summary.json."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, median
from typing import Any

import numpy as np
import pyarrow as pa

from n2g.graphs.rule_grammar import parse
from n2g.metrics import SCORES

Values = dict[str, Any]


def summarise(
    tables: Iterable[tuple[int, pa.Table]], graphs: Iterable[Mapping[str, Any]], *, seed: int = 0
) -> Values:
    """Macro averages of every predictor, and what the rules come to.

    Args:
        tables: (layer, `evaluate` table) of every block.
        graphs: all lines of all graph files.
        seed: of the bootstrap.

    Returns:
        `layers`: layer -> test set -> predictor -> mean of every score with its 95 % interval (`f1`,
        `f1_low`, `f1_high`), over the neurons that fire in the set: `neurons` of them; `not_firing` others
        are left out. `silent` of the counted ones are never predicted to fire, and count as zero.
        `overall`: the same, averaged over the layers that have a counted neuron. `window_share`: layer, or
        `overall`, -> window -> F1 of the graphs as a share of the window's, on the same tokens. `graph_size`:
        layer -> method -> what `graph_sizes` gives. `rule`: what `rule_figures` gives, and `f1_share`: test set
        -> F1 of the rules as a share of that of the graphs.
    """
    lines = list(graphs)
    layers: dict[int, dict[tuple[str, str], list[Values]]] = {}
    for layer, table in tables:
        groups = layers.setdefault(layer, {})
        for row in table.to_pylist():
            groups.setdefault((row["set"], row["predictor"]), []).append(row)
    by_layer = {str(layer): _sets([groups], seed) for layer, groups in sorted(layers.items())}
    overall = _sets(list(layers.values()), seed)
    return {
        "layers": by_layer,
        "overall": overall,
        "window_share": {
            name: window_shares(found["windows"])
            for name, found in [*by_layer.items(), ("overall", overall)]
            if "windows" in found
        },
        "graph_size": graph_sizes(lines),
        "rule": rule_figures(lines) | {"f1_share": _rule_shares(overall)},
    }


def _sets(layers: Sequence[Mapping[tuple[str, str], list[Values]]], seed: int) -> Values:
    found: dict[str, dict[str, Values]] = {}
    for name, predictor in sorted({key for groups in layers for key in groups}):
        rows = [groups.get((name, predictor), []) for groups in layers]
        found.setdefault(name, {})[predictor] = _average(rows, seed)
    return found


def _average(layers: Sequence[Sequence[Values]], seed: int) -> Values:
    counted = [[row for row in rows if row["firing"]] for rows in layers]
    width = len(SCORES)
    groups = [np.array([[r[name] for name in SCORES] for r in rows]).reshape(-1, width) for rows in counted]
    mean, low, high = macro_average(groups, seed=seed)
    averages: Values = {}
    for at, name in enumerate(SCORES):
        averages |= {
            name: _rounded(mean[at]),
            f"{name}_low": _rounded(low[at]),
            f"{name}_high": _rounded(high[at]),
        }
    neurons = sum(map(len, counted))
    silent = sum(not (row["true_positives"] or row["false_positives"]) for rows in counted for row in rows)
    return averages | {"neurons": neurons, "not_firing": sum(map(len, layers)) - neurons, "silent": silent}


def macro_average(
    groups: Sequence[np.ndarray], *, seed: int = 0, samples: int = 2000
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean over the groups of the means over their neurons, with a 95 % percentile bootstrap interval.

    Args:
        groups: float [neuron, metric], one array a layer; neurons are resampled within their layer. Layers
            without a neuron are left out.
        seed: of the resampling; the same input and seed give the same interval.
        samples: how many resamplings.

    Returns:
        Mean, lower and upper end, each float [metric]. All are 0 where no layer has a neuron.
    """
    groups = [np.asarray(group, dtype=np.float64) for group in groups]
    width = groups[0].shape[1] if groups else 0
    groups = [group for group in groups if len(group)]
    if not groups:
        return np.zeros(width), np.zeros(width), np.zeros(width)
    random = np.random.default_rng(seed)
    total = np.zeros((samples, width))
    for group in groups:
        # How often each neuron is drawn: the mean of a resampling is a product with these counts.
        drawn = random.multinomial(len(group), np.full(len(group), 1 / len(group)), size=samples)
        total += drawn @ group / len(group)
    low, high = np.percentile(total / len(groups), [2.5, 97.5], axis=0)
    return np.mean([group.mean(axis=0) for group in groups], axis=0), low, high


def window_shares(scores: Mapping[str, Values]) -> dict[str, float]:
    """Window -> F1 of the graphs as a share of what the model reaches through it; windows that never hit left out."""
    return {
        name: _rounded(scores["graph"]["f1"] / found["f1"])
        for name, found in scores.items()
        if name.startswith("window_") and found["f1"]
    }


def graph_sizes(lines: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Values]]:
    """Layer -> method -> `nodes` and `patterns` (medians over the graphs that have a pattern) and `statuses`
    (how many neurons of each status)."""
    groups: dict[tuple[int, str], list[Mapping[str, Any]]] = {}
    for line in lines:
        groups.setdefault((line["layer"], line["method"]), []).append(line)
    found: dict[str, dict[str, Values]] = {}
    for (layer, method), members in sorted(groups.items()):
        nodes = [line["graph"]["nodes"][1:] for line in members if line.get("graph")]
        nodes = [part for part in nodes if part]
        found.setdefault(str(layer), {})[method] = {
            "nodes": _median([len(part) for part in nodes]),
            "patterns": _median([sum("end" in node for node in part) for part in nodes]),
            "statuses": dict(sorted(Counter(line["status"] for line in members).items())),
        }
    return found


def rule_figures(lines: Iterable[Mapping[str, Any]]) -> Values:
    """How long rules are, and how much depends on the texts.

    Returns:
        `rules`: how many neurons have one. `characters`: their median length. `halved`: how many neurons have a rule
        from at least one half of the documents; `identical`: the share of these whose two lines are equal; `shared`:
        the mean share of patterns that stand in both of those in either. None without such neurons.
    """
    rules = [line["rule"] for line in lines if line.get("rule")]
    lengths = [len(rule["line"]) for rule in rules if rule["line"]]
    halves = [rule["halves"] for rule in rules if rule["halves"] and any(rule["halves"])]
    same = [first == second for first, second in halves]
    shared = [len(a & b) / len(a | b) for a, b in (map(_patterns, pair) for pair in halves)]
    return {
        "rules": len(lengths),
        "characters": _median(lengths),
        "halved": len(halves),
        "identical": _rounded(fmean(same)) if same else None,
        "shared": _rounded(fmean(shared)) if shared else None,
    }


def _patterns(line: str) -> set[str]:
    """The patterns of a rule; alternatives that are whole patterns count each."""
    found: set[str] = set()
    for pattern in parse(line):
        words = pattern[0].get("words") if len(pattern) == 1 else None
        found |= {json.dumps(one) for one in words or [pattern]}
    return found


def _rule_shares(sets: Mapping[str, Mapping[str, Values]]) -> dict[str, float]:
    return {
        name: _rounded(found["rule"]["f1"] / found["graph"]["f1"])
        for name, found in sets.items()
        if "rule" in found and found["graph"]["f1"]
    }


def _median(values: Sequence[int]) -> float:
    return float(median(values)) if values else 0.0


def _rounded(value: float) -> float:
    return round(float(value), 6) + 0.0  # no -0.0
