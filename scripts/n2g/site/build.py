"""The atlas: a site built from neuron records, in one pass over them.

MkDocs builds the shell (`shell.py`); every page that holds tokens or texts is stamped into it by Jinja.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from n2g.errors import InputError
from n2g.files.atomic import replacing
from n2g.graphs.colours import site_style
from n2g.ids import NeuronId
from n2g.site import (
    characters,
    downloads,
    related_neurons,
    rewrite_page,
    run_pages,
    search_indexes,
    shell,
    web_tokenizer,
)
from n2g.site.card import card
from n2g.site.inputs import SiteInputs
from n2g.site.navigation import mkdocs_settings, reports, similar_table, site_name, tools
from n2g.site.stamping import Group, Stamper, picture, templates
from n2g.site.table_rows import columns
from n2g.site.term_index import TermIndex
from n2g.workflow.process_pool import in_order


def build(
    atlas: SiteInputs, renders: Iterable[Path], site: Path, docs: Path, out: Path, processes: int = 1
) -> None:
    """Build the whole site.

    Args:
        atlas: what it is about.
        renders: the blocks' folders of records and pictures.
        site: the folder of templates, style sheets and scripts.
        docs: the folder of written pages.
        out: where the site is to be; replaced as a whole.
        processes: number of processes; the files do not depend on it.

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
        stubs = {"index.md": "Home", "layers/index.md": "Layers", f"{shell.PLACE[:-1]}.md": shell.TITLE}
        stubs |= {f"layers/L{layer}.md": f"Layer {layer}" for layer in layers}
        stubs |= {path.replace("/index.html", ".md"): title for title, path in tools(atlas) + reports(atlas)}
        built = shell.build(site, docs, Path(folder), stubs, mkdocs_settings(atlas))
        # What is written here stands in the files that need it: a page loads as few as can be.
        palette = site_style()
        _prepend(built / "css" / "atlas.css", palette)
        _prepend(built / "js" / "token_display.js", characters.script())
        _prepend(
            built / "js" / "site.js", f'export const [unit, letter] = ["{atlas.unit}", "{atlas.letter}"];\n'
        )
        (built / "css" / "palette.css").write_text(palette, encoding="utf-8")  # for pictures that are saved
        variables = {
            "tokenizer": atlas.vocabulary is not None,
            "site_name": site_name(atlas),
            "unit": atlas.unit,
            "letter": atlas.letter,
        }
        parts = shell.split(built / shell.PLACE / "index.html")
        shutil.rmtree(built / "neurons")
        effects = rewrite_page.effects(atlas.rewritten)
        stamper = Stamper(site, built, tuple(map(str, ids)), parts, variables, effects)
        rows = _stamp_neurons(stamper, atlas, files, processes)
        search_indexes.write_ids(built / "data", ids)
        search_indexes.write_table(
            built / "data", columns(bool(atlas.rewritten), atlas.measured, atlas.unit), rows
        )
        search_indexes.write_map(built / "data", rows)
        if atlas.config.get("site_url"):
            (built / "card.png").write_bytes(card(rows))
        if table := similar_table(atlas):
            search_indexes.write_pairs(built / "data", ids, related_neurons.pairs(table, atlas.letter))
        downloads.write_tables(built / "data" / "tables", atlas.tables, [one.parent for one in renders])
        downloads.write_layer_tables(built / "data" / "tables", rewrite_page.TABLES, atlas.rewritten)
        environment = templates(site, variables)
        run_pages.stamp_all(environment, built, atlas, layers, rows, lambda neuron: picture(files[neuron]))
        if atlas.vocabulary:
            known = atlas.vocabulary
            web_tokenizer.write(built / "data", known.tokenizer, known.bos, known.words)
        built.rename(whole)


def _prepend(path: Path, text: str) -> None:
    path.write_text(text + path.read_text(encoding="utf-8"), encoding="utf-8")


def _stamp_neurons(
    stamper: Stamper, atlas: SiteInputs, files: Mapping[str, Path], processes: int
) -> list[dict[str, Any]]:
    """Stamp each neuron's page, and fill the indexes; give the neurons' rows for the tables."""
    data, rows = stamper.built / "data", []
    terms, firing, lines = (
        TermIndex(),
        search_indexes.FiringIndex(),
        downloads.RecordLines(data / "records"),
    )
    for found in in_order(stamper.stamp, _groups(stamper.ids, atlas, files), processes):
        rows += found.rows
        terms.update(found.terms)
        firing.update(found.firing)
        for layer, line in found.lines:
            lines.add(layer, line)
    lines.close()
    terms.write(data)
    firing.write(data)
    return rows


def _groups(ids: Sequence[str], atlas: SiteInputs, files: Mapping[str, Path]) -> Iterator[Group]:
    similar = similar_table(atlas)
    likenesses = related_neurons.similar(similar, atlas.letter) if similar else {}
    block, connected = Path(), {}
    for number, first in enumerate(range(0, len(ids), search_indexes.GROUP)):
        names, lists = ids[first : first + search_indexes.GROUP], []
        for neuron in names:
            if "connections" in atlas.tables and files[neuron].parents[1] != block:
                block = files[neuron].parents[1]
                connected = related_neurons.connected(block)
            lists.append(likenesses.get(neuron, {}) | connected.get(neuron, {}))
        yield Group(number, tuple(files[neuron] for neuron in names), tuple(lists))
