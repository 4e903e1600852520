"""Digests of the code and of the environment, so that the workflow reruns what a change affects.

Snakemake notices an edited script, but not an edited module that the script imports, nor another version of a
library. Rules therefore carry these digests as params.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from n2g.files.digests import files_digest

PACKAGE = "n2g"
# Of a checkout: what results can depend on, and whose digest the manifest of a run holds.
SOURCES = ("Snakefile", "rules", "scripts", "schemas", "site", "docs")


def imported_modules(path: Path, scripts: Path) -> set[Path]:
    """The files of the ``n2g`` package that one Python file imports, anywhere in it, found without running
    it.

    ``n2g/__init__.py`` itself does not count as a dependency of every module (it only forwards names): a name
    imported from the package, as in ``from n2g import NeuronId``, leads to the module that it forwards to.
    """
    package = scripts / PACKAGE
    forwards = _forwards((package / "__init__.py").read_bytes())
    names = {forwards.get(name, name) for name in _imported_names(path.read_bytes())}
    files = {package.joinpath(*name.split(".")).with_suffix(".py") for name in names}
    files |= {file.parent / "__init__.py" for file in files if file.parent != package}
    return {file for file in files if file.is_file()}


def closure(path: Path, scripts: Path) -> list[Path]:
    """A Python file and everything of ``n2g`` that it imports, directly or not, sorted."""
    found: set[Path] = set()
    todo = {path}
    while todo:
        file = todo.pop()
        found.add(file)
        todo |= imported_modules(file, scripts) - found
    return sorted(found)


def code_digest(stage: str, scripts: Path) -> str:
    """SHA-256 over the names and contents of ``scripts/{stage}.py`` and of its import closure."""
    return files_digest(closure(scripts / f"{stage}.py", scripts), scripts)


def source_files(base: Path, names: Iterable[str]) -> list[Path]:
    """The files of a checkout that have some of the given names at its top, or are in folders of such names."""
    roots = [base / name for name in names]
    files = [file for root in roots for file in (root.rglob("*") if root.is_dir() else [root])]
    return sorted(file for file in files if file.is_file() and "__pycache__" not in file.parts)


@cache
def _imported_names(source: bytes) -> frozenset[str]:
    """The modules of the package, or names in them, that a Python source imports (each source is read once)."""
    names: set[str] = set()
    for node in _walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(
                alias.name.removeprefix(f"{PACKAGE}.") for alias in node.names if _is_ours(alias.name)
            )
        elif isinstance(node, ast.ImportFrom) and (node.level or _is_ours(node.module or "")):
            module = node.module or ""
            inside = module if node.level else module.removeprefix(PACKAGE).lstrip(".")
            parts = [alias.name for alias in node.names]
            names.update([inside, *(f"{inside}.{part}" for part in parts)] if inside else parts)
    return frozenset(names)


def _is_ours(module: str) -> bool:
    return module == PACKAGE or module.startswith(f"{PACKAGE}.")


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """All statements but those under ``if TYPE_CHECKING:``, which never run. No expression imports anything."""
    yield node
    for child in ast.iter_child_nodes(node):
        statement = isinstance(child, ast.stmt | ast.excepthandler | ast.match_case)
        if statement and not (isinstance(child, ast.If) and getattr(child.test, "id", "") == "TYPE_CHECKING"):
            yield from _walk(child)


@cache
def _forwards(init: bytes) -> dict[str, str]:
    """The table of forwarded names in ``n2g/__init__.py``, given its content."""
    for node in ast.parse(init).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_EXPORTS":
            return ast.literal_eval(node.value)
    return {}
