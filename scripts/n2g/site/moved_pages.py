"""Pages at addresses that earlier atlases had: they lead to the new ones and take the query along."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from jinja2 import Environment

SEARCHES = {"tokens": "Tokens", "patterns": "Patterns"}  # groups of the search that were pages


def stamp_moved(environment: Environment, built: Path, layers: Iterable[int], site_url: str | None) -> None:
    """Write a page at each old address. site_url: where the atlas is published, if that is known."""
    root = f"{site_url.rstrip('/')}/" if site_url else None
    moved = [(f"layers/{layer}", f"layers/L{layer}", "", f"Layer {layer}") for layer in layers]
    moved += [(old, "search", f"in={old}", title) for old, title in SEARCHES.items()]
    template = environment.get_template("moved.html")
    for old, new, also, title in moved:
        folder = built / old
        folder.mkdir(parents=True)
        home = "../" * (old.count("/") + 1)
        page = template.render(
            home=home, to=f"{new}/index.html", place=f"{new}/", also=also, title=title, site_url=root
        )
        (folder / "index.html").write_text(page, encoding="utf-8")
