"""What the fixture of the browser tests sees: each trouble that a page may have, in each browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from browsing import served, watch
from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.both]
POLICY = "<meta http-equiv=Content-Security-Policy content=\"script-src 'self'\">"
TROUBLES = {
    "dialog: asked": "alert('asked')",
    "said": "console.error('said')",
    "broken": "throw new Error('broken')",
    "http://127.0.0.2:8099/x.png": "new Image().src = 'http://127.0.0.2:8099/x.png'",
    "policy: script-src": "document.body.appendChild(document.createElement('script')).text = 'window.hacked = 1'",
}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("troubles")
    for at, script in enumerate(["", *TROUBLES.values()]):
        (folder / f"{at}.html").write_text(
            f"<!doctype html>{POLICY}<title>{at}</title><link rel=icon href=data:><body><script src={at}.js></script>"
        )
        (folder / f"{at}.js").write_text(script)
    with served(folder) as root:
        yield root


def test_every_trouble_is_seen(browser: Browser, address: str) -> None:
    for at, expected in enumerate(["", *TROUBLES]):
        context = browser.new_context()
        page = context.new_page()
        troubles = watch(page, urlsplit(address).netloc)
        page.goto(f"{address}/{at}.html")
        for _ in range(100 if expected else 4):
            page.wait_for_timeout(50)
            if expected and any(expected in one for one in troubles):
                break
        context.close()
        assert any(expected in one for one in troubles) if expected else not troubles, (expected, troubles)
