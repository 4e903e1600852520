"""The pages of the tools, which do their work in the browser: tables, searches, the reader's own text, comparison."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment

from n2g.compare.activation_correlation import CORRELATED
from n2g.compare.similar_table import TOP
from n2g.settings import Settings
from n2g.site import shell, wording
from n2g.site.inputs import SiteInputs
from n2g.site.navigation import TOOLS, similar_table
from n2g.site.related_neurons import most_alike
from n2g.site.table_rows import columns


def stamp_tools(
    environment: Environment, built: Path, atlas: SiteInputs, layers: list[int], rows: list[dict]
) -> None:
    """Stamp each of them; from `rows` comes how far the graphs' predictions can be trusted."""
    table = similar_table(atlas)
    similar = {"top": TOP, "correlated": CORRELATED} if table else None
    alike = most_alike(table, atlas.letter) if table else {}
    hit, false, missed = (sum(one["counts"][at] for one in rows) for at in range(3))
    for _, path in TOOLS:
        content = environment.get_template(path.replace("/index", "")).render(
            home="../",
            layers=layers,
            columns=columns(bool(atlas.rewritten), atlas.measured, atlas.unit),
            similar=similar,
            alike=alike,
            firing=Settings.firing_threshold,
            labelled=any(one["explained"] for one in rows),
            effects=atlas.measured,
            statuses=list(wording.STATUSES),
            measured={"precision": hit / (hit + false), "recall": hit / (hit + missed)} if hit else None,
        )
        shell.stamp_page(built / path, content)
