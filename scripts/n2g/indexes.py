"""Small files by which the pages find neurons: a table in pieces, and sorted pieces of posting lists.

No piece grows with the number of neurons, so that a page loads only what a question needs.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from n2g.draw import activations
from n2g.ids import NeuronId
from n2g.words import brief

ROWS = 1024
SHARD = 64_000
ACTIVATING, CONTEXT, PROMOTED = 0, 1, 2
Posting = tuple[int, int, int, int]  # role, row of the neuron, strength and F1 in hundredths


def write_json(path: Path, value: Any) -> int:
    """Write compact JSON, packed where the path ends in .gz; returns its size in bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    if path.suffix == ".gz":
        data = gzip.compress(data, compresslevel=6, mtime=0)
    path.write_bytes(data)
    return len(data)


def write_ids(folder: Path, ids: Sequence[NeuronId]) -> None:
    """All neurons in order, as `ids.json`: [layer, [first, last, first, last, ...], pole suffix] runs."""
    runs: list[list] = []
    for neuron in ids:
        suffix = "-" if neuron.negative else ""
        last = runs[-1] if runs else None
        if last and last[0] == neuron.layer and last[3] == suffix and last[2] + 1 == neuron.neuron:
            last[2] = neuron.neuron
        else:
            runs.append([neuron.layer, neuron.neuron, neuron.neuron, suffix])
    write_json(folder / "ids.json", runs)


def write_table(
    folder: Path, columns: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]
) -> None:
    """All rows as `table/{piece}.json`, column by column, and as `neurons.csv`."""
    keys = [column["key"] for column in columns]
    pieces = range(0, len(rows), ROWS)
    for number, first in enumerate(pieces):
        part = rows[first : first + ROWS]
        values = {key: [_cell(row[key]) for row in part] for key in keys}
        write_json(folder / "table" / f"{number}.json", values)
    described = [{key: column[key] for key in ("key", "title", "meaning", "numeric")} for column in columns]
    write_json(folder / "table.json", {"columns": described, "rows": len(rows), "pieces": len(pieces)})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(keys)
    writer.writerows([row[key] for key in keys] for row in rows)
    (folder / "neurons.csv").write_text(text.getvalue(), encoding="utf-8")


class TokenIndex:
    """Which graphs hold a token, and how strongly: filled record by record, then written in sorted pieces."""

    def __init__(self) -> None:
        self._texts: dict[int, str] = {}
        self._postings: dict[int, set[Posting]] = {}

    def add(self, row: int, record: Mapping[str, Any]) -> None:
        """Take in a record; `row` is the neuron's place in `ids.json`."""
        f1 = round(
            100 * ((((record.get("metrics") or {}).get("top") or {}).get("graph") or {}).get("f1") or 0)
        )
        best: dict[tuple[int, int], int] = {}
        for token, role, strength in _uses(record):
            key = (token, role)
            best[key] = max(best.get(key, 0), round(100 * strength))
        for (token, role), strength in best.items():
            self._texts[token] = record["vocabulary"][str(token)]
            self._postings.setdefault(token, set()).add((role, row, strength, f1))

    def write(self, folder: Path) -> None:
        """Write `tokens/{piece}.json.gz` and `tokens.json`, which gives the first key of each piece.

        A piece lists [key, text, token id, postings], the postings flat: role, row, strength, F1, ...
        """
        ordered = sorted((_utf16(key_of(text)), token, text) for token, text in self._texts.items())
        first_keys, piece, size = [], [], 0
        for _, token, text in ordered:
            key = key_of(text)
            postings = sorted(self._postings[token], key=lambda one: (-one[2] * (one[3] + 1), one))
            entry = [key, text, token, [value for posting in postings for value in posting]]
            length = len(json.dumps(entry))
            if piece and size + length > SHARD:
                write_json(folder / "tokens" / f"{len(first_keys) - 1}.json.gz", piece)
                piece, size = [], 0
            if not piece:
                first_keys.append(key[:24])
            piece.append(entry)
            size += length
        if piece:
            write_json(folder / "tokens" / f"{len(first_keys) - 1}.json.gz", piece)
        write_json(folder / "tokens.json", first_keys)


