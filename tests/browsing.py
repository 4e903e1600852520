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


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address at which a folder is served for as long as the block runs."""
    with running(ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))) as server:
        yield f"http://127.0.0.1:{server.server_port}"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The site served below a path of its own."""
    folder = tmp_path_factory.mktemp("served")
    made_atlas.make(folder)
    with served(folder) as root:
        yield f"{root}/atlas/"


@pytest.fixture
def page(chromium, address):
    """A page that fails the test on dialogs, console errors, foreign requests and scripts in texts."""
    context = chromium.new_context()
    page = context.new_page()
    troubles = []
    page.on("dialog", lambda dialog: (troubles.append(dialog.message), dialog.dismiss()))
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    host = urlsplit(address).netloc
    page.on(
        "request",
        lambda sent: troubles.append(sent.url) if urlsplit(sent.url).netloc not in ("", host) else None,
    )
    yield page
    hacked = page.evaluate("window.hacked")
    context.close()
    assert troubles == []
    assert hacked is None
