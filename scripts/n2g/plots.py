"""Small plots as data for SVG templates."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, log1p

from n2g.words import number

WIDTH, HEIGHT = 260, 64


def bars(
    edges: Sequence[float], counts: Sequence[int], label: str, caption: str, mark: float | None = None
) -> dict:
    """A histogram as one path, its bars as high as the logarithm of the counts.

    Args:
        edges: the bins' limits, one more than counts, ascending.
        counts: how many values each bin holds.
        label: what the plot shows, for readers who cannot see it.
        caption: the line below it.
        mark: a value to mark by a line.

    Returns:
        Variables of the `histogram` macro.
    """
    low, high = edges[0], edges[-1]
    span = (high - low) or 1.0
    tallest = log1p(max([*counts, 1]))

    def across(value: float) -> float:
        return round((value - low) / span * WIDTH, 1)

    def up(count: int) -> float:
        return HEIGHT - max(1.0, HEIGHT * log1p(count) / tallest)

    path = "".join(
        f"M{across(left):g} {HEIGHT}V{up(count):.1f}H{across(right):g}V{HEIGHT}z"
        for left, right, count in zip(edges, edges[1:], counts, strict=False)
        if count
    )
    ticks = [(0, number(low), "start"), (WIDTH, number(high), "end")]
    if low < 0 < high and 0.15 < -low / span < 0.85:
        ticks.append((across(0), "0", "middle"))
    shown = across(mark) if mark is not None and low <= mark <= high else None
    size = {"width": WIDTH, "height": HEIGHT}
    return size | {"path": path, "ticks": ticks, "mark": shown, "label": label, "caption": caption}


def distribution(values: Sequence[float | None], low: float, high: float, caption: str) -> dict | None:
    """A histogram of values in 20 bins from `low` to `high`; None without values."""
    known = [value for value in values if value is not None and isfinite(value)]
    if not known:
        return None
    counts = [0] * 20
    for value in known:
        counts[max(0, min(19, int((value - low) / (high - low) * 20)))] += 1
    edges = [low + (high - low) * index / 20 for index in range(21)]
    return bars(edges, counts, f"Histogram: {caption}", caption)
