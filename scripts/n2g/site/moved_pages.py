"""Pages at addresses that earlier atlases had: they lead to the new ones and take the query along."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from jinja2 import Environment


def stamp_moved(environment: Environment, built: Path, layers: Iterable[int]) -> None:
    """Write a page at each old address."""
    template = environment.get_template("moved.html")
    for layer in layers:
        path = built / "layers" / str(layer) / "index.html"
        path.parent.mkdir(parents=True)
        page = template.render(
            home="../../", to=f"layers/L{layer}/index.html", also="", title=f"Layer {layer}"
        )
        path.write_text(page, encoding="utf-8")
