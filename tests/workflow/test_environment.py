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

from n2g.errors import InputError
from n2g.workflow.code_digests import closure
from n2g.workflow.extras import MODULES, check_extra

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / "requirements"
PYTHONS = ["3.11.2", "3.12.0", "3.13.0", "3.14.0"]  # 3.11.2 is Debian 12's
SYSTEMS = {
    "linux": {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64", "extra": ""},
    "arm": {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "aarch64", "extra": ""},
    "mac": {"sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "arm64", "extra": ""},
}
CUDA = re.compile(r"nvidia-|cuda-|triton$")
RULE = re.compile(r"^rule (\w+):\n((?:[ \t].*\n|\n)*)", re.MULTILINE)


def named(lines: list[str]) -> dict[str, Requirement]:
    """Requirements by canonical name; each name stands once."""
    found = [Requirement(line) for line in lines]
    by_name = {canonicalize_name(requirement.name): requirement for requirement in found}
    assert len(by_name) == len(found)
    return by_name


def requirements(file: str) -> dict[str, Requirement]:
    """The requirements named in a file, by canonical name."""
    lines = [line.partition("#")[0].strip() for line in (REQUIREMENTS / file).read_text().splitlines()]
    return named([line for line in lines if line])


def versions(pins: dict[str, Requirement]) -> dict[str, str]:
    """The exact versions of pins."""
    return {name: str(pin.specifier).removeprefix("==") for name, pin in pins.items()}


def pins(file: str) -> dict[str, str]:
    """The exact versions in a lock file."""
    return versions(requirements(file))


def environment_pins(path: Path) -> dict[str, str]:
    """The exact versions in the pip section of a conda environment."""
    return versions(named(yaml.safe_load(path.read_text())["dependencies"][-1]["pip"]))


def markers(python: str, system: str) -> dict[str, str]:
    """What the markers of requirements are compared with."""
    return SYSTEMS[system] | {"python_version": python.rpartition(".")[0], "python_full_version": python}


def applies(requirement: Requirement, machine: dict[str, str] | None = None) -> bool:
    """Whether a requirement counts on a machine, by default on this one."""
    return not requirement.marker or requirement.marker.evaluate(machine)


def needs(name: str, python: str, system: str = "linux") -> set[str]:
    """What an installed package needs with some Python on some system, without the CUDA packages."""
    required = map(Requirement, metadata.requires(name) or [])
    wanted = {canonicalize_name(need.name) for need in required if applies(need, markers(python, system))}
    return {need for need in wanted if not CUDA.match(need)}


@cache
def pinned_on(python: str, system: str) -> frozenset[str]:
    """The packages that `make test` installs with some Python on some system."""
    return frozenset(name for name, pin in PINS if applies(pin, markers(python, system)))


@cache
def distributions(module: str) -> set[str]:
    """The installed packages that a module comes from."""
    return {canonicalize_name(name) for name in PACKAGES.get(module, [])}


PACKAGES = metadata.packages_distributions()
RUN = pins("run.lock")
EXTRAS = {name: pins(f"{name}.lock") for name in ("explain", "crate", "cluster", "kubernetes")}
TEST_LOCKS = ("run", "explain", "crate", "test")  # what `make test` puts into .venv itself
ALL = {name: version for lock in TEST_LOCKS for name, version in pins(f"{lock}.lock").items()}
PINS = [pin for lock in TEST_LOCKS for pin in requirements(f"{lock}.lock").items()]
HERE = {name for name, pin in PINS if applies(pin)}
ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))
RULES = {
    name: body
    for file in sorted((ROOT / "rules").glob("*.smk"))
    for name, body in RULE.findall(file.read_text() + "\n")
    if "shell:" in body  # and not only a name for files of other rules
}


@pytest.mark.parametrize("name", ALL)
def test_every_pin_is_exact(name: str) -> None:
    assert re.fullmatch(r"[0-9][0-9a-z.]*", ALL[name]), "no range, no local version"


@pytest.mark.parametrize("name", sorted(HERE))
def test_every_pin_is_installed(name: str) -> None:
    assert metadata.version(name).partition("+")[0] == ALL[name], "run `make test`, which installs the locks"


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("name", sorted(HERE))
def test_every_pin_suits_every_supported_machine(name: str, system: str) -> None:
    supported = SpecifierSet(metadata.metadata(name).get("Requires-Python") or "")
    for python in PYTHONS:
        assert python in supported
        pinned = pinned_on(python, system)
        assert needs(name, python, system) <= pinned, f"what {name} needs with Python {python} is not pinned"


@pytest.mark.parametrize("file", ["run", "test", *EXTRAS])
def test_locks_hold_what_the_in_files_ask_for(file: str) -> None:
    for name, requirement in requirements(f"{file}.in").items():
        assert requirement.specifier.contains((ALL | EXTRAS.get(file, {}))[name]), requirement


@pytest.mark.parametrize("file", EXTRAS)
def test_an_extra_comes_on_top_of_the_other_pins(file: str) -> None:
    assert not EXTRAS[file].keys() & RUN.keys()
    assert ALL | EXTRAS[file] == EXTRAS[file] | ALL


def test_torch_has_one_exact_pin_and_cuda_only_constraints() -> None:
    assert RUN["torch"] == "2.13.0"
    assert not [name for name in ALL if CUDA.match(name)]
    cuda = requirements("cuda.lock")
    assert cuda and all(
        CUDA.match(name) and not applies(pin, markers("3.13.0", "mac")) for name, pin in cuda.items()
    )


def test_the_installer_is_exact() -> None:
    assert re.fullmatch(r"==[0-9.]+", str(requirements("uv.in")["uv"].specifier))


@pytest.mark.parametrize("path", [*ENVIRONMENTS, *REQUIREMENTS.iterdir()], ids=lambda path: path.name)
def test_no_address_is_named(path: Path) -> None:
    assert path.is_dir() or "://" not in path.read_text()


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_conda_environments_hold_the_same_pins(path: Path) -> None:
    pinned = environment_pins(path)
    held = RUN | (EXTRAS.get(path.stem) or {})
    assert pinned.items() <= held.items(), "run `make lock`"
    for name in pinned.keys() & HERE:
        assert needs(name, "3.11.2") <= pinned.keys(), f"what {name} needs is missing"


def test_every_import_is_asked_for() -> None:
    scripts = ROOT / "scripts"
    asked = {name for lock in ("run", *MODULES) for name in requirements(f"{lock}.in")}
    for file in scripts.rglob("*.py"):
        for module in third_party_imports(file):
            assert distributions(module) & asked, f"name {module} in requirements/run.in"


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


@pytest.mark.parametrize("extra", MODULES)
def test_only_one_script_needs_an_extra(extra: str) -> None:
    assert distributions(MODULES[extra]) == requirements(f"{extra}.in").keys()
    scripts = ROOT / "scripts"
    for script in scripts.glob("*.py"):
        imports = set().union(*(third_party_imports(file) for file in closure(script, scripts)))
        assert (MODULES[extra] in imports) == (script.stem == extra), script.name


@pytest.mark.parametrize("extra", MODULES)
def test_a_missing_extra_is_named_with_the_remedy(extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    check_extra(extra)
    monkeypatch.setitem(MODULES, extra, "no_such_module")
    with pytest.raises(InputError, match=rf"^{extra}: .* run `make setup EXTRAS={extra}`\.$"):
        check_extra(extra)


def third_party_imports(file: Path) -> set[str]:
    """The top-level modules that a file imports, without the standard library and our own package."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").partition(".")[0])
    return found - sys.stdlib_module_names - {"n2g"}
