"""The pages that speak of many neurons at once: home, layers, measurements, downloads, and those of the tools."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment
from markupsafe import Markup, escape

from n2g.graphs.colours import level
from n2g.ids import NeuronId
from n2g.site import changes, downloads, explanation_scores, shell, wording
from n2g.site.plots import distribution, spread
from n2g.site.table_rows import COLUMNS

if TYPE_CHECKING:
    from n2g.site.data import Atlas

TOOLS = [
    ("All neurons", "table/index.html"),
    ("Tokens", "tokens/index.html"),
    ("Patterns", "patterns/index.html"),
    ("Your text", "fires/index.html"),
    ("Compare", "compare/index.html"),
]
REPORTS = [
    ("Measurements", "measurements/index.html"),
    ("Repeated context", "repeats/index.html"),
    ("Downloads", "downloads/index.html"),
]
PLOTTED = {
    "f1": "F1 of the graphs",
    "precision": "Precision",
    "recall": "Recall",
    "lookup_f1": "F1 of the token lookup",
    "random_f1": "F1, random documents",
    "correlation": "Correlation of predicted and actual activation",
}
LISTED = 256  # rows in the table of a layer's page; the rest are in the table of all neurons


def stamp_all(
    environment: Environment,
    built: Path,
    atlas: Atlas,
    layers: list[int],
    rows: list[dict],
    pictures: Callable[[str], str | None],
) -> None:
    """Stamp all pages but the neurons'.

    Args:
        environment: the templates.
        built: the shell.
        atlas: what the site is about.
        layers: numbers of the layers.
        rows: a row for each neuron, in order.
        pictures: a neuron's id -> its graph for a page, or None.
    """
    shown = {"model": _source(atlas.config["model"]), "corpus": _source(atlas.config["corpus"])}
    method = (built / "about" / "method" / "index.html").exists()
    environment.globals.update(shown, reports=reports(atlas), method=method)
    _stamp_layers(environment, built, atlas, layers, rows)
    _stamp_home(environment, built, atlas, layers, rows, pictures)
    _stamp_tools(environment, built, layers, rows)
    _stamp_measurements(environment, built, atlas, layers)
    _stamp_repeats(environment, built, rows)
    _stamp_changes(environment, built, atlas, rows)
    content = environment.get_template("downloads.html").render(
        home="../",
        files=downloads.write_manifest(built / "data", atlas.summary, atlas.run_tables),
        layer=layers[0],
    )
    _stamp(built / "downloads" / "index.html", content)


def _stamp_layers(
    environment: Environment, built: Path, atlas: Atlas, layers: list[int], rows: list[dict]
) -> None:
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
        listed = sorted(here, key=_best)[:LISTED] if len(here) > LISTED else here
        content = template.render(
            home="../../",
            layer=layer,
            previous=layers[at - 1] if at else None,
            next=layers[at + 1] if at + 1 < len(layers) else None,
            cells=[(one["id"], one["id"].partition(".N")[2], _cell(one), one["f1"]) for one in here],
            rows=listed,
            columns=COLUMNS,
            total=len(here),
            counts=[(name, counts[name]) for name in wording.STATUSES],
            summary=_layers(atlas.summary).get(str(layer), {}).get("top"),
            explained=explanation_scores.compare(one["explained"] for one in here),
            plots=[plot for plot in plots if plot],
        )
        _stamp(built / "layers" / str(layer) / "index.html", content)
    content = environment.get_template("layers.html").render(
        home="../", layers=overview, statuses=list(wording.STATUSES), summary=_layers(atlas.summary)
    )
    _stamp(built / "layers" / "index.html", content)


def _cell(one: Mapping[str, Any]) -> str:
    """The class of a neuron's cell in the map of its layer: by F1, or by what it has instead of a graph."""
    if one["status"] != "ok":
        return one["status"]
    return "unknown" if one["f1"] is None else f"f{level(one['f1'], 1.0)}"


def _best(one: Mapping[str, Any]) -> tuple:
    return one["f1"] is None, -(one["f1"] or 0.0), NeuronId.parse(one["id"])


def _stamp_home(
    environment: Environment,
    built: Path,
    atlas: Atlas,
    layers: list[int],
    rows: list[dict],
    pictures: Callable[[str], str | None],
) -> None:
    counts = Counter(one["status"] for one in rows)
    scored = sorted((one for one in rows if one["f1"] is not None), key=_best)
    shown = _showcase(scored)
    picture = pictures(shown["id"]) if shown else None
    groups = [(str(layer), [one for one in scored if one["layer"] == layer]) for layer in layers]
    plot = spread(
        [(name, [one["f1"] for one in here], [one["lookup_f1"] for one in here]) for name, here in groups]
    )
    content = environment.get_template("home.html").render(
        home="",
        total=len(rows),
        layers=[{"layer": layer} for layer in layers],
        tools=TOOLS,
        shown=shown,
        picture=Markup(picture) if picture else None,
        plot=plot,
        repeating=sum(one["repeats"] > 0 for one in rows),
        overall=_overall(atlas.summary).get("top") or {},
        meanings=_meanings(atlas.summary),
        tables=[table for table in _tables(atlas.summary, layers) if table["set"] != "quantile"],
        statuses=[(name, counts[name], meaning) for name, meaning in wording.STATUSES.items()],
        best=(scored or rows)[:8],
        worst=scored[-8:][::-1],
    )
    _stamp(built / "index.html", content)


