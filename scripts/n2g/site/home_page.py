"""The home page: the run in numbers, one neuron to show, the best and the worst."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment
from markupsafe import Markup

from n2g.metrics import FEW
from n2g.site import shell, wording
from n2g.site.navigation import source_of, tools
from n2g.site.plots import spread
from n2g.site.summary_figures import across_layers, best_first, by_layer, predictor_meanings, worst_first

if TYPE_CHECKING:
    from n2g.site.inputs import SiteInputs


def stamp_home(
    environment: Environment,
    built: Path,
    atlas: SiteInputs,
    layers: list[int],
    rows: list[dict],
    pictures: Callable[[str], str | None],
) -> None:
    """Stamp the home page."""
    counts = Counter(one["status"] for one in rows)
    scored = sorted((one for one in rows if one["f1"] is not None), key=best_first)
    shown = _showcase(scored)
    picture = pictures(shown["id"]) if shown else None
    groups = [(str(layer), [one for one in scored if one["layer"] == layer]) for layer in layers]
    plot = spread(
        [(name, [one["f1"] for one in here], [one["lookup_f1"] for one in here]) for name, here in groups]
    )
    content = environment.get_template("home.html").render(
        home="",
        total=len(rows),
        part=_part(atlas, layers),
        encoders=[(layer, atlas.encoders[layer]) for layer in layers if layer in atlas.encoders],
        source=source_of(atlas.config["units"]) if atlas.encoders else None,
        layers=[{"layer": layer} for layer in layers],
        tools=tools(atlas),
        shown=shown,
        picture=Markup(picture) if picture else None,
        plot=plot,
        repeating=sum(one["repeats"] > 0 for one in rows),
        overall=across_layers(atlas.summary).get("top") or {},
        rule=atlas.summary.get("rule"),
        meanings=predictor_meanings(atlas.summary),
        tables=[table for table in _tables(atlas.summary, layers) if table["set"] != "quantile"],
        statuses=[(name, counts[name], meaning) for name, meaning in wording.STATUSES.items()],
        documents=_documents(atlas.counts) if atlas.counts else None,
        best=(scored or rows)[:8],
        worst=sorted((one for one in scored if one["firing"] >= FEW), key=worst_first)[:8],
    )
    shell.stamp_page(built / "index.html", content)


def _part(atlas: SiteInputs, layers: list[int]) -> tuple[str, str] | None:
    """How many neurons of the model the atlas describes, and of how many layers, in words; None where the model's size
    is not known."""
    if atlas.size is None:
        return None
    count, width = atlas.size
    what = "MLP neurons" if atlas.unit == "neuron" else f"{atlas.unit}s"
    neurons = len({neuron.removesuffix("-") for neuron in atlas.expected})
    if neurons == count * width:
        return f"All {neurons:,} {what}", ""
    if count == 1:
        part = f"layer {layers[0]}"
    else:
        part = f"all {count} layers" if len(layers) == count else f"{len(layers)} of {count} layers"
    return f"{neurons:,} of the {count * width:,} {what}", f" ({part})"


def _showcase(scored: Sequence[dict]) -> dict | None:
    """The neuron for the first page: of those whose graph is good, small and has some depth, the best."""

    def worth(one: dict) -> tuple:
        fits = (one["depth"] >= 3) + (4 <= one["nodes"] <= 16) + (one["f1"] >= 0.7)
        return fits, one["f1_low"] + (one["correlation"] or 0.0)

    return max(scored, key=worth, default=None)


def _documents(counts: Mapping[str, Any]) -> dict[str, Any]:
    """How many records of the corpus were read and kept, and how many were left out, for which reasons."""
    texts, skipped = counts["texts"], counts["skipped"]
    numbers = {**texts, **skipped}
    numbers["beyond"] = texts["read"] - sum(count for name, count in texts.items() if name != "read")
    left_out = [(numbers[name], why) for name, why in wording.LEFT_OUT.items() if numbers[name]]
    found = {"read": texts["read"] + sum(skipped.values()), "kept": texts["kept"], "left_out": left_out}
    return found | {"files": counts["files"]}


def _tables(summary: Mapping[str, Any], layers: list[int]) -> list[dict]:
    """Table 1 for each test set: rows are layers, column groups are predictors."""
    known = by_layer(summary)
    tables = []
    for key, (title, note) in wording.SETS.items():
        present = [known[str(layer)].get(key) or {} for layer in layers if str(layer) in known]
        names = [name for name in wording.PREDICTORS if any(name in one for one in present)]
        if key == "windows":  # the baselines are in the other tables, on more tokens
            names = [name for name in names if name in wording.BESIDE_WINDOWS]
        if names:
            found: dict[int | None, Any] = {
                layer: (known.get(str(layer)) or {}).get(key) or {} for layer in layers
            }
            overall = across_layers(summary).get(key)
            if overall and len(layers) > 1:
                found[None] = overall
            rows = [
                {"layer": layer, "predictors": [scores.get(name, {}) for name in names]}
                for layer, scores in found.items()
            ]
            predictors = [
                {
                    "title": wording.PREDICTORS[name],
                    "meaning": wording.PREDICTOR_MEANINGS[name],
                    "whole": name in wording.IN_FULL,
                }
                for name in names
            ]
            tables.append(
                {
                    "set": key,
                    "title": title,
                    "note": note,
                    "share": (summary.get("window_share") or {}).get("overall") if key == "windows" else None,
                    "predictors": predictors,
                    "rows": rows,
                }
            )
    return tables
