"""A traced prediction as one page of HTML that needs nothing else: no script, no other file, no other host.

All text is escaped by the template; the pages' policy allows no style but its own, and nothing else at all.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from n2g.graphs.colours import level, media_style
from n2g.graphs.drawing import inline
from n2g.graphs.token_display import excerpt, visible

HERE = Path(__file__).parent
BAR, HIGH = 140, 12  # a layer's bar, in pixels
LIKELY = 3  # other next tokens that are listed
EFFECTS = 5  # tokens that a neuron promotes, and suppresses
_MARKER = re.compile(r"<marker .*?</marker>", re.DOTALL)
MARKER = (
    '<marker id="arrow" viewBox="0 0 6 6" refX=".5" refY="3" markerWidth="6" markerHeight="6" orient="auto">'
    '<path d="M0 .5L6 3L0 5.5z"/></marker>'
)
MEANINGS = {
    "relevance": "Shares are relevance, propagated with frozen nonlinearities, norms and attention patterns.",
    "gradient": "Shares are gradient × activation.",
}


def page(found: Mapping[str, Any], pictures: Mapping[str, str]) -> str:
    """The page of a traced prediction.

    Args:
        found: in the form of `n2g.trace.report.report`.
        pictures: SVG of the graphs, as `n2g.graphs.drawing.to_svg` writes it, by the neuron's name; "" for none.
    """
    style = media_style() + (HERE / "page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True
    )
    whole = abs(found["value"]) or 1.0
    texts = excerpt([token["text"] for token in found["prompt"]])
    neurons = sorted(found["neurons"], key=lambda one: one["layer"])
    grouped = {layer: list(some) for layer, some in groupby(neurons, key=lambda one: one["layer"])}
    named = [one["token"] for one in (found["target"], found["against"]) if one]
    others = [one for one in found["predicted"] if one["token"] not in named]
    return environment.get_template("page.html").render(
        title=f"{''.join(texts[1:])[-60:]} → {visible(found['target']['text'])}",
        style=Markup(style),
        style_hash=f"sha256-{digest}",
        marker=Markup(MARKER),
        sentence=_sentence(texts, found),
        target=_likely(found["target"]),
        against=found["against"] and _likely(found["against"]),
        others=[_likely(one) for one in others[:LIKELY]],
        traced=_traced(found),
        meaning=MEANINGS[found["attribution"]],
        layers=_layers(found["layers"], whole, grouped),
        count=len(neurons),
        by_layer=[
            {"number": layer, "neurons": [_card(one, texts, pictures) for one in some]}
            for layer, some in grouped.items()
        ],
    )


def _traced(found: Mapping[str, Any]) -> str:
    if found["against"]:
        return f"Traced is the difference of the logits of the first two, {found['value']:+.3f}."
    return f"Traced is the logit of the first, {found['value']:+.3f}."


def _likely(one: Mapping[str, Any]) -> dict[str, str]:
    return {
        "text": visible(one["text"]),
        "logit": f"{one['logit']:.2f}",
        "probability": f"{one['probability']:.1%}",
    }


def _sentence(texts: Sequence[str], found: Mapping[str, Any]) -> list[dict[str, str]]:
    """The prompt without BOS, each token with the relevance of the neurons at it."""
    values = found["positions"][1:]
    largest = max(map(abs, values), default=0.0)
    return [
        _token(text, value, largest, f"{value:+.3f}") for text, value in zip(texts[1:], values, strict=True)
    ]


def _token(text: str, value: float, largest: float, title: str) -> dict[str, str]:
    """A token in a colour: red for values above 0, blue for those below."""
    step = level(abs(value), largest)
    return {"text": text, "colour": f"{'a' if value > 0 else 'n'}{step}" if step else "none", "title": title}


def _layers(relevance: Sequence[float], whole: float, listed: Mapping[int, Any]) -> list[dict[str, Any]]:
    largest = max(map(abs, relevance), default=0.0) or 1.0
    return [
        {
            "number": number,
            "relevance": f"{value:+.3f}",
            "share": f"{value / whole:.1%}",
            "bar": _bar(value / largest),
            "listed": number in listed,
        }
        for number, value in enumerate(relevance)
    ]


def _bar(share: float) -> Markup:
    middle = BAR // 2
    length = abs(share) * middle
    kind, left = ("for", middle) if share > 0 else ("against", middle - length)
    return Markup(
        f'<svg class="bar" width="{BAR}" height="{HIGH}" aria-hidden="true"><rect class="{kind}" x="{left:.1f}" y="1"'
        f' width="{length:.1f}" height="{HIGH - 2}"/><path d="M{middle} 0V{HIGH}"/></svg>'
    )


def _card(one: Mapping[str, Any], texts: Sequence[str], pictures: Mapping[str, str]) -> dict[str, Any]:
    """What the page says about a neuron."""
    places = {place["position"]: place for place in one["places"]}
    largest = max(abs(place["activation"]) for place in places.values())
    graph = one["graph"]
    svg = pictures.get(one["neuron"], "")
    return {
        "neuron": one["neuron"],
        "share": f"{one['share']:.1%}",
        "relevance": f"{one['relevance']:+.3f}",
        "tokens": [
            _token(
                texts[position],
                place["activation"],
                largest,
                f"activation {place['activation']:.3g}, {place['share']:.1%} of the logit",
            )
            for position, place in sorted(places.items())
        ],
        "told": _told(one),
        "explanation": graph["explanation"] if graph else "",
        "effect": _does(one["effect"]),
        "command": one["command"],
        "picture": Markup(_MARKER.sub("", inline(svg))) if svg else "",
    }


def _told(one: Mapping[str, Any]) -> str:
    """In words: the activation where most goes through the neuron, and what the graph makes of it."""
    place, graph = one["places"][0], one["graph"]
    where = f"Most at {visible(place['text'])} ({place['share']:.1%}), with an activation of {place['activation']:.3g}"
    if one["status"] is None:
        return f"{where}. Its graph is not in the run; this makes it:"
    if not graph:
        return f"{where}. It has no graph: {one['status']}."
    part = f"{abs(place['activation']) / graph['maximum']:.0%}" if graph["maximum"] else "none"
    fires = "fires" if graph["fires"] else "does not fire"
    predicts = "says that it fires" if graph["predicts"] else "says that it does not"
    pattern = f", by the pattern “{graph['pattern']}”" if graph["pattern"] else ": no pattern matches"
    return (
        f"{where}, {part} of its largest on training documents: it {fires} there. "
        f"The graph {predicts}{pattern}."
    )


def _does(effect: Mapping[str, Any] | None) -> str:
    """In words: what the neuron was measured to do where it fires."""
    if not effect:
        return ""
    said = [
        f"{verb} {', '.join(visible(one['text']) for one in effect[name][:EFFECTS])}"
        for name, verb in (("promoted", "promotes"), ("suppressed", "suppresses"))
        if effect[name]
    ]
    places = f"{effect['places']} held-out firing{'s' * (effect['places'] != 1)}"
    return f"Measured at {places}, it {' and '.join(said)}." if said else ""
