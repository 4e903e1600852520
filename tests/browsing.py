"""Fixtures of the browser tests: a made-up atlas on a local server, a page that fails on any trouble."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import made_atlas
import pytest
from loopback import running
from playwright.sync_api import Browser, Dialog, Page


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What is missing is answered with the site's 404.html, as hosts of static sites do."""
        page = Path(self.directory, "atlas", "404.html")
        if code != 404 or not page.is_file():
            return super().send_error(code, message, explain)
        self.send_response(code)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(page.read_bytes())


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address at which a folder is served for as long as the block runs."""
    with running(ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))) as server:
        yield f"http://127.0.0.1:{server.server_port}"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The site served below a path of its own."""
    folder = tmp_path_factory.mktemp("served")
    made_atlas.make(folder)
    with served(folder) as root:
        yield f"{root}/atlas/"


# Firefox reports what it was still fetching when a page was left; a file that is missing has its own message.
LEFT = ("NetworkError when attempting to fetch resource.", "The operation was aborted.")
# Firefox tells no driver what a page's policy has stopped, so the page says it.
TELL = """document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) =>
    console.error(`policy: ${violatedDirective} ${blockedURI}`))"""


def watch(page: Page, host: str) -> list[str]:
    """What goes wrong on a page from now on: dialogs, errors, requests to other hosts, and what the policy stops."""
    troubles: list[str] = []

    def asked(dialog: Dialog) -> None:
        troubles.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    page.add_init_script(TELL)
    page.on("dialog", asked)
    page.on("console", lambda said: troubles.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: None if str(error).strip() in LEFT else troubles.append(str(error)))
    page.on(
        "request",
        lambda sent: troubles.append(sent.url) if urlsplit(sent.url).netloc not in ("", host) else None,
    )
    return troubles


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A page that fails the test on anything that `watch` sees, and on a script in a text that has run."""
    context = browser.new_context()
    page = context.new_page()
    troubles = watch(page, urlsplit(address).netloc)
    yield page
    hacked = page.evaluate("window.hacked")
    context.close()
    assert not troubles, troubles
    assert hacked is None
