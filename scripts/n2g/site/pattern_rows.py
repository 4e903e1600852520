"""The patterns of a graph as rows of a table, in the order of `strongest_paths`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from n2g.graphs.drawing import ordered
from n2g.graphs.pattern_paths import strongest_paths
from n2g.graphs.token_display import elide, visible

TOKENS = 4  # of a node that are named


def pattern_rows(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """For each pattern that fires: `node` (where it ends), `parts` (its elements in the order of the text, as classes
    and words), `share`, `support`, and of the test documents of each set how many of the tokens at which it makes the
    graph fire are right."""
    graph = record.get("graph")
    if not graph:
        return []
    tested = record.get("tested") or {}
    rows = []
    for path in strongest_paths(graph):
        last = path[-1]
        known = tested.get(str(last["id"]), {})
        rows.append(
            {
                "node": last["id"],
                "parts": [
                    ("pivot" if node["parent"] == 0 else node["kind"], _words(node, record["vocabulary"]))
                    for node in reversed(path)
                ],
                "share": last.get("share"),
                "support": last["end"].get("support"),
                **{name: _right(*known.get(name, (0, 0))) for name in ("top", "random")},
            }
        )
    return rows


def _right(said: int, hits: int) -> str:
    """How many of the tokens at which a pattern makes the graph fire are right.

    >>> _right(6, 5), _right(0, 0)
    ('5/6', '–')
    """
    return f"{hits}/{said}" if said else "–"


def _words(node: Mapping[str, Any], vocabulary: Mapping[str, str]) -> str:
    """An element in few words, as in `Black|Red|Green +18`."""
    if node["kind"] == "gap":
        return f"… ≤{node['max']}"
    if node["kind"] in ("wildcard", "start"):
        return {"wildcard": "∗", "start": "⊢"}[node["kind"]]
    tokens = ordered(node)
    named = [elide(visible(vocabulary.get(str(token), f"#{token}"))) for token in tokens[:TOKENS]]
    more = len(tokens) - len(named)
    return "|".join(named) + (f" +{more}" if more else "")
