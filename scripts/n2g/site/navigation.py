"""What the site is called, its sources, and the pages that its menus list."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import escape

from n2g.site.wording import of_units

if TYPE_CHECKING:
    from n2g.site.inputs import SiteInputs


TOOLS = [
    ("All neurons", "table/index.html"),
    ("Search", "search/index.html"),
    ("Your text", "fires/index.html"),
    ("Compare", "compare/index.html"),
]
REPORTS = [
    ("Measurements", "measurements/index.html"),
    ("Repeated context", "repeats/index.html"),
    ("Downloads", "downloads/index.html"),
]


def diff_table(atlas: SiteInputs) -> Path | None:
    """What differs from another run, where there is one to compare with."""
    return next((path for path in atlas.run_tables if path.stem == "diff"), None)


def similar_table(atlas: SiteInputs) -> Path | None:
    """Which neurons are similar, where the run has looked for that."""
    return next((path for path in atlas.run_tables if path.stem == "similar"), None)


def tools(atlas: SiteInputs) -> list[tuple[str, str]]:
    """(title, path) of the pages that answer questions."""
    return [(of_units(title, atlas.unit), path) for title, path in TOOLS]


def reports(atlas: SiteInputs) -> list[tuple[str, str]]:
    """(title, path) of the pages about the run's data."""
    rewritten = [("Rewritten layers", "rewrite/index.html")] if atlas.rewritten else []
    changed = [("Changes", "changes/index.html")] if diff_table(atlas) else []
    return [*REPORTS, *rewritten, *changed]


def site_name(atlas: SiteInputs) -> str:
    """What the site is called."""
    return f"{atlas.unit.capitalize()}s of {source_of(atlas.config['model'])['name']}"


def mkdocs_settings(atlas: SiteInputs) -> dict[str, Any]:
    """Variables of `mkdocs.yml.j2`."""
    answers, data = (
        [(title, path.replace("/index.html", ".md")) for title, path in pages]
        for pages in (tools(atlas), reports(atlas))
    )
    name = escape(site_name(atlas))
    found = {"site_name": name, "description": f"{name} as small graphs", "tools": answers, "reports": data}
    return found | {"site_url": atlas.config.get("site_url"), "unit": atlas.unit}


def source_of(given: Mapping[str, Any]) -> dict[str, str]:
    """What pages say of a model or a corpus."""
    return {
        "name": given.get("name") or given["source"],
        "licence": given.get("licence") or "licence unknown",
        "url": given.get("url") or "",
        "source": given["source"],
    }
