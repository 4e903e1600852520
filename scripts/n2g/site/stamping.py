"""The pages of neurons, stamped group by group, and what each group adds to the tables and indexes of the site."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from n2g.graphs.drawing import inline
from n2g.site import downloads, neuron_page, search_indexes, shell, wording
from n2g.site.related_neurons import Lists
from n2g.site.table_rows import row
from n2g.site.term_index import TermIndex

# The packed record beside a page.
RECORD = "record.json.gz"


@dataclass(frozen=True)
class Group:
    """Neurons that follow one another, `search_indexes.GROUP` of them but for the last group.

    Attributes:
        number: of the group, from 0.
        files: their records.
        related: for each, the neurons that it is related to.
    """

    number: int
    files: tuple[Path, ...]
    related: tuple[Lists, ...]


@dataclass
class Stamped:
    """What a group adds to the tables and indexes of the site."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    lines: list[tuple[int, bytes]] = field(default_factory=list)
    terms: TermIndex = field(default_factory=TermIndex)
    firing: search_indexes.FiringIndex = field(default_factory=search_indexes.FiringIndex)


@dataclass(frozen=True)
class Stamper:
    """Stamps the pages of neurons, each beside its packed record.

    Attributes:
        site: the folder of templates.
        built: the folder of the site.
        ids: all neurons, in order.
        parts: the shell, from `shell.split`.
        variables: of all templates.
        effects: (layer, neuron) -> its row of `rewrite_neurons`, of those that were rewritten.
    """

    site: Path
    built: Path
    ids: tuple[str, ...]
    parts: tuple[str, str]
    variables: Mapping[str, Any]
    effects: Mapping[tuple[int, int], Mapping[str, Any]] = field(default_factory=dict)

    @cached_property
    def _known(self) -> Collection[str]:
        return frozenset(self.ids)

    @cached_property
    def _environment(self) -> Environment:
        return templates(self.site, self.variables)

    def stamp(self, group: Group) -> Stamped:
        """Stamp a group's pages, and write what the site has for each group of neurons."""
        found, patterns, drawings, further, cards = Stamped(), [], [], [], []
        template = self._environment.get_template("neuron.html")
        first = group.number * search_indexes.GROUP
        for at, (file, related) in enumerate(zip(group.files, group.related, strict=True), start=first):
            text = file.read_text(encoding="utf-8")
            record, neuron = json.loads(text), self.ids[at]
            target = self.built / wording.page_path(neuron)
            search_indexes.write_packed(target.parent / RECORD, text)
            svg = picture(file, brief=True) if record["status"] == "ok" else None
            variables = neuron_page.context(record, svg)
            effect = self.effects.get((record["layer"], record["neuron"]))
            content = template.render(
                **variables,
                home="../../../",
                related=related,
                effect=effect,
                known=self._known,
                opposite=self._opposite(neuron),
                previous=self.ids[at - 1] if at else None,
                next=self.ids[at + 1] if at + 1 < len(self.ids) else None,
            )
            said, place = (
                wording.brief(record["explanation"], 200),
                wording.page_path(neuron).removesuffix("index.html"),
            )
            target.write_text(shell.stamp(self.parts, neuron, content, said, place), encoding="utf-8")
            patterns.append(search_indexes.patterns_of(record))
            cards.append(search_indexes.card_of(record, svg))
            rest = [list(one.values()) for one in variables["patterns"][neuron_page.PATTERNS :]]
            further.append({"svg": picture(file), "rows": rest} if rest else None)
            drawings.append(file.with_suffix(".dot").read_text(encoding="utf-8") if svg else None)
            found.rows.append({**row(record), "kept": effect and effect["kept"]})
            found.lines.append((record["layer"], downloads.line(record)))
            found.terms.add(at, record)
            found.firing.add(at, record)
        for name, values in (("patterns", patterns), ("dot", drawings), ("further", further)):
            search_indexes.write_json(self.built / "data" / name / f"{group.number}.json.gz", values)
        for at in range(0, len(cards), search_indexes.CARDS):
            path = self.built / "data" / "cards" / f"{(first + at) // search_indexes.CARDS}.json.gz"
            search_indexes.write_json(path, cards[at : at + search_indexes.CARDS])
        return found

    def _opposite(self, neuron: str) -> str | None:
        """The same neuron's other pole, if it is in the atlas."""
        other = neuron[:-1] if neuron.endswith("-") else f"{neuron}-"
        return other if other in self._known else None


def templates(site: Path, variables: Mapping[str, Any]) -> Environment:
    """The templates of the pages. `site`: their folder is `pages` in it. `variables`: what all of them know, with
    `unit`, what the pages are about."""
    environment = Environment(
        loader=FileSystemLoader(site / "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=wording.number, grouped=wording.grouped, ratio=wording.ratio, signed=wording.signed, brief=wording.brief,
        effect=wording.effect, path=wording.page_path, beside=wording.beside,
    )  # fmt: skip
    unit = variables["unit"]
    environment.filters["of_units"] = lambda text: wording.of_units(text, unit)
    environment.globals.update(variables, Unit=unit.capitalize())
    return environment


def picture(record: Path, brief: bool = False) -> str | None:
    """The graph's picture beside a record, for a page that has the style; None where nothing was drawn.

    brief: the strongest patterns only, where there are too many to see at once.
    """
    path = record.with_suffix(".svg")
    if brief and (shorter := record.with_suffix(".brief.svg")).exists():
        path = shorter
    return inline(path.read_text(encoding="utf-8")) if path.exists() else None
