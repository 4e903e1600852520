"""The atlas: a site built from neuron records, in one pass over them.

MkDocs builds the shell (`shell.py`); every page that holds tokens or texts is stamped into it by Jinja.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from n2g import downloads, indexes, neuron_page, overview, related, shell, web_tokenizer, words
from n2g.draw import inline
from n2g.errors import InputError
from n2g.ids import NeuronId
from n2g.overview import TOOLS
from n2g.palette import site_style
from n2g.replacing import replacing
from n2g.rows import COLUMNS, row

# The packed record beside a page.
RECORD = "record.json.gz"


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
        run_tables: tables of the whole run, for download; from `similar.parquet` come the related neurons too, from
            `diff.parquet` the page of changes.
    """

    config: Mapping[str, Any]
    summary: Mapping[str, Any]
    expected: tuple[str, ...]
    vocabulary: Vocabulary | None = None
    tables: tuple[str, ...] = ()
    run_tables: tuple[Path, ...] = ()


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
        stubs = {"index.md": "Home", "layers/index.md": "Layers", "neurons/layer/page.md": shell.TITLE}
        stubs |= {f"layers/{layer}.md": f"Layer {layer}" for layer in layers}
        stubs |= {
            path.replace("/index.html", ".md"): title for title, path in TOOLS + overview.reports(atlas)
        }
        built = shell.build(site, docs, Path(folder), stubs, overview.mkdocs_settings(atlas))
        (built / "css" / "palette.css").write_text(site_style(), encoding="utf-8")
        environment = _environment(site)
        environment.globals.update(
            tokenizer=atlas.vocabulary is not None, site_name=overview.site_name(atlas)
        )
        rows = list(_stamp_neurons(environment, built, atlas, list(map(str, ids)), files))
        indexes.write_ids(built / "data", ids)
        indexes.write_table(built / "data", COLUMNS, rows)
        downloads.write_tables(built / "data" / "tables", atlas.tables, [one.parent for one in renders])
        overview.stamp_all(environment, built, atlas, layers, rows, lambda neuron: picture(files[neuron]))
        if atlas.vocabulary:
            known = atlas.vocabulary
            web_tokenizer.write(built / "data", known.tokenizer, known.bos, known.words)
        built.rename(whole)


def _environment(site: Path) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(site / "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=words.number, ratio=words.ratio, signed=words.signed, brief=words.brief,
        path=words.page_path, beside=words.beside,
    )  # fmt: skip
    return environment


def _stamp_neurons(
    environment: Environment, built: Path, atlas: Atlas, ids: list[str], files: Mapping[str, Path]
) -> Iterator[dict[str, Any]]:
    """Stamp each neuron's page beside its record, and fill the indexes; yield the neuron's row for the tables."""
    parts = shell.split(built / "neurons" / "layer" / "page" / "index.html")
    shutil.rmtree(built / "neurons")
    template = environment.get_template("neuron.html")
    data = built / "data"
    tokens, firing = indexes.TokenIndex(), indexes.FiringIndex()
    patterns, drawings = indexes.Groups(data / "patterns"), indexes.Groups(data / "dot")
    similar = next((path for path in atlas.run_tables if path.stem == "similar"), None)
    alike = related.alike(similar) if similar else {}
    block, connected = Path(), {}
    lines = downloads.RecordLines(data / "records")
    known = set(ids)
    for at, neuron in enumerate(ids):
        text = files[neuron].read_text(encoding="utf-8")
        record = json.loads(text)
        target = built / words.page_path(neuron)
        indexes.write_packed(target.parent / RECORD, text)
        svg = picture(files[neuron]) if record["status"] == "ok" else None
        if "connections" in atlas.tables and files[neuron].parents[1] != block:
            block = files[neuron].parents[1]
            connected = related.connected(block)
        content = template.render(
            **neuron_page.context(record, svg),
            home="../../../",
            related=alike.get(neuron, {}) | connected.get(neuron, {}),
            known=known,
            opposite=_opposite(neuron, known),
            previous=ids[at - 1] if at else None,
            next=ids[at + 1] if at + 1 < len(ids) else None,
        )
        target.write_text(shell.stamp(parts, neuron, content), encoding="utf-8")
        tokens.add(at, record)
        firing.add(at, record)
        patterns.add(indexes.patterns_of(record))
        drawings.add(files[neuron].with_suffix(".dot").read_text(encoding="utf-8") if svg else None)
        lines.add(record)
        yield row(record)
    tokens.write(data)
    firing.write(data)
    for writer in (patterns, drawings, lines):
        writer.close()


def _opposite(neuron: str, known: Collection[str]) -> str | None:
    """The same neuron's other pole, if it is in the atlas."""
    other = neuron[:-1] if neuron.endswith("-") else f"{neuron}-"
    return other if other in known else None


def picture(record: Path) -> str | None:
    """The graph's picture beside a record, for a page that has the style; None where nothing was drawn."""
    path = record.with_suffix(".svg")
    return inline(path.read_text(encoding="utf-8")) if path.exists() else None