class FiringIndex:
    """The patterns of all graphs by the token they fire on: what predicts every graph for any text."""

    def __init__(self) -> None:
        self._entries: dict[int, list[list]] = {}

    def add(self, row: int, record: Mapping[str, Any]) -> None:
        """Take in a record; `row` is the neuron's place in `ids.json`."""
        graph = record.get("graph")
        if not graph:
            return
        found: dict[int, list[list]] = {}
        for activating, pattern in _patterns(graph):
            for token, weight in activating:
                found.setdefault(token, []).append([pattern[0], weight, *pattern[1:]])
        f1 = _f1(record)
        for token, patterns in found.items():
            self._entries.setdefault(token, []).append([row, f1, graph["scale"], graph["cut"], patterns])

    def write(self, folder: Path) -> None:
        """Write `firing/{piece}.json.gz`, each {token id: entries}, and `firing.json`: the pieces' first ids.

        An entry is [row, F1 in hundredths, scale, cut, patterns]; a pattern is [activation, weight of the
        token, element, ...] backwards from it. Token id -1 stands for patterns that may fire on any token.
        """
        firsts, piece, size = [], {}, 0
        for token in sorted(self._entries):
            length = len(json.dumps(self._entries[token]))
            if piece and size + length > SHARD:
                write_json(folder / "firing" / f"{len(firsts) - 1}.json.gz", piece)
                piece, size = {}, 0
            if not piece:
                firsts.append(token)
            piece[token] = self._entries[token]
            size += length
        if piece:
            write_json(folder / "firing" / f"{len(firsts) - 1}.json.gz", piece)
        write_json(folder / "firing.json", firsts)


def _patterns(graph: Mapping[str, Any]) -> Iterable[tuple[list[tuple[int, float]], list]]:
    """Each pattern as ([(activating token, weight)], [activation, element, ...])."""
    nodes = {node["id"]: node for node in graph["nodes"]}
    for node in graph["nodes"]:
        if "end" not in node:
            continue
        path = [node]
        while nodes[path[0]["parent"]]["parent"] is not None:
            path.insert(0, nodes[path[0]["parent"]])
        first = path[0]
        if first["kind"] in ("token", "class"):
            activating, rest = list(zip(first["tokens"], first["weights"], strict=True)), path[1:]
        else:
            activating, rest = [(-1, 1.0)], path
        yield activating, [node["end"]["activation"], *map(_element, rest)]


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


def _f1(record: Mapping[str, Any]) -> int:
    """F1 of the record's graph on top test texts, in hundredths."""
    return round(100 * ((((record.get("metrics") or {}).get("top") or {}).get("graph") or {}).get("f1") or 0))


def key_of(text: str) -> str:
    """Under what a token is filed: lower case, without a space before it.

    >>> key_of(" The"), key_of(" "), key_of("\\n")
    ('the', ' ', '\\n')
    """
    return (text.removeprefix(" ") or text).lower()


def _uses(record: Mapping[str, Any]) -> Iterable[tuple[int, int, float]]:
    """(token, role, strength from 0 to 1) for each token of a record's graph and output."""
    graph = record.get("graph")
    if graph and graph["scale"] > 0:
        strongest = activations(graph)
        for node in graph["nodes"]:
            active = node["parent"] == 0
            weight = strongest[node["id"]] / graph["scale"] if active else node.get("importance", 0.0)
            for token, factor in zip(node.get("tokens", ()), node.get("weights", ()), strict=False):
                yield token, ACTIVATING if active else CONTEXT, min(1.0, weight * factor)
    promoted = (record.get("logits") or {}).get("promoted") or []
    for token, value in promoted:
        yield token, PROMOTED, value / promoted[0][1] if promoted[0][1] > 0 else 0.0


def _utf16(text: str) -> bytes:
    """A sort key that orders texts as JavaScript compares strings."""
    return text.encode("utf-16-be", "surrogatepass")


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    return brief(value, 160) if isinstance(value, str) else value
