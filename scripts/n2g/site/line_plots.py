"""Lines over layers as data for an SVG template, with their numbers for a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import ceil, floor, log10
from typing import Any

WIDTH, HEIGHT = 340, 150
LABELS = 12  # ticks with a number below the plot, at most


@dataclass(frozen=True)
class Series:
    """A line.

    Attributes:
        key: its class in the style sheet.
        title: what it shows.
        values: one for each layer, None where there is none.
        ends: for some values the ends of an interval, which becomes a band.
        remarks: for each value what the table says beside it.
    """

    key: str
    title: str
    values: Sequence[float | None]
    ends: Sequence[tuple[float, float] | None] = field(default=())
    remarks: Sequence[str] = field(default=())


def line_plot(
    key: str,
    title: str,
    note: str,
    layers: Sequence[int],
    series: Sequence[Series],
    limits: tuple[float, float],
    written: Callable[[float | None], str],
    scale: Callable[[float], float] = float,
) -> dict[str, Any]:
    """Variables of the `line_plot` macro.

    Args:
        key: the plot's id.
        title: what it shows.
        note: a sentence on how it was measured.
        layers: their numbers, ascending.
        series: the lines, the most important one first; it is drawn last.
        limits: of the vertical axis.
        written: how values are written.
        scale: values to where they are on the axis, up to a factor.
    """
    low, high = map(scale, limits)

    def down(value: float) -> float:
        return round(HEIGHT * (1 - (min(max(scale(value), low), high) - low) / (high - low)), 1)

    step = WIDTH / max(len(layers), 1)
    across = [round((at + 0.5) * step, 1) for at in range(len(layers))]
    lines = []
    for one in series:
        dots = [(x, down(value)) for x, value in zip(across, one.values, strict=True) if value is not None]
        lines.append(
            {
                "key": one.key,
                "title": one.title,
                "path": _parts(
                    [None if v is None else (x, down(v)) for x, v in zip(across, one.values, strict=True)]
                ),
                "dots": dots if len(dots) <= 40 else [],
                "band": _band(
                    [(x, down(end[0]), down(end[1])) for x, end in zip(across, one.ends, strict=False) if end]
                ),
            }
        )
    every = -(-len(layers) // LABELS)
    ticks = [(x, layer) for at, (x, layer) in enumerate(zip(across, layers, strict=True)) if at % every == 0]
    if scale is float:
        apart = _round_step((high - low) / 4)
        numbers = range(ceil(low / apart - 1e-9), floor(high / apart + 1e-9) + 1)
        marks = [apart * number for number in numbers]
    else:  # whole orders of magnitude
        marks = [float(power) for power in range(round(low), round(high) + 1)]
    axis = [
        (
            round(HEIGHT * (1 - (mark - low) / (high - low)), 1),
            written(mark if scale is float else 10.0**mark),
        )
        for mark in marks
    ]
    table = [(layer, [_cell(one, at, written) for one in series]) for at, layer in enumerate(layers)]
    size = {"width": WIDTH, "height": HEIGHT}
    return size | {
        "key": key,
        "title": title,
        "note": note,
        "lines": lines,
        "ticks": ticks,
        "axis": axis,
        "table": table,
    }


def _round_step(least: float) -> float:
    """The next of 1, 2, 2.5 and 5 times a power of ten, for marks that are easy to read.

    >>> _round_step(0.25), _round_step(9.88)
    (0.25, 10.0)
    """
    power = 10.0 ** floor(log10(least))
    return next(
        (factor * power for factor in (1, 2, 2.5, 5) if factor * power >= least * (1 - 1e-9)), 10 * power
    )


def _cell(one: Series, at: int, written: Callable[[float | None], str]) -> tuple[str, str]:
    """A value as it is written, and what stands beside it."""
    end = one.ends[at] if one.ends else None
    beside = f"{written(end[0])}–{written(end[1])}" if end else one.remarks[at] if one.remarks else ""
    return written(one.values[at]), beside


def _parts(points: Sequence[tuple[float, float] | None]) -> str:
    """A path that leaves out what is missing.

    >>> _parts([(0, 1), (1, 2), None, (3, 4)])
    'M0 1L1 2M3 4'
    """
    path, drawn = "", False
    for point in points:
        if point:
            path += f"{'L' if drawn else 'M'}{point[0]} {point[1]}"
        drawn = point is not None
    return path


def _band(ends: Sequence[tuple[float, float, float]]) -> str:
    """A closed path around (across, lower end, upper end)."""
    if len(ends) < 2:
        return ""
    there = "L".join(f"{x} {low}" for x, low, _ in ends)
    back = "L".join(f"{x} {high}" for x, _, high in reversed(ends))
    return f"M{there}L{back}z"
