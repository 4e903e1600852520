"""Pages at addresses that earlier atlases had: they lead to the new ones and take the query along."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from jinja2 import Environment

SEARCHES = {"tokens": "Tokens", "patterns": "Patterns"}  # groups of the search that were pages


def stamp_moved(environment: Environment, built: Path, layers: Iterable[int]) -> None:
    """Write a page at each old address."""
    moved = [(f"layers/{layer}", f"layers/L{layer}", "", f"Layer {layer}") for layer in layers]
    moved += [(old, "search", f"in={old}", title) for old, title in SEARCHES.items()]
    template = environment.get_template("moved.html")
    for old, new, also, title in moved:
        folder = built / old
        folder.mkdir(parents=True)
        home = "../" * (old.count("/") + 1)
        page = template.render(home=home, to=f"{new}/index.html", also=also, title=title)
        (folder / "index.html").write_text(page, encoding="utf-8")