def _showcase(scored: Sequence[dict]) -> dict | None:
    """The neuron for the first page: of those whose graph is good, small and has some depth, the best."""

    def worth(one: dict) -> tuple:
        fits = (one["depth"] >= 3) + (4 <= one["nodes"] <= 16) + (one["f1"] >= 0.7)
        return fits, one["f1"] + (one["correlation"] or 0.0)

    return max(scored, key=worth, default=None)


def _stamp_repeats(environment: Environment, built: Path, rows: list[dict]) -> None:
    """Neurons whose patterns need a token that was there before: the most of such patterns first."""
    known = sorted((one for one in rows if one["repeats"] > 0), key=lambda one: (-one["repeats"], _best(one)))
    content = environment.get_template("repeats.html").render(
        home="../", rows=known[:LISTED], total=len(known), neurons=len(rows)
    )
    _stamp(built / "repeats" / "index.html", content)


def _stamp_changes(environment: Environment, built: Path, atlas: Atlas, rows: list[dict]) -> None:
    """What changed since another run, where that is known."""
    if table := _diff(atlas):
        found = changes.summarise(table, [one["id"] for one in rows])
        template = environment.get_template("changes.html")
        content = template.render(home="../", against=atlas.config["against"], found=found)
        _stamp(built / "changes" / "index.html", content)


def _diff(atlas: Atlas) -> Path | None:
    return next((path for path in atlas.run_tables if path.stem == "diff"), None)


def reports(atlas: Atlas) -> list[tuple[str, str]]:
    """(title, path) of the pages about the run's data."""
    return [*REPORTS, ("Changes", "changes/index.html")] if _diff(atlas) else REPORTS


def _tables(summary: Mapping[str, Any], layers: list[int]) -> list[dict]:
    """Table 1 for each test set: rows are layers, column groups are predictors."""
    known = _layers(summary)
    tables = []
    for key, (title, note) in wording.SETS.items():
        present = [known[str(layer)].get(key) or {} for layer in layers if str(layer) in known]
        names = [name for name in wording.PREDICTORS if any(name in one for one in present)]
        if names:
            found = {layer: (known.get(str(layer)) or {}).get(key) or {} for layer in layers}
            overall = _overall(summary).get(key)
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
            tables.append({"set": key, "title": title, "note": note, "predictors": predictors, "rows": rows})
    return tables


def _stamp_measurements(environment: Environment, built: Path, atlas: Atlas, layers: list[int]) -> None:
    """All of the summary: for every test set a table of layers, predictors and scores."""
    known = _layers(atlas.summary)
    groups = [(str(layer), f"Layer {layer}", known.get(str(layer)) or {}) for layer in layers]
    groups.append(("", "All layers", _overall(atlas.summary)))
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
        meanings=_meanings(atlas.summary),
        sizes=atlas.summary.get("graph_size") or {},
    )
    _stamp(built / "measurements" / "index.html", content)


def _named(found: Mapping[str, Mapping]) -> list[tuple[str, str, Mapping]]:
    """(key, title, scores) of the predictors, those with a title of their own first."""
    order = [name for name in wording.PREDICTORS if name in found]
    order += sorted(set(found) - set(order))
    return [(name, wording.PREDICTORS.get(name, name), found[name]) for name in order]


def _meanings(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(title, meaning) of every predictor that the summary knows."""
    known = {name for sets in _layers(summary).values() for found in sets.values() for name in found}
    return [
        (title, wording.PREDICTOR_MEANINGS[name])
        for name, title in wording.PREDICTORS.items()
        if name in known
    ]


def _stamp(page: Path, content: str) -> None:
    page.write_text(shell.stamp(shell.split(page), "", content), encoding="utf-8")


def _stamp_tools(environment: Environment, built: Path, layers: list[int], rows: list[dict]) -> None:
    hit, false, missed = (sum(one["counts"][at] for one in rows) for at in range(3))
    for _, path in TOOLS:
        content = environment.get_template(path.replace("/index", "")).render(
            home="../",
            layers=layers,
            columns=COLUMNS,
            statuses=list(wording.STATUSES),
            measured={"precision": hit / (hit + false), "recall": hit / (hit + missed)} if hit else None,
        )
        _stamp(built / path, content)


def _layers(summary: Mapping[str, Any]) -> Mapping[str, Any]:
    return summary.get("layers") or {}


def _overall(summary: Mapping[str, Any]) -> Mapping[str, Any]:
    return summary.get("overall") or {}


def site_name(atlas: Atlas) -> str:
    """What the site is called."""
    return f"Neurons of {_source(atlas.config['model'])['name']}"


def mkdocs_settings(atlas: Atlas) -> dict[str, Any]:
    """Variables of `mkdocs.yml.j2`."""
    tools, data = (
        [(title, path.replace("/index.html", ".md")) for title, path in pages]
        for pages in (TOOLS, reports(atlas))
    )
    name = escape(site_name(atlas))
    return {"site_name": name, "description": f"{name} as small graphs", "tools": tools, "reports": data}


def _source(given: Mapping[str, Any]) -> dict[str, str]:
    return {
        "name": given.get("name") or given["source"],
        "licence": given.get("licence") or "licence unknown",
        "url": given.get("url") or "",
        "source": given["source"],
    }
