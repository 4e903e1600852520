"""The atlas: a site built from neuron records, in one pass over them.

MkDocs builds the shell (`shell.py`); every page that holds tokens or texts is stamped into it by Jinja.
"""

from __future__ import annotations

import gzip
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import escape

from n2g import downloads, indexes, neuron_page, shell, web_tokenizer, words
from n2g.errors import InputError
from n2g.ids import NeuronId
from n2g.palette import site_style
from n2g.plots import distribution
from n2g.replacing import replacing

TOOLS = [
    ("All neurons", "table/index.html"),
    ("Tokens", "tokens/index.html"),
    ("Your text", "fires/index.html"),
    ("Compare", "compare/index.html"),
]
REPORTS = [("Measurements", "measurements/index.html"), ("Downloads", "downloads/index.html")]
_F1 = "F1 on test texts with the largest activations"
COLUMNS = [
    {"key": "id", "title": "Neuron", "meaning": "", "numeric": False},
    {"key": "status", "title": "Status", "meaning": "", "numeric": False},
    {"key": "f1", "title": "F1", "meaning": f"{_F1}: the graph", "numeric": True, "format": "ratio"},
    {
        "key": "lookup_f1",
        "title": "Lookup F1",
        "meaning": f"{_F1}: token lookup",
        "numeric": True,
        "format": "ratio",
    },
    {
        "key": "random_f1",
        "title": "Random F1",
        "meaning": "F1 on random test texts",
        "numeric": True,
        "format": "ratio",
    },
    {
        "key": "correlation",
        "title": "r",
        "meaning": "correlation with the real activation",
        "numeric": True,
        "format": "ratio",
    },
    {"key": "density", "title": "Density", "meaning": "share of firing tokens", "numeric": True},
    {"key": "maximum", "title": "Max", "meaning": "largest training activation", "numeric": True},
    {"key": "kurtosis", "title": "Kurtosis", "meaning": "3 for a normal distribution", "numeric": True},
    {"key": "nodes", "title": "Nodes", "meaning": "nodes of the graph", "numeric": True},
    {"key": "explanation", "title": "Fires on", "meaning": "the graph in words", "numeric": False},
]


@dataclass(frozen=True)
class Vocabulary:
    """How typed text becomes token ids.

    Attributes:
        tokenizer: the model's tokenizer.json.
        bos: the token id before every text, or None.
        words: display text of every token id.
    """

    tokenizer: Path
    bos: int | None
    words: Sequence[str]


@dataclass(frozen=True)
class Atlas:
    """What the site is about.

    Attributes:
        config: the run's configuration (model, corpus, run).
        summary: macro-averaged metrics, the content of `summary.json`.
        expected: ids of all selected neurons; each must have a record.
        vocabulary: the tokenizer for the browser, or None where the model has none.
        tables: which tables of the blocks are offered for download.
        words: the run's vocabulary table, for download, or None.
    """

    config: Mapping[str, Any]
    summary: Mapping[str, Any]
    expected: tuple[str, ...]
    vocabulary: Vocabulary | None = None
    tables: tuple[str, ...] = ()
    words: Path | None = None


def build(atlas: Atlas, renders: Iterable[Path], site: Path, docs: Path, out: Path) -> None:
    """Build the whole site.

    Args:
        atlas: what it is about.
        renders: the blocks' folders of records and pictures.
        site: the folder of templates, style sheets and scripts.
        docs: the folder of written pages.
        out: where the site is to be; replaced as a whole.

    Raises:
        InputError: a selected neuron has no record.
    """
    renders = list(renders)
    files = {file.stem: file for folder in renders for file in folder.glob("*.json")}
    ids = sorted(map(NeuronId.parse, atlas.expected))
    missing = [str(neuron) for neuron in ids if str(neuron) not in files]
    if missing:
        count, first = len(missing), missing[0]
        raise InputError(f"{count} selected neurons have no record, {first} first: run the workflow again.")
    layers = sorted({neuron.layer for neuron in ids})
    with (
        replacing(out) as whole,
        tempfile.TemporaryDirectory(prefix=f".{out.name}.", suffix=".tmp", dir=out.parent) as folder,
    ):
        stubs = {"index.md": "Home", "layers/index.md": "Layers", "neurons/shell/page.md": shell.TITLE}
        stubs |= {f"layers/{layer}.md": f"Layer {layer}" for layer in layers}
        stubs |= {path.replace("/index.html", ".md"): title for title, path in TOOLS + REPORTS}
        built = shell.build(site, docs, Path(folder), stubs, _mkdocs_settings(atlas))
        (built / "css" / "palette.css").write_text(site_style(), encoding="utf-8")
        environment = _environment(site)
        environment.globals["tokenizer"] = atlas.vocabulary is not None
        found = indexes.TokenIndex(), indexes.FiringIndex()
        lines = downloads.RecordLines(built / "data" / "records")
        rows = list(
            _stamp_neurons(environment, built, [str(neuron) for neuron in ids], files, (*found, lines))
        )
        lines.close()
        _stamp_layers(environment, built, atlas, layers, rows)
        _stamp_home(environment, built, atlas, layers, rows)
        _stamp_tools(environment, built, layers, atlas.summary)
        _stamp_measurements(environment, built, atlas, layers)
        indexes.write_ids(built / "data", ids)
        indexes.write_table(built / "data", COLUMNS, rows)
        for index in found:
            index.write(built / "data")
        downloads.write_tables(built / "data" / "tables", atlas.tables, [one.parent for one in renders])
        _stamp_downloads(environment, built, atlas, layers)
        if atlas.vocabulary:
            known = atlas.vocabulary
            web_tokenizer.write(built / "data", known.tokenizer, known.bos, known.words)
        built.rename(whole)


