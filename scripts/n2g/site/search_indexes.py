"""Small files by which the pages find neurons: a table in pieces, patterns and cards in groups of neurons.

No piece grows with the number of neurons, so that a page loads only what a query needs.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from math import log10
from pathlib import Path
from typing import Any

from n2g.graphs.drawing import CLASS_LINES, activations, is_background, ordered
from n2g.graphs.pattern_paths import firing_paths, paths
from n2g.ids import NeuronId
from n2g.site.wording import brief

ROWS = 1024
SHARD = 64_000
GROUP = 64  # neurons whose patterns, and whose DOT, are in a file together
CARDS = 16  # neurons whose cards are in a file together
NAMED = 2  # tokens of an element whose texts come with the patterns


def write_json(path: Path, value: Any) -> None:
    """Write compact JSON, packed where the path ends in .gz."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if path.suffix == ".gz":
        write_packed(path, text)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def write_packed(path: Path, text: str | bytes) -> None:
    """Write a gzip file with the same bytes for the same text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = text.encode("utf-8") if isinstance(text, str) else text
    path.write_bytes(gzip.compress(data, compresslevel=6, mtime=0))


def write_ids(folder: Path, ids: Sequence[NeuronId]) -> None:
    """All neurons in order, as `ids.json`: [layer, first, last, pole suffix] runs; of latents, then their letter."""
    runs: list[list] = []
    for neuron in ids:
        suffix = "-" if neuron.negative else ""
        last = runs[-1] if runs else None
        if last and last[0] == neuron.layer and last[3] == suffix and last[2] + 1 == neuron.neuron:
            last[2] = neuron.neuron
        else:
            letter = [] if neuron.letter == "N" else [neuron.letter]
            runs.append([neuron.layer, neuron.neuron, neuron.neuron, suffix, *letter])
    write_json(folder / "ids.json", runs)


def write_table(
    folder: Path, columns: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]
) -> None:
    """All rows as `table/{piece}.json.gz`, column by column, and as `neurons.csv`."""
    keys = [column["key"] for column in columns]
    pieces = range(0, len(rows), ROWS)
    for number, first in enumerate(pieces):
        part = rows[first : first + ROWS]
        values = {key: [_cell(row[key]) for row in part] for key in keys}
        write_json(folder / "table" / f"{number}.json.gz", values)
    described = [
        {key: column[key] for key in ("key", "title", "meaning", "numeric", "format")} for column in columns
    ]
    write_json(folder / "table.json", {"columns": described, "rows": len(rows), "pieces": len(pieces)})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(keys)
    writer.writerows([row[key] for key in keys] for row in rows)
    (folder / "neurons.csv").write_text(text.getvalue(), encoding="utf-8")


def write_map(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """`map.json.gz`: for each measure a character for every neuron in order, its tenth from 0 to 9, or a dash.

    Activation density is by orders of magnitude: 9 from a tenth of all tokens on, 0 below one in a million.
    """

    def tenth(value: float | None) -> str:
        return "-" if value is None else str(min(9, max(0, int(10 * value))))

    def magnitude(value: float | None) -> float | None:
        return None if value is None else (log10(value) + 6.5) / 6 if value > 0 else 0.0

    content = {
        "f1": "".join(tenth(row["f1"]) for row in rows),
        "f1_low": "".join(tenth(row["f1_low"]) for row in rows),
        "density": "".join(tenth(magnitude(row["density"])) for row in rows),
    }
    write_json(folder / "map.json.gz", content)


def write_pairs(folder: Path, ids: Sequence[NeuronId], pairs: Mapping[str, Mapping]) -> None:
    """`similar/{group}.json.gz`: for each neuron of a group what `related_neurons.pairs` has of it."""
    for number, first in enumerate(range(0, len(ids), GROUP)):
        known = [pairs.get(str(neuron), {}) for neuron in ids[first : first + GROUP]]
        write_json(folder / "similar" / f"{number}.json.gz", known)


class Pieces:
    """Sorted entries, already JSON, in packed files of about the same size: `{piece}.json.gz`, and a list of the
    first key of each piece beside the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._firsts: list[Any] = []
        self._piece: list[str] = []
        self._size = 0

    def add(self, key: Any, entry: str) -> None:
        """Append an entry; keys come in ascending order."""
        if self._piece and self._size + len(entry) > SHARD:
            self._flush()
        if not self._piece:
            self._firsts.append(key)
        self._piece.append(entry)
        self._size += len(entry)

    def _flush(self) -> None:
        path = self._folder / f"{len(self._firsts) - 1}.json.gz"
        write_packed(path, "[" + ",".join(self._piece) + "]")
        self._piece, self._size = [], 0

    def close(self) -> None:
        """Write what is left, and the list of first keys."""
        if self._piece:
            self._flush()
        write_json(self._folder.with_suffix(".json"), self._firsts)


