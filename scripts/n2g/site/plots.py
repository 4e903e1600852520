"""Small plots as data for SVG templates."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from math import ceil, isfinite, log1p

from n2g.site.wording import number

WIDTH, HEIGHT = 260, 64


def bars(
    edges: Sequence[float],
    counts: Sequence[int],
    label: str,
    caption: str,
    marks: Mapping[str, float | None] | None = None,
    height: Callable[[float], float] = log1p,
) -> dict:
    """A histogram as one path: bars of width 1, to be stretched by `step`.

    Args:
        edges: the bins' limits, one more than counts, ascending.
        counts: how many values each bin holds.
        label: what the plot shows, for readers who cannot see it.
        caption: the line below it.
        marks: kind of a line -> the value that it marks.
        height: of a bar by its count, at any scale.

    Returns:
        Variables of the `histogram` macro.
    """
    tallest = height(max([*counts, 1]))

    def across(value: float) -> float:
        at = min(max(bisect_right(edges, value) - 1, 0), len(counts) - 1)
        inside = (value - edges[at]) / ((edges[at + 1] - edges[at]) or 1.0)
        return round((at + min(max(inside, 0.0), 1.0)) / len(counts) * WIDTH, 1)

    def up(count: int) -> float:
        return HEIGHT - max(1.0, HEIGHT * height(count) / tallest)

    tops = [f"{up(count):.0f}" if count else str(HEIGHT) for count in counts]
    path = f"M0 {HEIGHT}" + "".join(f"V{top}h1" for top in tops) + f"V{HEIGHT}z"
    ticks = [(0, number(edges[0]), "start"), (WIDTH, number(edges[-1]), "end")]
    if edges[0] < 0 < edges[-1] and 0.15 < across(0) / WIDTH < 0.85:
        ticks.append((across(0), "0", "middle"))
    shown = [
        (kind, across(value))
        for kind, value in (marks or {}).items()
        if value is not None and edges[0] <= value <= edges[-1]
    ]
    size = {"width": WIDTH, "height": HEIGHT}
    size["step"] = round(WIDTH / len(counts), 3)
    return size | {"path": path, "ticks": ticks, "marks": shown, "label": label, "caption": caption}


def distribution(values: Sequence[float | None], low: float, high: float, caption: str) -> dict | None:
    """A histogram of values in 20 bins from `low` to `high`; None without values.

    >>> distribution([0.1, 0.6, 0.6], 0, 1, "F1")["path"].count("V32h1")
    1
    """
    known = [value for value in values if value is not None and isfinite(value)]
    if not known:
        return None
    counts = [0] * 20
    for value in known:
        counts[max(0, min(19, int((value - low) / (high - low) * 20)))] += 1
    edges = [low + (high - low) * index / 20 for index in range(21)]
    return bars(edges, counts, f"Histogram: {caption}", caption, height=float)


def spread(groups: Sequence[tuple[str, Sequence[float], Sequence[float | None]]]) -> dict | None:
    """A box for each group of values from 0 to 1: quartiles and median, 5 to 95 % as a line; a mark for the mean of
    what they are compared with. None without values.

    Args:
        groups: label, values, and values to compare with, where None counts as 0.
    """
    known = [(name, sorted(values), others) for name, values, others in groups if values]
    if not known:
        return None
    wide, high = max(260, min(56 * len(known), 720), 24 * len(known)), 150
    step, half = wide / len(known), min(14.0, wide / len(known) * 0.3)
    boxes = []
    for at, (name, values, others) in enumerate(known):
        quantiles = [
            round(high * (1 - _quantile(values, share)), 1) for share in (0.05, 0.25, 0.5, 0.75, 0.95)
        ]
        mean = sum(one or 0.0 for one in others) / len(others)
        middle = round((at + 0.5) * step, 1)
        sides = {"left": round(middle - half, 1), "right": round(middle + half, 1)}
        boxes.append(
            {
                "name": name,
                "middle": middle,
                "quantiles": quantiles,
                "mark": round(high * (1 - mean), 1),
                **sides,
            }
        )
    return {"width": wide, "height": high, "boxes": boxes}


def intervals(groups: Sequence[tuple[str, Sequence[tuple[str, float, float, float]]]]) -> dict | None:
    """Values with their intervals, side by side in each group, from at most 1 down to 0 or what the least value needs.

    Args:
        groups: label, and for each of its points (kind, value, lower end, upper end), all finite.

    Returns:
        Variables of the `intervals` macro; None without a point. What lies below -1 is drawn there.
    """
    known = [(name, points) for name, points in groups if points]
    if not known:
        return None
    most = max(len(points) for _, points in known)
    least = min(0.0, *(max(-1.0, value) for _, points in known for _, value, *_ in points))
    bottom, high = -ceil(-4 * least) / 4, 180
    gap = max(5, min(13, 720 // ((most + 1) * len(known))))
    wide = (most + 1) * gap * len(known)

    def up(value: float) -> float:
        return round(high * (1 - (min(max(value, bottom), 1.0) - bottom) / (1 - bottom)), 1)

    marks, labels = [], []
    for at, (name, points) in enumerate(known):
        begin = at * (most + 1) * gap
        labels.append((begin + (most + 1) * gap / 2, name))
        for place, (kind, *values) in enumerate(points):
            heights = dict(zip(("y", "low", "high"), map(up, values), strict=True))
            marks.append({"group": name, "kind": kind, "x": begin + (place + 1) * gap, **heights})
    ticks = [
        (up(quarter / 4), f"{quarter / 4:g}".replace("-", "−")) for quarter in range(round(4 * bottom), 5)
    ]
    return {"width": wide, "height": high, "marks": marks, "labels": labels, "ticks": ticks}


def _quantile(values: Sequence[float], share: float) -> float:
    """Quantile of sorted values, between neighbours in a straight line."""
    place = share * (len(values) - 1)
    low = int(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (place - low) * (values[high] - values[low])
