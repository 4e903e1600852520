"""The pages about many neurons at once, each stamped into its place in the shell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment

from n2g.site import changes, downloads, shell
from n2g.site.home_page import stamp_home
from n2g.site.layer_pages import stamp_layers
from n2g.site.measurements_page import stamp_measurements
from n2g.site.moved_pages import stamp_moved
from n2g.site.navigation import diff_table, reports, source_of
from n2g.site.rewrite_page import stamp_rewritten
from n2g.site.summary_figures import LISTED, best_first
from n2g.site.tool_pages import stamp_tools

if TYPE_CHECKING:
    from n2g.site.inputs import SiteInputs


def stamp_all(
    environment: Environment,
    built: Path,
    atlas: SiteInputs,
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
    shown: dict[str, Any] = {
        "model": source_of(atlas.config["model"]),
        "corpus": source_of(atlas.config["corpus"]),
        "reports": reports(atlas),
        "method": (built / "about" / "method" / "index.html").exists(),
    }
    environment.globals.update(shown)
    stamp_layers(environment, built, atlas, layers, rows)
    stamp_moved(environment, built, layers, atlas.config.get("site_url"))
    stamp_home(environment, built, atlas, layers, rows, pictures)
    stamp_tools(environment, built, atlas, layers, rows)
    stamp_measurements(environment, built, atlas, layers)
    stamp_rewritten(environment, built, atlas, rows)
    _stamp_repeats(environment, built, rows)
    _stamp_changes(environment, built, atlas, rows)
    content = environment.get_template("downloads.html").render(
        home="../",
        files=downloads.write_manifest(built / "data", atlas.summary, atlas.run_tables),
        layer=layers[0],
    )
    shell.stamp_page(built / "downloads" / "index.html", content)


def _stamp_repeats(environment: Environment, built: Path, rows: list[dict]) -> None:
    """Neurons with patterns that need an earlier occurrence of the same token: those first in which such a pattern has
    the largest share of the activation, then the most training examples."""
    known = sorted(
        (one for one in rows if one["repeat"]),
        key=lambda one: (-(one["repeat"]["share"] or 0.0), -(one["repeat"]["support"] or 0), best_first(one)),
    )
    content = environment.get_template("repeats.html").render(
        home="../", rows=known[:LISTED], total=len(known), neurons=len(rows)
    )
    shell.stamp_page(built / "repeats" / "index.html", content)


def _stamp_changes(environment: Environment, built: Path, atlas: SiteInputs, rows: list[dict]) -> None:
    """What changed since another run, if there is one to compare with."""
    if table := diff_table(atlas):
        found = changes.summarise(table, [one["id"] for one in rows], atlas.letter)
        template = environment.get_template("changes.html")
        content = template.render(home="../", against=atlas.config["against"], found=found)
        shell.stamp_page(built / "changes" / "index.html", content)