class FiringIndex:
    """The patterns of all graphs by the token they fire on: what predicts every graph for any text."""

    def __init__(self) -> None:
        self._entries: dict[int, list[str]] = {}

    def add(self, row: int, record: Mapping[str, Any]) -> None:
        """Add a record; `row` is the neuron's place in `ids.json`.

        Tokens on which no pattern can reach the decision threshold are left out, unless some pattern fires on any
        token: then a weaker pattern may take precedence over it.
        """
        graph = record.get("graph")
        if not graph:
            return
        found: dict[int, list[list]] = {}
        strongest: dict[int, float] = {}
        for activating, pattern in _patterns(graph):
            for token, weight in activating:
                found.setdefault(token, []).append([pattern[0], weight, *pattern[1:]])
                strongest[token] = max(strongest.get(token, 0.0), weight * pattern[0])
        for token, patterns in found.items():
            if -1 in found or strongest[token] >= graph["decision_threshold"]:
                entry = [row, f1_of(record), graph["scale"], graph["decision_threshold"], patterns]
                self._entries.setdefault(token, []).append(json.dumps(entry, separators=(",", ":")))

    def update(self, later: FiringIndex) -> None:
        """Append the entries of an index of later neurons."""
        for token, entries in later._entries.items():
            self._entries.setdefault(token, []).extend(entries)

    def write(self, folder: Path) -> None:
        """Write `firing/{piece}.json.gz`, each a list of [token id, entries], and `firing.json`: their first ids.

        An entry is [row, F1 in hundredths, scale, decision threshold, patterns]; a pattern is [activation, weight of
        the token, element, ...] backwards from it. Token id -1 stands for patterns that may fire on any token.
        """
        pieces = Pieces(folder / "firing")
        for token in sorted(self._entries):
            pieces.add(token, f"[{token},[{','.join(self._entries[token])}]]")
        pieces.close()


def card_of(record: Mapping[str, Any], svg: str | None) -> list:
    """[sentence or reason, picture or None, {node: tokens that its box does not name}] of a neuron."""
    hidden = {}
    if graph := record.get("graph"):
        strength = activations(graph)
        for node in graph["nodes"]:
            if len(node.get("tokens", ())) > CLASS_LINES and not is_background(node, graph, strength):
                hidden[node["id"]] = ordered(node)[CLASS_LINES - 1 :]
    return [brief(record.get("explanation") or record.get("reason"), 160), svg, hidden]


def patterns_of(record: Mapping[str, Any]) -> list:
    """[F1 in hundredths, patterns, {token: text}] of a record: the patterns that reach the decision threshold, each
    [activation, element, ...] backwards, and texts of the first tokens of each element.

    An element is a list of tokens, those left out that alone bring the prediction below it; for the others
    see `_element`.
    """
    graph = record.get("graph")
    found: list[list] = []
    if not graph:
        return [f1_of(record), found, {}]
    named: dict[int, str] = {}
    for path in firing_paths(graph):
        for node in path:
            for token in ordered(node)[:NAMED] if "tokens" in node else ():
                named[token] = record["vocabulary"][str(token)]
        value = path[-1]["end"]["activation"]
        found.append(
            [
                _short(value),
                *(_tokens(node, graph["decision_threshold"] / value) or _element(node) for node in path),
            ]
        )
    return [f1_of(record), found, named]


def _tokens(node: Mapping[str, Any], least: float) -> list[int]:
    if "tokens" not in node:
        return []
    weights = dict(zip(node["tokens"], node["weights"], strict=True))
    return [token for token in ordered(node) if weights[token] >= least]


def _short(value: float) -> float:
    return float(f"{value:.3g}")


def _patterns(graph: Mapping[str, Any]) -> Iterable[tuple[list[tuple[int, float]], list]]:
    """Each pattern as ([(activating token, weight)], [activation, element, ...])."""
    for path in paths(graph):
        first = path[0]
        if first["kind"] in ("token", "class"):
            activating, rest = list(zip(first["tokens"], first["weights"], strict=True)), path[1:]
        else:
            activating, rest = [(-1, 1.0)], path
        yield activating, [path[-1]["end"]["activation"], *map(_element, rest)]


def _element(node: Mapping[str, Any]) -> Any:
    """A node as a short JSON value: "*" any token, "^" the start, {"max": n} a gap, [tokens, weights]."""
    if node["kind"] == "gap":
        return {"max": node["max"]}
    if node["kind"] in ("wildcard", "start"):
        return "*" if node["kind"] == "wildcard" else "^"
    return (
        [node["tokens"]]
        if all(weight == 1 for weight in node["weights"])
        else [node["tokens"], node["weights"]]
    )


def f1_of(record: Mapping[str, Any]) -> int:
    """F1 of the record's graph on top test documents, in hundredths."""
    return round(100 * ((((record.get("metrics") or {}).get("top") or {}).get("graph") or {}).get("f1") or 0))


def key_of(text: str) -> str:
    """The key of a token in the index: lower case, without a space before it.

    >>> key_of(" The"), key_of(" "), key_of("\\n")
    ('the', ' ', '\\n')
    """
    return (text.removeprefix(" ") or text).lower()


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    return brief(value, 160) if isinstance(value, str) else value
