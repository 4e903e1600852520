"""The page of measurements: for every test set a table of layers, predictors and scores."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment

from n2g.site import shell, wording
from n2g.site.summary_figures import across_layers, by_layer, predictor_meanings

if TYPE_CHECKING:
    from n2g.site.inputs import SiteInputs


def stamp_measurements(environment: Environment, built: Path, atlas: SiteInputs, layers: list[int]) -> None:
    """All of the summary: for every test set a table of layers, predictors and scores."""
    known = by_layer(atlas.summary)
    groups = [(str(layer), f"Layer {layer}", known.get(str(layer)) or {}) for layer in layers]
    groups.append(("", "All layers", across_layers(atlas.summary)))
    sets = []
    for key, (title, note) in wording.SETS.items():
        parts = [
            {"layer": layer, "title": name, "rows": _named(found.get(key) or {})}
            for layer, name, found in groups
            if found.get(key)
        ]
        if parts:
            sets.append({"key": key, "title": title, "note": note, "parts": parts})
    content = environment.get_template("measurements.html").render(
        home="../",
        sets=sets,
        scores=wording.SCORES,
        meanings=predictor_meanings(atlas.summary),
        rule=atlas.summary.get("rule"),
        sizes=atlas.summary.get("graph_size") or {},
    )
    shell.stamp_page(built / "measurements" / "index.html", content)


def _named(found: Mapping[str, Mapping]) -> list[tuple[str, str, Mapping]]:
    """(key, title, scores) of the predictors, those with a title of their own first."""
    order = [name for name in wording.PREDICTORS if name in found]
    order += sorted(set(found) - set(order))
    return [(name, wording.PREDICTORS.get(name, name), found[name]) for name in order]
