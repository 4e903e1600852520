"""The pins: complete, exact, the same everywhere, and enough for every rule."""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from n2g.workflow.code_digests import closure

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / "requirements"
PYTHONS = ["3.11.2", "3.12.0", "3.13.0", "3.14.0"]  # 3.11.2 is Debian 12's
LINUX = {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64", "extra": ""}
CUDA = re.compile(r"nvidia-|cuda-|triton$")
RULE = re.compile(r"^rule (\w+):\n((?:[ \t].*\n|\n)*)", re.MULTILINE)


def requirements(file: str) -> dict[str, Requirement]:
    """The requirements named in a file, by canonical name."""
    lines = [line.partition("#")[0].strip() for line in (REQUIREMENTS / file).read_text().splitlines()]
    found = [Requirement(line) for line in lines if line and not line.startswith("-r ")]
    return {canonicalize_name(requirement.name): requirement for requirement in found}


def pins(file: str) -> dict[str, str]:
    """The exact versions in a lock file."""
    return {name: str(pin.specifier).removeprefix("==") for name, pin in requirements(file).items()}


def environment_pins(path: Path) -> dict[str, str]:
    """The exact versions in the pip section of a conda environment."""
    dependencies = yaml.safe_load(path.read_text())["dependencies"]
    return dict(pin.split("==") for pin in dependencies[-1]["pip"])


def needs(name: str, python: str) -> set[str]:
    """What an installed package needs with some Python on Linux, without the CUDA packages."""
    markers = LINUX | {"python_version": python.rpartition(".")[0], "python_full_version": python}
    required = map(Requirement, metadata.requires(name) or [])
    applying = [need.name for need in required if not need.marker or need.marker.evaluate(markers)]
    wanted = set(map(canonicalize_name, applying))
    return {need for need in wanted if not CUDA.match(need)}


@cache
def distributions(module: str) -> set[str]:
    """The installed packages that a module comes from."""
    return {canonicalize_name(name) for name in PACKAGES.get(module, [])}


PACKAGES = metadata.packages_distributions()
RUN = pins("run.lock")
ALL = RUN | pins("test.lock")
EXTRAS = {name: pins(f"{name}.lock") for name in ("cluster", "kubernetes")}
ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))
RULES = {
    name: body
    for file in sorted((ROOT / "rules").glob("*.smk"))
    for name, body in RULE.findall(file.read_text() + "\n")
}


@pytest.mark.parametrize("name", ALL)
def test_every_pin_is_exact_and_installed(name: str) -> None:
    assert re.fullmatch(r"[0-9][0-9a-z.]*", ALL[name]), "no range, no local version"
    assert metadata.version(name).partition("+")[0] == ALL[name], "run `make test`, which installs the locks"


@pytest.mark.parametrize("name", ALL)
def test_every_pin_suits_every_supported_python(name: str) -> None:
    supported = SpecifierSet(metadata.metadata(name).get("Requires-Python") or "")
    for python in PYTHONS:
        assert python in supported
        assert needs(name, python) <= ALL.keys(), f"what {name} needs with Python {python} is not pinned"


@pytest.mark.parametrize("file", ["run", "test", *EXTRAS])
def test_locks_hold_what_the_in_files_ask_for(file: str) -> None:
    for name, requirement in requirements(f"{file}.in").items():
        assert requirement.specifier.contains((ALL | EXTRAS.get(file, {}))[name]), requirement


@pytest.mark.parametrize("file", EXTRAS)
def test_what_clusters_need_comes_on_top_of_the_other_pins(file: str) -> None:
    assert not EXTRAS[file].keys() & RUN.keys()
    assert ALL | EXTRAS[file] == EXTRAS[file] | ALL


def test_torch_has_one_exact_pin_and_cuda_none() -> None:
    assert RUN["torch"] == "2.13.0"
    assert not [name for name in ALL if CUDA.match(name)]


@pytest.mark.parametrize("path", [*ENVIRONMENTS, *REQUIREMENTS.iterdir()], ids=lambda path: path.name)
def test_no_address_is_named(path: Path) -> None:
    assert path.is_dir() or "://" not in path.read_text()


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_conda_environments_hold_the_same_pins(path: Path) -> None:
    pinned = environment_pins(path)
    assert pinned.items() <= RUN.items(), "run `make lock`"
    for name in pinned:
        assert needs(name, "3.11.2") <= pinned.keys(), f"what {name} needs is missing"


def test_every_import_is_asked_for() -> None:
    scripts = ROOT / "scripts"
    for file in scripts.rglob("*.py"):
        for module in third_party_imports(file):
            assert distributions(module) & requirements("run.in").keys(), (
                f"name {module} in requirements/run.in"
            )


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_names_an_environment_that_holds_its_imports(rule: str) -> None:
    (name,) = re.findall(r'conda:\s+"\.\./envs/(\w+\.yaml)"', RULES[rule])
    pinned = environment_pins(ROOT / "envs" / name)
    (script,) = re.findall(r'script=script\("(\w+)"\)', RULES[rule])
    for file in closure(ROOT / "scripts" / f"{script}.py", ROOT / "scripts"):
        for module in third_party_imports(file):
            assert distributions(module) & pinned.keys(), (
                f"{file.name} imports {module}, which {name} lacks: name it in requirements/lock.py"
            )


def test_only_explanations_in_words_import_the_client_of_endpoints() -> None:
    scripts = ROOT / "scripts"
    for script in scripts.glob("*.py"):
        imports = set().union(*(third_party_imports(file) for file in closure(script, scripts)))
        assert ("openai" in imports) == (script.stem == "explain"), script.name


def third_party_imports(file: Path) -> set[str]:
    """The top-level modules that a file imports, without the standard library and our own package."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").partition(".")[0])
    return found - sys.stdlib_module_names - {"n2g"}
