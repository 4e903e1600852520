"""Install locks into the environment of this Python, with uv: ``python requirements/install.py run explain``.

uv does not read pip's settings, so that a machine set up for pip would need all of them twice: they are handed over.
Only the standard library is imported, since this runs before anything else is installed.
"""

from __future__ import annotations

import argparse
import ast
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
UV = [sys.executable, "-m", "uv"]

# pip's setting -> the variable by which uv takes it, and what stands between several values
HANDED_OVER = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "cert": ("SSL_CERT_FILE", " "),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "default-timeout": ("UV_HTTP_TIMEOUT", " "),
    "timeout": ("UV_HTTP_TIMEOUT", " "),
}
TRUE = ("1", "t", "true", "y", "yes", "on")  # what pip takes for true
SECTIONS = ("global", "install", ":env:")  # of `pip config list`; a later one wins

CPU_INDEX = ("--torch-backend", "cpu")  # PyTorch's own index, whose address uv knows


def read_settings(listed: str) -> dict[str, str]:
    """pip's settings by name.

    Args:
        listed: what `pip config list` prints, a line such as ``global.index-url='...'`` for each setting.
    """
    lines = [line.partition("=") for line in listed.splitlines()]
    known = {name: str(ast.literal_eval(value)) for name, _, value in lines if value}
    found: dict[str, str] = {}
    for section in SECTIONS:
        start = f"{section}."
        found |= {name.removeprefix(start): value for name, value in known.items() if name.startswith(start)}
    return found


def variables(settings: Mapping[str, str]) -> dict[str, str]:
    """Variables that tell uv what pip's settings say."""
    found = {
        variable: between.join(settings[name].split())
        for name, (variable, between) in HANDED_OVER.items()
        if name in settings
    }
    if "UV_INDEX" in found:  # pip takes the best version of all indexes; uv alone would ask only the first
        found["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return found


@cache
def pip_settings() -> dict[str, str]:
    """The settings of this Python's pip, from its files and from the environment."""
    pip = [sys.executable, "-m", "pip", "config", "list"]
    return read_settings(subprocess.run(pip, capture_output=True, text=True, check=True).stdout)


@cache
def cache_settings() -> dict[str, str]:
    """uv keeps what it downloads in the home folder; where that cannot be written, it is told to do without."""
    said = subprocess.run([*UV, "cache", "dir"], capture_output=True, text=True)
    try:
        folder = Path(said.stdout.strip())
        folder.mkdir(parents=True, exist_ok=True)
        usable = os.access(folder, os.W_OK)
    except OSError:
        usable = False
    return {} if usable else {"UV_NO_CACHE": "1"}


def uv_environment() -> dict[str, str]:
    """The environment for uv: pip's settings, and over them what is set for uv itself."""
    return variables(pip_settings()) | cache_settings() | os.environ


def install_command(*arguments: str) -> list[str]:
    """The command by which uv installs. No variable tells it to use no index, as pip's `no-index` does."""
    no_index = pip_settings().get("no-index", "").lower() in TRUE
    return [*UV, "pip", "install", *(["--no-index"] if no_index else []), *arguments]


def wants_cpu_build(system: str, has_gpu: bool, environment: Mapping[str, str]) -> bool:
    """Whether PyTorch should come without CUDA: on Linux without a GPU, unless someone told uv what to take.

    Elsewhere than on Linux, the build on PyPI has no CUDA.
    """
    return system == "Linux" and not has_gpu and "UV_TORCH_BACKEND" not in environment


def torch_options(finds_cpu_build: Callable[..., bool]) -> tuple[str, ...] | None:
    """The options with which uv finds a build of PyTorch without CUDA, or None where there is none.

    Args:
        finds_cpu_build: whether uv does so with the given options.
    """
    return next((options for options in ((), CPU_INDEX) if finds_cpu_build(*options)), None)


def finds_cpu_build(*options: str) -> bool:
    """Whether uv would install the pinned PyTorch as a CPU build. Asks quickly, as there may be no network."""
    (torch,) = re.findall(r"^torch==\S+", (HERE / "run.lock").read_text(), re.MULTILINE)
    command = install_command("--dry-run", "--no-deps", "--reinstall", *options, torch)
    hasty = {"UV_HTTP_TIMEOUT": "10", "UV_HTTP_RETRIES": "0"}
    done = subprocess.run(command, env=uv_environment() | hasty, capture_output=True, text=True)
    return f"+ {torch}+cpu" in done.stderr


def has_gpu() -> bool:
    """Whether this machine has an NVIDIA GPU."""
    if not shutil.which("nvidia-smi"):
        return False
    return "GPU " in subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True).stdout


def choose_torch() -> tuple[str, ...]:
    """uv's options for PyTorch on this machine."""
    if not wants_cpu_build(platform.system(), has_gpu(), os.environ):
        return ()
    options = torch_options(finds_cpu_build)
    if options is None:
        print("No CPU build of PyTorch can be had: the one from PyPI brings gigabytes of CUDA libraries.")
    return options or ()


def main() -> None:
    """Install what the command line names."""
    known = sorted(path.stem for path in HERE.glob("*.lock"))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+", choices=known, metavar="NAME", help=f"of {', '.join(known)}")
    parser.add_argument("--target", help="a folder, instead of the environment; without what run.lock holds")
    given = parser.parse_args()

    # Every job of a run is a process that imports the model's libraries. Where Python may write no bytecode, each would
    # compile them again, which takes several times as long as to import them.
    command = install_command("--quiet", "--compile-bytecode", "--python", sys.executable)
    for name in ("run", "cuda"):
        command += ["--constraints", str(HERE / f"{name}.lock")]
    for name in given.names:
        command += ["--requirements", str(HERE / f"{name}.lock")]
    if given.target:
        command += ["--no-deps", "--target", given.target]
    if "run" in given.names:
        command += choose_torch()
    sys.exit(subprocess.run(command, env=uv_environment()).returncode)


if __name__ == "__main__":
    main()