def _environment(site: Path) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(site / "pages"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters.update(
        number=words.number, ratio=words.ratio, signed=words.signed, brief=words.brief, path=words.page_path,
        slug=words.slug,
    )  # fmt: skip
    return environment


def _stamp_neurons(
    environment: Environment,
    built: Path,
    ids: list[str],
    files: Mapping[str, Path],
    readers: Sequence[indexes.TokenIndex | indexes.FiringIndex | downloads.RecordLines],
) -> Iterator[dict]:
    """Stamp each neuron's page beside its downloads; yield the neuron's row for the tables."""
    page = built / "neurons" / "shell" / "page" / "index.html"
    parts = shell.split(page)
    shutil.rmtree(built / "neurons" / "shell")
    template = environment.get_template("neuron.html")
    for at, neuron in enumerate(ids):
        record = json.loads(files[neuron].read_text(encoding="utf-8"))
        target = built / words.page_path(neuron)
        target.parent.mkdir(parents=True)
        picture = files[neuron].with_suffix(".svg")
        svg = picture.read_text(encoding="utf-8") if record["status"] == "ok" and picture.exists() else None
        packed = gzip.compress(files[neuron].read_bytes(), compresslevel=6, mtime=0)
        target.with_name(f"{neuron}.json.gz").write_bytes(packed)
        if svg:
            dot = gzip.compress(files[neuron].with_suffix(".dot").read_bytes(), compresslevel=6, mtime=0)
            target.with_name(f"{neuron}.dot.gz").write_bytes(dot)
        content = template.render(
            **neuron_page.context(record, svg),
            home="../../../",
            previous=ids[at - 1] if at else None,
            next=ids[at + 1] if at + 1 < len(ids) else None,
        )
        target.write_text(shell.stamp(parts, neuron, content), encoding="utf-8")
        for reader in readers:
            reader.add(at, record)
        yield row(record)


def row(record: Mapping[str, Any]) -> dict[str, Any]:
    """A neuron as one row of the tables: the values of COLUMNS."""
    metrics, statistics = record.get("metrics") or {}, record.get("statistics") or {}
    top = metrics.get("top") or {}
    graph = top.get("graph") or {}
    return {
        "id": record["id"],
        "layer": record["layer"],
        "status": record["status"],
        "f1": f1(graph),
        "lookup_f1": f1(top.get("token_lookup")),
        "random_f1": f1((metrics.get("random") or {}).get("graph")),
        "correlation": graph.get("correlation"),
        "density": statistics.get("density"),
        "maximum": statistics.get("maximum"),
        "kurtosis": statistics.get("kurtosis"),
        "nodes": len((record.get("graph") or {"nodes": [0]})["nodes"]) - 1,
        "explanation": record.get("explanation") or "",
    }


def f1(scores: Mapping[str, Any] | None) -> float | None:
    """F1, or None where the neuron does not fire in the test set, so that nothing could be found."""
    return scores.get("f1") if scores and scores.get("firing") else None


def _stamp_layers(
    environment: Environment, built: Path, atlas: Atlas, layers: list[int], rows: list[dict]
) -> None:
    template = environment.get_template("layer.html")
    overview = []
    for at, layer in enumerate(layers):
        here = [one for one in rows if one["layer"] == layer]
        counts = Counter(one["status"] for one in here)
        plots = [
            distribution([one["f1"] for one in here], 0, 1, "F1 of the graphs"),
            distribution([one["lookup_f1"] for one in here], 0, 1, "F1 of token lookup"),
            distribution([one["correlation"] for one in here], -1, 1, "Correlation with the activation"),
        ]
        overview.append({"layer": layer, "neurons": len(here), "counts": counts, "plot": plots[0]})
        content = template.render(
            home="../../",
            layer=layer,
            previous=layers[at - 1] if at else None,
            next=layers[at + 1] if at + 1 < len(layers) else None,
            rows=here,
            columns=COLUMNS,
            counts=[(name, counts[name]) for name in words.STATUSES],
            summary=_layers(atlas.summary).get(str(layer), {}).get("top"),
            plots=[plot for plot in plots if plot],
        )
        _stamp(built / "layers" / str(layer) / "index.html", content)
    content = environment.get_template("layers.html").render(
        home="../", layers=overview, statuses=list(words.STATUSES), summary=_layers(atlas.summary)
    )
    _stamp(built / "layers" / "index.html", content)


def _stamp_home(
    environment: Environment, built: Path, atlas: Atlas, layers: list[int], rows: list[dict]
) -> None:
    counts = Counter(one["status"] for one in rows)
    scored = sorted((one for one in rows if one["f1"] is not None), key=lambda one: (-one["f1"], one["id"]))
    content = environment.get_template("home.html").render(
        home="",
        site_name=_site_name(atlas),
        model=_source(atlas.config["model"]),
        corpus=_source(atlas.config["corpus"]),
        total=len(rows),
        layers=[{"layer": layer} for layer in layers],
        tools=TOOLS,
        meanings=_meanings(atlas.summary),
        tables=[table for table in _tables(atlas.summary, layers) if table["set"] != "quantile"],
        statuses=[(name, counts[name], meaning) for name, meaning in words.STATUSES.items()],
        best=(scored or rows)[:8],
        worst=scored[-8:][::-1],
    )
    _stamp(built / "index.html", content)


def _tables(summary: Mapping[str, Any], layers: list[int]) -> list[dict]:
    """Table 1 for each test set: rows are layers, column groups are predictors."""
    known = _layers(summary)
    tables = []
    for key, (title, note) in words.SETS.items():
        present = [known[str(layer)].get(key) or {} for layer in layers if str(layer) in known]
        names = [name for name in words.PREDICTORS if any(name in one for one in present)]
        if names:
            found = {layer: (known.get(str(layer)) or {}).get(key) or {} for layer in layers}
            overall = (summary.get("overall") or {}).get(key)
            if overall and len(layers) > 1:
                found[None] = overall
            rows = [
                {"layer": layer, "predictors": [scores.get(name, {}) for name in names]}
                for layer, scores in found.items()
            ]
            predictors = [
                {
                    "title": words.PREDICTORS[name],
                    "meaning": words.PREDICTOR_MEANINGS[name],
                    "whole": name in words.IN_FULL,
                }
                for name in names
            ]
            tables.append({"set": key, "title": title, "note": note, "predictors": predictors, "rows": rows})
    return tables


def _stamp_measurements(environment: Environment, built: Path, atlas: Atlas, layers: list[int]) -> None:
    """All of the summary: for every test set a table of layers, predictors and scores."""
    known = _layers(atlas.summary)
    groups = [(str(layer), f"Layer {layer}", known.get(str(layer)) or {}) for layer in layers]
    groups.append(("", "All layers", atlas.summary.get("overall") or {}))
    sets = []
    for key, (title, note) in words.SETS.items():
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
        scores=words.SCORES,
        meanings=_meanings(atlas.summary),
        sizes=atlas.summary.get("graph_size") or {},
    )
    _stamp(built / "measurements" / "index.html", content)


