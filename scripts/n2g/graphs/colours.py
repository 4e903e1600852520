"""The colours of the atlas, in one place: red for activation, blue for importance, in nine steps.

Steps 1 to 6 carry dark ink and 7 to 9 light ink in the light theme, the other way round in the dark one;
every step keeps a contrast of at least 4.5 with its ink. Red and blue differ for colour-blind readers too,
and no meaning rests on hue alone: activating tokens have square boxes and bold text, context has round ones.
"""

from __future__ import annotations

from collections.abc import Collection

LEVELS = 9
REDS = ["#fdeee8", "#fcdccf", "#fbc5b1", "#f9ab91", "#f58f71", "#ed7656", "#c8452a", "#ad311a", "#8c1f0d"]
BLUES = ["#eef4fb", "#dce9f7", "#c6dbf0", "#adcbe9", "#93b9df", "#7aa7d5", "#3d73ac", "#2c5c92", "#1d4475"]
REDS_DARK = [
    "#37231f",
    "#4a2a23",
    "#5f3227",
    "#743829",
    "#8a3f2a",
    "#9f462c",
    "#ec7a55",
    "#f6956f",
    "#ffb598",
]
BLUES_DARK = [
    "#1f2a38",
    "#243448",
    "#2a4059",
    "#304c6b",
    "#36587e",
    "#3c6590",
    "#6fa8de",
    "#8fbeea",
    "#b4d6f6",
]
# Predictions: another hue than activations, so that a hit and a miss look different.
TEALS = ["#d8f1ec", "#bfe6de", "#a3d9cf", "#84cabd", "#64b9aa", "#45a696", "#2a8a7b", "#166d60", "#085247"]
TEALS_DARK = [
    "#16302c",
    "#1a3d38",
    "#1f4c45",
    "#245b53",
    "#2a6c62",
    "#317e73",
    "#4fae9f",
    "#6fcdbd",
    "#98e6d8",
]
STRONG = 7


def level(value: float, largest: float) -> int:
    """Step of the colour scale for a value: 0 (nothing) to 9 (`largest` or more).

    >>> level(0.5, 1.0), level(7, 1.0), level(-1, 1.0), level(1, 0)
    (4, 9, 0, 0)
    """
    if not value > 0 or not largest > 0:
        return 0
    return min(LEVELS, round(LEVELS * value / largest))


def graph_style(used: Collection[str] | None = None) -> str:
    """The style sheet of a graph; a page may set its variables, else the light theme holds.

    Args:
        used: the colour classes to define, such as {"a9", "c3"}; None defines all.
    """
    steps = "".join(
        f".graph .{letter}{step}{{fill:var(--{letter}{step},{colour})}}"
        for letter, colours in (("a", REDS), ("c", BLUES))
        for step, colour in enumerate(colours, start=1)
        if used is None or f"{letter}{step}" in used
    )
    strong = ",".join(f".graph .{letter}{step} text" for letter in "ac" for step in range(STRONG, LEVELS + 1))
    return (
        '.graph{font:12px ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace}'
        ".graph path{fill:none;stroke:var(--edge,#777);marker-end:url(#arrow)}"
        ".graph marker path{fill:var(--edge,#777);stroke:none;marker-end:none}"
        ".graph .node{fill:var(--paper,#fff)}.graph rect{stroke:var(--box,#555)}.graph .outer{fill:none}"
        ".graph .active rect{stroke-width:1.6}.graph .active text{font-weight:600}"
        ".graph .wildcard rect,.graph .gap rect,.graph .background rect{stroke-dasharray:4 3}"
        ".graph text{text-anchor:middle;fill:var(--ink,#111);white-space:pre}"
        f"{steps}{strong}{{fill:var(--strong-ink,#fff)}}"
    )


def site_style() -> str:
    """The palette of both themes; tokens (`a3` real, `n3` negative, `p3` predicted), cells (`f3`), the graph style."""
    return f":root{{{LIGHT}}}\n[data-md-color-scheme=slate]{{{DARK}}}\n{_marks()}\n{graph_style()}\n"


def media_style() -> str:
    """The same for a page by itself, which is dark where its reader's system is, with colours for lines and text."""
    light = f"{LIGHT};--paper:#fff;--quiet:#59626e;--line:#d9dde3;--box:#5b5b5b;--edge:#777"
    dark = f"{DARK};--paper:#1d2430;--quiet:#a3adba;--line:#3a4352;--box:#9aa4b1;--edge:#8b95a3"
    themes = f":root{{{light}}}\n@media(prefers-color-scheme:dark){{:root{{{dark}}}}}"
    return f"{themes}\n{_marks()}\n{graph_style()}\n"


def _marks() -> str:
    """The colours of tokens and cells."""
    tokens = "".join(
        f".tokens .a{step}{{background:var(--a{step});color:var(--ink)}}"
        f".tokens .n{step}{{background:var(--c{step});color:var(--ink)}}"
        f".tokens .p{step}{{border-bottom-color:var(--p{step})}}"
        f".map .f{step}{{background:var(--c{step});color:var(--ink)}}"
        for step in range(1, LEVELS + 1)
    )
    strong = ",".join(
        f"{name}{step}"
        for name in (".tokens .a", ".tokens .n", ".map .f")
        for step in range(STRONG, LEVELS + 1)
    )
    return f"{tokens}\n{strong}{{color:var(--strong-ink)}}"


def _variables(ink: str, strong_ink: str, reds: list[str], blues: list[str], teals: list[str]) -> str:
    scales = {"a": reds, "c": blues, "p": teals}
    named = {
        f"{letter}{step}": colour for letter, steps in scales.items() for step, colour in enumerate(steps, 1)
    }
    named |= {"ink": ink, "strong-ink": strong_ink}
    return ";".join(f"--{name}:{colour}" for name, colour in named.items())


LIGHT = _variables("#111", "#fff", REDS, BLUES, TEALS)
DARK = _variables("#f2f2f2", "#14100f", REDS_DARK, BLUES_DARK, TEALS_DARK)
