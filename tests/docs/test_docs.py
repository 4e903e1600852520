"""The written pages: complete, true to the code where a program can tell, and without dead links."""

from __future__ import annotations

import doctest
import importlib
import re
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from n2g.files.contracts import CONTRACTS, describe
from n2g.settings import Settings
from n2g.workflow.config import complete_config, describe_keys

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
ARCHITECTURE = DOCS / "architecture.md"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("**/*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LIBRARY = ROOT / "scripts"
EXAMPLES = [
    path for path in sorted(LIBRARY.glob("n2g/**/*.py")) if ">>> " in path.read_text(encoding="utf-8")
]
LINK = re.compile(r"\]\(([^)\s]+)\)")


def blocks(page: Path, language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(page.read_text(encoding="utf-8")) if kind == language]


def anchors(page: Path) -> set[str]:
    """Ids of a page's headings, as MkDocs and GitHub make them from plain words."""
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(BLOCK.sub("", page.read_text(encoding="utf-8"))):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_file(), f"{page.name} -> {link}"
        assert not anchor or anchor in anchors(target), f"{page.name} -> {link}"
        if page.is_relative_to(DOCS):  # these pages are published without the rest of the repository
            assert target.is_relative_to(DOCS), f"{page.name} -> {link}"


def test_the_readme_leads_to_every_page() -> None:
    links = {link.partition("#")[0] for link in LINK.findall(PAGES[0].read_text(encoding="utf-8"))}
    assert {page.relative_to(ROOT).as_posix() for page in DOCS.glob("**/*.md")} <= links


def test_every_setting_is_documented_with_its_default() -> None:
    lines = (DOCS / "method.md").read_text(encoding="utf-8").splitlines()
    for field in fields(Settings):
        default = field.default
        shown = ", ".join(map(str, default)) if isinstance(default, tuple) else str(default)
        row = f"| `{field.name}` | {'none' if default is None else shown} | "
        assert any(line.startswith(row) for line in lines), f"docs/method.md needs a row: {row}"


def test_every_table_is_documented() -> None:
    text = (DOCS / "files.md").read_text(encoding="utf-8")
    for contract, columns in describe():
        rows = [(f"`{name}`", f"`{kind}`", meaning.replace("|", r"\|")) for name, kind, meaning in columns]
        head = [("Column", "Type", "Meaning"), ("---", "---", "---")]
        table = "\n".join(f"| {' | '.join(row)} |" for row in head + rows)
        part = f"### {contract.name}.parquet\n\n{contract.meaning}\n\n{table}\n"
        assert part in text, f"docs/files.md must hold:\n{part}"
        assert re.search(rf"^\| `([^`]*/)?{contract.name}\.parquet` \|", text, re.MULTILINE), (
            f"docs/files.md names no path of {contract.name}.parquet"
        )


def test_every_stage_is_in_the_readme() -> None:
    text = PAGES[0].read_text(encoding="utf-8")
    for rules in (ROOT / "rules").glob("*.smk"):
        assert rules.stem in ("common", "run") or f"| `{rules.stem}` |" in text, rules.name


def test_the_architecture_lists_the_rooms_from_top_to_bottom() -> None:
    layers = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0][
        "layers"
    ]
    rows = re.findall(r"^\| (`.+?) \|", ARCHITECTURE.read_text(encoding="utf-8"), re.MULTILINE)
    rooms = [re.findall(r"`(\w+)`", row) for row in rows][: len(layers)]
    assert [set(row) for row in rooms] == [set(layer.split(" | ")) for layer in layers]


def test_the_way_of_a_token_is_that_of_the_code() -> None:
    text = ARCHITECTURE.read_text(encoding="utf-8")
    steps = re.findall(r"^\| `(\w+)` \| `(\w+)` in `([\w/.]+)` \| (.+) \|$", text, re.MULTILINE)
    assert len(steps) == 12
    for stage, function, module, place in steps:
        imported = f"from n2g.{module.removesuffix('.py').replace('/', '.')} import"
        assert f"def {function}(" in (LIBRARY / "n2g" / module).read_text(), module
        assert (ROOT / "rules" / f"{stage}.smk").is_file()
        assert stage == "atlas" or imported in (LIBRARY / f"{stage}.py").read_text(), stage
        for table, column in re.findall(r"`(\w+)\.(\w+)`", place):
            assert column in ("npy", "jsonl") or column in CONTRACTS[table].columns, f"{table}.{column}"
    for function, module in re.findall(r"`(\w+)` in `([\w/]+\.py)`", text):
        assert f"def {function}(" in (LIBRARY / "n2g" / module).read_text(), module


def test_the_publishing_workflow_uploads_what_make_atlas_makes() -> None:
    jobs = yaml.safe_load((ROOT / ".github/workflows/publish.yml").read_text(encoding="utf-8"))["jobs"]
    known = {key for key, *_ in describe_keys()}
    steps = jobs["build"]["steps"]
    (run,) = (step["run"] for step in steps if "make atlas" in step.get("run", ""))
    assert set(re.findall(r"--config (\w+)=", run)) == {"site_url"} <= known
    folder = re.search(r"mv results/\*/atlas (\w+)", run)[1]
    (upload,) = (step for step in steps if "upload-pages-artifact" in step.get("uses", ""))
    assert upload["with"]["path"] == folder
    assert {name for name, job in jobs.items() if job["permissions"].get("pages") == "write"} == {"publish"}


def test_the_readme_example_runs() -> None:
    (code,) = blocks(PAGES[0], "python")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"# {done.stdout.strip()}\n" in code


def test_configurations_shown_are_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    found = blocks(DOCS / "models.md", "text")  # plain: the theme colours YAML too faintly
    assert found
    for text in found:
        for folder in ("models/mine", "texts"):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        for file in ("mine.Q8_0.gguf", "gemma-3-270m.gguf"):
            (tmp_path / "models" / file).touch()
        given = yaml.safe_load(text.replace("/data/", f"{tmp_path}/"))
        complete_config({key: usual[key] for key in ("model", "corpus")} | given)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_in_docstrings(path: Path) -> None:
    module = importlib.import_module(".".join(path.relative_to(LIBRARY).with_suffix("").parts))
    outcome = doctest.testmod(module)
    assert outcome.attempted
    assert not outcome.failed