def _stamp_downloads(environment: Environment, built: Path, atlas: Atlas, layers: list[int]) -> None:
    content = environment.get_template("downloads.html").render(
        home="../",
        files=downloads.write_manifest(built / "data", atlas.summary, atlas.words),
        layer=layers[0],
        model=_source(atlas.config["model"]),
        corpus=_source(atlas.config["corpus"]),
    )
    _stamp(built / "downloads" / "index.html", content)


def _named(found: Mapping[str, Mapping]) -> list[tuple[str, str, Mapping]]:
    """(key, title, scores) of the predictors, those with a title of their own first."""
    order = [name for name in words.PREDICTORS if name in found]
    order += sorted(set(found) - set(order))
    return [(name, words.PREDICTORS.get(name, name), found[name]) for name in order]


def _meanings(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(title, meaning) of every predictor that the summary knows."""
    known = {name for sets in _layers(summary).values() for found in sets.values() for name in found}
    return [
        (title, words.PREDICTOR_MEANINGS[name]) for name, title in words.PREDICTORS.items() if name in known
    ]


def _stamp(page: Path, content: str) -> None:
    page.write_text(shell.stamp(shell.split(page), "", content), encoding="utf-8")


def _stamp_tools(
    environment: Environment, built: Path, layers: list[int], summary: Mapping[str, Any]
) -> None:
    for _, path in TOOLS:
        template = environment.get_template(path.replace("/index", ""))
        content = template.render(
            home="../",
            layers=layers,
            columns=COLUMNS,
            statuses=list(words.STATUSES),
            measured=((summary.get("overall") or {}).get("random") or {}).get("graph"),
        )
        _stamp(built / path, content)


def _layers(summary: Mapping[str, Any]) -> Mapping[str, Any]:
    return summary.get("layers") or {}


def _site_name(atlas: Atlas) -> str:
    return f"Neurons of {_source(atlas.config['model'])['name']}"


def _mkdocs_settings(atlas: Atlas) -> dict[str, Any]:
    tools, reports = (
        [(title, path.replace("/index.html", ".md")) for title, path in pages] for pages in (TOOLS, REPORTS)
    )
    name = escape(_site_name(atlas))
    return {"site_name": name, "description": f"{name} as small graphs", "tools": tools, "reports": reports}


def _source(given: Mapping[str, Any]) -> dict[str, str]:
    return {
        "name": given.get("name") or given["source"],
        "licence": given.get("licence") or "licence unknown",
        "url": given.get("url") or "",
        "source": given["source"],
    }
