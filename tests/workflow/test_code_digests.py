"""Digests of code: they follow imports, and nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

from n2g.workflow.code_digests import closure, code_digest

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """A package of our form: stage -> a -> b, and c beside it."""
    package = tmp_path / "n2g"
    package.mkdir()
    (package / "__init__.py").write_text('_EXPORTS = {"C": "c"}\n')
    (package / "a.py").write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from n2g.d import D\n"
        "def f():\n    from .b import g\n"
    )
    (package / "b.py").write_text("import n2g.a, numpy\n")
    (package / "c.py").write_text("C = 1\n")
    (package / "d.py").write_text("D = 1\n")
    (tmp_path / "stage.py").write_text("from n2g.a import f\n")
    (tmp_path / "other.py").write_text("from n2g import C\nfrom n2g import d\n")
    return tmp_path


def names(stage: str, scripts: Path) -> set[str]:
    return {path.name for path in closure(scripts / f"{stage}.py", scripts)}


def test_the_closure_follows_imports_inside_functions_and_circles(scripts: Path) -> None:
    assert names("stage", scripts) == {"stage.py", "a.py", "b.py"}
    assert names("other", scripts) == {"other.py", "c.py", "d.py"}


def test_a_digest_changes_with_what_is_imported_only(scripts: Path, tmp_path: Path) -> None:
    before = code_digest("stage", scripts)
    (scripts / "n2g" / "c.py").write_text("C = 2\n")
    (scripts / "n2g" / "d.py").write_text("D = 2\n")
    assert code_digest("stage", scripts) == before
    (scripts / "n2g" / "b.py").write_text("import n2g.a, numpy  # edited\n")
    assert code_digest("stage", scripts) != before


@pytest.mark.parametrize("stage", sorted(path.stem for path in SCRIPTS.glob("*.py")))
def test_the_closure_holds_every_module_that_is_really_imported(stage: str) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(SCRIPTS)!r}); import {stage}; print(*[m for m in sys.modules])"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    ours = {name.removeprefix("n2g.") for name in loaded if name.startswith("n2g.")}
    files = (path.relative_to(SCRIPTS).with_suffix("") for path in closure(SCRIPTS / f"{stage}.py", SCRIPTS))
    known = {".".join(path.parts).removesuffix(".__init__") for path in files}
    assert {f"n2g.{name}" for name in ours} <= known
