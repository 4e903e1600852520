"""Queries to a finished run on the command line: tables for people, `--json` for programs."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from n2g.compare.diff import ONLY, diff, rows
from n2g.errors import InputError
from n2g.graphs.token_display import elide, visible, width
from n2g.queries.atlas import load_atlas
from n2g.queries.trace import add_trace_options, trace
from n2g.trace.report import rows as trace_rows
from n2g.trace.report import summary

WIDE = 60


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; an answer goes to standard output. InputError where there is none."""
    parser = argparse.ArgumentParser(prog="n2g", description=__doc__)
    parser.add_argument(
        "--run", help="the run's folder or the URL of its site; optional if results/ has only one"
    )
    parser.add_argument(
        "--tokenizer", type=Path, help="the model's tokenizer.json, if it is not in resources/"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--limit", type=int, default=30, help="maximum rows in a table; 0 for all (JSON always has all)"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser("predict", help="what a neuron's graph predicts for each token of a text")
    add.add_argument("neuron")
    add.add_argument("text")
    add = commands.add_parser("match", help="where a rule matches in a text")
    add.add_argument("rule", help='such as "Black|Red … Sea"')
    add.add_argument("text")
    add = commands.add_parser("search", help="patterns by their tokens")
    add.add_argument("--activating", help='the activating token, such as " bank"')
    add.add_argument("--context", help="a context token")
    add = commands.add_parser(
        "effects", help="neurons by a token that they promote or suppress where they fire"
    )
    add.add_argument("--promoted", help='such as " the"')
    add.add_argument("--suppressed", help="likewise")
    add = commands.add_parser("fires", help="neurons whose graphs fire on a text")
    add.add_argument("text")
    add = commands.add_parser("similar", help="similar neurons")
    add.add_argument("neuron")
    add.add_argument("--in", dest="other_run", metavar="RUN", help="compare with the neurons of another run")
    add = commands.add_parser("compare", help="two neurons side by side")
    add.add_argument("neuron")
    add.add_argument("other")
    add.add_argument("--in", dest="other_run", metavar="RUN", help="the second neuron is from another run")
    add = commands.add_parser("diff", help="what changed between two runs")
    add.add_argument("old", metavar="RUN_A")
    add.add_argument("new", metavar="RUN_B")
    add = commands.add_parser("trace", help="neurons that the prediction of a next token goes through")
    add_trace_options(add)
    given = parser.parse_args(arguments)
    answer, rows = _ask(given)
    if given.json:
        unicode = (sys.stdout.encoding or "utf-8").lower().startswith("utf")
        json.dump(answer, sys.stdout, ensure_ascii=not unicode, indent=1)
        print()
    elif given.command == "trace":
        print(*summary(answer), _table(rows, 0), sep="\n")
    else:
        print(_table(rows, given.limit))


@contextmanager
def written_anywhere() -> Generator[None]:
    """Standard output goes to whatever takes it: a terminal that lacks characters, which are written out, or a program
    that ends before it has read all, as `head` does. Ctrl-C ends this one without a word."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # as Python will flush it once more
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _ask(given: argparse.Namespace) -> tuple[Any, list[Sequence[Any]]]:
    """The answer as JSON, and as a table whose first row is its head."""
    if given.command == "diff":
        found = diff(*(load_atlas(run).origin for run in (given.old, given.new)))
        return found, _diff_rows(found)
    if given.command == "trace":
        traced = trace(given.run or _only_run(), given)
        return traced, trace_rows(traced)
    atlas = load_atlas(given.run or _only_run(), given.tokenizer)
    other = load_atlas(given.other_run) if getattr(given, "other_run", None) else None
    if given.command == "compare":
        compared = atlas.compare(given.neuron, given.other, other)
        return compared, _compare_rows(compared, given.neuron, given.other)
    if given.command == "similar":
        similar = atlas.similar(given.neuron, other)
        return similar, [("kind", "neuron", "score"), *(tuple(one.values()) for one in similar)]
    answers = {
        "predict": lambda: atlas[given.neuron].predict(given.text),
        "fires": lambda: atlas.fires(given.text),
        "match": lambda: atlas.match(given.rule, given.text),
        "effects": lambda: atlas.effects(given.promoted, given.suppressed),
        "search": lambda: atlas.search(given.activating, given.context),
    }[given.command]()
    rows = [tuple(visible(v) if k == "text" else v for k, v in one._asdict().items()) for one in answers]
    return [one._asdict() for one in answers], [answers[0]._fields, *rows] if answers else []


def _only_run() -> Path:
    runs = sorted(path.parent for path in Path("results").glob("*/manifest.json"))
    if len(runs) != 1:
        raise InputError(f"results/ has {len(runs)} finished runs: choose one, as in --run results/smollm2.")
    return runs[0]


def _compare_rows(found: dict[str, Any], first: str, second: str) -> list[Sequence[Any]]:
    rows: list[Sequence[Any]] = [("", first, second), ("similarity", found["similarity"], "")]
    rows += [
        ("covered by the other", *found["covered"]),
        ("duplicates", "yes" if found["duplicate"] else "no", ""),
    ]
    rows += [(row["pattern"], *row["weights"]) for row in found["both"]]
    rows += [(row["pattern"], *row["weights"], "") for row in found["first"]]
    return rows + [(row["pattern"], "", *row["weights"]) for row in found["second"]]


def _diff_rows(found: dict[str, Any]) -> list[Sequence[Any]]:
    changed = [(one["neuron"], *row) for one in found["neurons"] for row in rows(one)]
    only = [(name, kind) for kind, names in zip(ONLY, found["only"], strict=True) for name in names]
    head = ("neuron", "change", "what", "before", "after")
    return [head, *changed, *only, (f"{found['same']} neurons are unchanged",)]


def _table(rows: Sequence[Sequence[Any]], limit: int) -> str:
    """Columns below each other; a last line says how many rows are left out."""
    if len(rows) < 2:
        return "nothing found"
    shown = rows[: limit + 1] if limit > 0 else rows
    cells = [[_cell(value) for value in row] for row in shown]
    columns = max(map(len, cells))
    widths = [
        max((width(row[at]) for row in cells[:] if at < len(row) and len(row) > 1), default=0)
        for at in range(columns)
    ]
    lines = [
        "  ".join(c + " " * (w - width(c)) for c, w in zip(row, widths, strict=False)).rstrip()
        for row in cells
    ]
    return "\n".join([*lines, *([f"… {len(rows) - len(shown)} more"] if len(shown) < len(rows) else [])])


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    return f"{value:.3g}" if isinstance(value, float) else elide(str(value), WIDE)
