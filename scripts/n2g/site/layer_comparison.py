"""How the layers compare: scores, activation density and size of the graphs over layers, as plots and their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import floor, log10
from statistics import quantiles
from typing import Any

from n2g.site.line_plots import Series, line_plot
from n2g.site.summary_figures import by_layer
from n2g.site.wording import PREDICTORS, SETS, number, ratio

BASELINES = ("token_lookup", "token_lookup_all", "token_lookup_calibrated", "ngram", "ngram_backoff")
WINDOWS = ("window_1", "window_2", "window_3", "window_4")
SPARSE = 0.05  # least activation density for which a linear scale will do
FAINT = 1e-6  # activation densities below it are drawn there


def layer_comparison(
    summary: Mapping[str, Any], layers: Sequence[int], rows: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Variables of the `line_plot` macro for each plot of which the run has numbers.

    Args:
        summary: the content of `summary.json`.
        layers: numbers of the layers, ascending.
        rows: of all neurons, from `table_rows.row`.
    """
    known = by_layer(summary)
    plots = [_scores(known, layers, name) for name in ("top", "random", "windows")]
    plots += [_density(layers, rows), _size(summary.get("graph_size") or {}, layers)]
    return [plot for plot in plots if plot]


def _scores(known: Mapping[str, Any], layers: Sequence[int], name: str) -> dict[str, Any] | None:
    """F1 in a test set: of the graphs, and of what they are held against."""
    found = [(known.get(str(layer)) or {}).get(name) or {} for layer in layers]

    def line(key: str) -> Series:
        ends = [
            (one[key].get("f1_low"), one[key].get("f1_high")) if key == "graph" and key in one else None
            for one in found
        ]
        values = [(one.get(key) or {}).get("f1") for one in found]
        return Series(
            "ours" if key == "graph" else key,
            PREDICTORS[key],
            values,
            [end if end and None not in end else None for end in ends],
        )

    best = [_best(one) for one in found]
    baseline = Series(
        "baseline",
        "Best baseline (lookup or n-grams)",
        [value for _, value in best],
        remarks=[title for title, _ in best],
    )
    others = [line(key) for key in WINDOWS] if name == "windows" else [baseline, line("paper")]
    series = [
        one for one in (line("graph"), line("texts_only"), *others) if any(v is not None for v in one.values)
    ]
    if not series:
        return None
    title, note = SETS[name]
    if name == "windows":
        note += (
            " In shallow layers the windows are ceilings: the most that patterns of so many tokens can reach."
        )
    return line_plot(name, f"F1: {title.lower()}", note, layers, series, (0.0, 1.0), ratio)


def _best(scores: Mapping[str, Any]) -> tuple[str, float | None]:
    measured = {key: scores[key]["f1"] for key in BASELINES if (scores.get(key) or {}).get("f1") is not None}
    if not measured:
        return "", None
    best = max(measured, key=lambda key: measured[key])
    return PREDICTORS[best], measured[best]


def _density(layers: Sequence[int], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    values: dict[int, list[float]] = {layer: [] for layer in layers}
    for one in rows:
        if one["density"] is not None:
            values[one["layer"]].append(one["density"])
    cut = [
        quantiles(sorted(found), n=4, method="inclusive") if len(found) > 1 else found * 3 or None
        for found in values.values()
    ]
    if not any(cut):
        return None
    middle = [one[1] if one else None for one in cut]
    ends = [(one[0], one[2]) if one else None for one in cut]
    series = [Series("ours", "Median; band: quartiles", middle, ends)]
    least = min(one[0] for one in cut if one)
    note = "Fraction of tokens with an activation above 0.001"
    if least >= SPARSE:
        return line_plot("density", "Activation density", f"{note}.", layers, series, (0.0, 1.0), number)
    lowest = 10.0 ** floor(log10(max(least, FAINT)))
    note += ", on a logarithmic scale."
    return line_plot("density", "Activation density", note, layers, series, (lowest, 1.0), number, _magnitude)


def _magnitude(value: float) -> float:
    return log10(max(value, FAINT))


def _size(sizes: Mapping[str, Any], layers: Sequence[int]) -> dict[str, Any] | None:
    def line(key: str, method: str, measure: str, title: str) -> Series:
        found = [(sizes.get(str(layer)) or {}).get(method) or {} for layer in layers]
        return Series(key, title, [one.get(measure) for one in found])

    series = [
        line("ours", "atlas", "nodes", "Nodes"),
        line("texts_only", "atlas", "patterns", "Patterns"),
        line("paper", "paper", "nodes", f"Nodes, {PREDICTORS['paper']}"),
    ]
    series = [one for one in series if any(value is not None for value in one.values)]
    if not series:
        return None
    largest = max(value for one in series for value in one.values if value is not None)
    note = "Medians over the neurons with a pattern."
    return line_plot("size", "Size of the graphs", note, layers, series, (0.0, float(largest) or 1.0), number)
