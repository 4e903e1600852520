"""Notebooks run cell by cell without a kernel, so that what they print is the same everywhere.

`python tests/queries/notebooks.py docs/induction.ipynb` runs one from the current folder, and writes its outputs into
it.
"""

from __future__ import annotations

import ast
import io
import json
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any


def run(notebook: dict[str, Any], given: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A notebook with the outputs of its code: what is printed, and the value of a cell's last expression.

    Args:
        notebook: as JSON.
        given: texts in the code -> what stands there instead.

    Raises:
        Whatever a cell raises.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    cells = [dict(cell) for cell in notebook["cells"]]
    for number, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            code = "".join(cell["source"])
            for old, new in (given or {}).items():
                code = code.replace(old, new)
            cell["outputs"] = _run(code, f"<cell {number}>", names)
    return notebook | {"cells": cells}


def _run(code: str, name: str, names: dict[str, Any]) -> list[dict[str, Any]]:
    body = ast.parse(code).body
    last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(compile(ast.Module(body, []), name, "exec"), names)
        value = eval(compile(ast.Expression(last.value), name, "eval"), names) if last else None
    outputs: list[dict[str, Any]] = []
    if text := printed.getvalue():
        outputs.append({"output_type": "stream", "name": "stdout", "text": text.splitlines(keepends=True)})
    if value is not None:
        data = {"text/plain": repr(value).splitlines(keepends=True)}
        if hasattr(value, "_repr_html_"):
            data["text/html"] = value._repr_html_().splitlines(keepends=True)
        shown = {"output_type": "execute_result", "execution_count": None, "metadata": {}, "data": data}
        outputs.append(shown)
    return outputs


def main(path: Path) -> None:
    """Run a notebook and write it back."""
    done = run(json.loads(path.read_text(encoding="utf-8")))
    path.write_text(json.dumps(done, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
