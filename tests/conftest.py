"""What several test modules share: the browser, and a small finished run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from tiny_run import copied, finished  # noqa: F401

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# Chromium refuses its sandbox to root; the other switches keep it from calling home.
SWITCHES = [
    f"--{name}" for name in ("disable-background-networking", "disable-component-update", "no-first-run")
]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Without Chromium a browser test is skipped, but fails in continuous integration."""
    if item.get_closest_marker("browser") and CHROMIUM is None:
        in_ci = os.environ.get("CI") == "true"
        (pytest.fail if in_ci else pytest.skip)("Chromium is not installed: `make test` as root installs it")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Modules with slow tests first, so that no process is left with one when all others are done."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The system's Chromium, without a window. For tests marked ``browser``."""
    from playwright.sync_api import sync_playwright

    switches = [*SWITCHES, "--no-sandbox"] if os.geteuid() == 0 else SWITCHES
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=switches)
        yield browser
        browser.close()
