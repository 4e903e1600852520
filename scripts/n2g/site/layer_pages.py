"""A page for each layer, and the one that lists them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment

from n2g.graphs.colours import level
from n2g.site import explainer_comparison, shell, wording
from n2g.site.layer_comparison import layer_comparison
from n2g.site.plots import distribution
from n2g.site.summary_figures import LISTED, best_first, by_layer
from n2g.site.table_rows import columns

if TYPE_CHECKING:
    from n2g.site.inputs import SiteInputs

PLOTTED = {
    "f1": "F1 of the graphs",
    "precision": "Precision",
    "recall": "Recall",
    "lookup_f1": "F1 of the token lookup",
    "random_f1": "F1, random documents",
    "correlation": "Correlation of predicted and actual activation",
}


def stamp_layers(
    environment: Environment, built: Path, atlas: SiteInputs, layers: list[int], rows: list[dict]
) -> None:
    """Stamp the page of each layer and the list of layers."""
    template = environment.get_template("layer.html")
    overview = []
    for at, layer in enumerate(layers):
        here = [one for one in rows if one["layer"] == layer]
        counts = Counter(one["status"] for one in here)
        low = {"correlation": -1}
        plots = [
            distribution([one[key] for one in here], low.get(key, 0), 1, caption)
            for key, caption in PLOTTED.items()
        ]
        overview.append({"layer": layer, "neurons": len(here), "counts": counts, "plot": plots[0]})
        listed = sorted(here, key=best_first)[:LISTED] if len(here) > LISTED else here
        content = template.render(
            home="../../",
            layer=layer,
            encoder=atlas.encoders.get(layer),
            previous=layers[at - 1] if at else None,
            next=layers[at + 1] if at + 1 < len(layers) else None,
            cells=[
                (one["id"], one["id"].partition(f".{atlas.letter}")[2], _cell(one), one["f1"]) for one in here
            ],
            rows=listed,
            columns=columns(bool(atlas.rewritten), atlas.measured, atlas.unit),
            total=len(here),
            counts=[(name, counts[name]) for name in wording.STATUSES],
            summary=by_layer(atlas.summary).get(str(layer), {}).get("top"),
            explained=explainer_comparison.compare(one["explained"] for one in here),
            plots=[plot for plot in plots if plot],
        )
        shell.stamp_page(built / "layers" / f"L{layer}" / "index.html", content)
    content = environment.get_template("layers.html").render(
        home="../",
        layers=overview,
        plots=layer_comparison(atlas.summary, layers, rows),
        statuses=list(wording.STATUSES),
        summary=by_layer(atlas.summary),
    )
    shell.stamp_page(built / "layers" / "index.html", content)


def _cell(one: Mapping[str, Any]) -> str:
    """The class of a neuron's cell in the map of its layer: by F1, or by why it has no score."""
    if one["status"] != "ok":
        return one["status"]
    return "unknown" if one["f1"] is None else f"f{level(one['f1'], 1.0)}"
