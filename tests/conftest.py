"""What several test modules share: the browsers, and a small finished run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from tiny_run import copied, finished  # noqa: F401

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

PROGRAMS = {
    "chromium": ("chromium", "chromium-browser", "google-chrome"),
    "firefox": ("firefox-esr", "firefox"),
}
INSTALLED = {name: next(filter(None, map(shutil.which, known)), None) for name, known in PROGRAMS.items()}
# The switches keep Chromium from calling home; it refuses its sandbox to root.
SWITCHES = [
    f"--{name}" for name in ("disable-background-networking", "disable-component-update", "no-first-run")
] + ["--no-sandbox"] * (os.geteuid() == 0)

# `make test ARGS=…` means this pytest; a `make` that a test runs would take the same arguments for its own.
for name in [name for name in os.environ if name.startswith("MAKE") or name == "ARGS"]:
    del os.environ[name]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test marked ``browser`` runs in Chromium; one also marked ``both`` in each of the browsers."""
    if metafunc.definition.get_closest_marker("browser") and "browser" in metafunc.fixturenames:
        both = metafunc.definition.get_closest_marker("both")
        metafunc.parametrize("browser", list(PROGRAMS) if both else ["chromium"], indirect=True)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Without its browser a test is skipped, but fails in continuous integration."""
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    name = parameters.get("browser")
    if name and INSTALLED[name] is None:
        in_ci = os.environ.get("CI") == "true"
        (pytest.fail if in_ci else pytest.skip)(
            f"{name.title()} is not installed: `make test` as root installs it"
        )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Modules with slow tests first, so that no process is left with one when all others are done."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """PyTorch computes with one thread, so that results are the same to the bit."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def launched(playwright: Playwright) -> Iterator[dict[str, Browser]]:
    """Browsers that tests have started, by name."""
    known: dict[str, Browser] = {}
    yield known
    for one in known.values():
        one.close()


@pytest.fixture
def browser(request: pytest.FixtureRequest, playwright: Playwright, launched: dict[str, Browser]) -> Browser:
    """The system's Chromium or Firefox, without a window. For tests marked ``browser``."""
    name = request.param
    if name not in launched or not launched[name].is_connected():
        program = INSTALLED[name]
        launched[name] = (
            playwright.chromium.launch(executable_path=program, args=SWITCHES)
            if name == "chromium"
            # The channel is the one for a Firefox that Playwright has not built: it speaks WebDriver BiDi.
            else playwright.firefox.launch(executable_path=program, channel="moz-firefox")
        )
    return launched[name]
