"""The page of rewritten layers: what is left of the model's loss, and of each neuron's own effect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment

from n2g.files.tables import read_table
from n2g.ids import NeuronId
from n2g.site import shell
from n2g.site.plots import distribution, intervals
from n2g.site.summary_figures import LISTED

if TYPE_CHECKING:
    from n2g.site.inputs import SiteInputs

TABLES = ("rewrite", "rewrite_neurons")
CONDITIONS = {
    "model": ("As in the model", "Nothing is changed."),
    "graph": (
        "Graphs",
        "Each neuron has what its graph predicts, and its background where no pattern matches.",
    ),
    "graph_token_mean": (
        "Graphs and mean by token",
        "The same, but where no pattern matches each neuron has its mean at the token: is there more in the graphs "
        "than in single tokens?",
    ),
    "texts_only": (
        "Texts only",
        "Graphs that fitting makes without asking the model anything, with their background.",
    ),
    "token_mean": (
        "Mean by token",
        "Each neuron has its mean activation at the token, over training documents.",
    ),
    "token_lookup_calibrated": (
        "Token lookup, calibrated",
        "The same, where activations below the neuron’s floor count as 0: of its activations, all that the graphs "
        "were fitted to.",
    ),
    "shuffled": (
        "Shuffled graphs",
        "Each neuron has the graph of another neuron of the layer, in proportion to its own maximum.",
    ),
    "zero": ("Zero", "Each neuron is 0."),
    "mean": ("Mean", "Each neuron has its mean activation, whatever the text: nothing is recovered."),
}
SHARES = ("recovered", "kept")
DRAWN = (
    "graph",
    "graph_token_mean",
    "texts_only",
    "token_mean",
    "token_lookup_calibrated",
    "shuffled",
    "zero",
)


def effects(folders: Iterable[Path]) -> dict[tuple[int, int], dict[str, Any]]:
    """(layer, neuron) -> its row of `rewrite_neurons`, what is undefined None. folders: {layer} of the run."""
    return {
        (int(folder.name), row["neuron"]): {name: _known(value) for name, value in row.items()}
        for folder in folders
        for row in read_table(folder / "rewrite_neurons.parquet", "rewrite_neurons").to_pylist()
    }


def stamp_rewritten(environment: Environment, built: Path, atlas: SiteInputs, rows: list[dict]) -> None:
    """Stamp the page, if there are rewritten layers. rows: of all neurons, for their names."""
    if not atlas.rewritten:
        return
    layers = [_layer(folder) for folder in sorted(atlas.rewritten, key=lambda folder: int(folder.name))]
    content = environment.get_template("rewrite.html").render(
        home="../",
        layers=layers,
        width=atlas.size[1] if atlas.size else None,
        parts=[
            (caption, plot)
            for share, caption in zip(SHARES, ("Loss recovered", "Predictions kept"), strict=True)
            if (plot := intervals([(f"Layer {one['layer']}", one["points"][share]) for one in layers]))
        ],
        drawn=[(kind, CONDITIONS[kind][0]) for kind in DRAWN],
        meanings=CONDITIONS.values(),
        **_neurons(effects(atlas.rewritten), rows),
    )
    shell.stamp_page(built / "rewrite" / "index.html", content)


def _layer(folder: Path) -> dict[str, Any]:
    """Of one layer: the rows of its table, and the points of the plot."""
    found = {
        row["condition"]: row | {name: _known(row[name]) for name in row if name.startswith(SHARES)}
        for row in read_table(folder / "rewrite.parquet", "rewrite").to_pylist()
    }
    points = {
        share: [
            (name, *(found[name][end] for end in (share, f"{share}_low", f"{share}_high")))
            for name in DRAWN
            if found[name][share] is not None
        ]
        for share in SHARES
    }
    rows = [(name, title, found[name]) for name, (title, _) in CONDITIONS.items()]
    return {"layer": int(folder.name), "rows": rows, "points": points, "about": found["model"]}


def _neurons(found: Mapping[tuple[int, int], Mapping[str, Any]], rows: list[dict]) -> dict[str, Any]:
    """The neurons with the largest effects, each by the first of its poles, and how all are distributed."""
    names: dict[tuple[int, int], str] = {}
    for one in rows:
        names.setdefault((one["layer"], NeuronId.parse(one["id"]).neuron), one["id"])
    known: list[dict[str, Any]] = [{**row, "id": names[key]} for key, row in found.items() if key in names]
    listed = sorted(known, key=lambda row: -row["mean_effect"])[:LISTED]
    plots = [
        distribution([row[name] for row in known], -1, 1, caption)
        for name, caption in (
            ("kept", "Effect kept by the graph"),
            ("token_mean_kept", "By the mean at each token"),
        )
    ]
    return {"listed": listed, "neurons": len(known), "plots": [plot for plot in plots if plot]}


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and not isfinite(value) else value
