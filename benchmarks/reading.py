"""How long a reader waits: the pages of a built site in headless Chromium, from a server on the same machine.

Run by hand: `python benchmarks/reading.py results/smollm2/atlas`; it needs Chromium, as the browser tests do.
"""

from __future__ import annotations

import argparse
import gzip
import json
import shutil
import threading
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

PAGES, TEXTS, TOKENS = 9, 5, 30
WATCH = """
    window.shift = 0;
    new PerformanceObserver((list) => list.getEntries().forEach((one) => { window.shift += one.value; }))
        .observe({ type: "layout-shift", buffered: true });
    new MutationObserver(() => {
        if (!window.ready && document.querySelector(".graph .node[role=button]")) window.ready = performance.now();
    }).observe(document, { subtree: true, attributes: true, childList: true });
"""
ASK = """(text) => new Promise((answer) => {
    const [page, begin] = [document.querySelector(".fires-page"), performance.now()];
    new MutationObserver(() => { if (page.dataset.read === text) answer(performance.now() - begin); })
        .observe(page, { attributes: true });
    const input = page.querySelector("textarea");
    input.value = text;
    input.dispatchEvent(new Event("input"));
})"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def spread(values: list, count: int) -> list:
    """`count` of the values, evenly spaced."""
    return values[:: max(1, len(values) // count)][:count]


def opened(browser: Browser, address: str, work: Callable[[Page], Any]) -> Any:
    """What `work` finds on a page, with nothing cached."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.add_init_script(WATCH)
    page.goto(address)
    page.wait_for_load_state("networkidle")
    found = work(page)
    context.close()
    return found


def texts(site: Path, pages: list[Path]) -> list[str]:
    """Beginnings of random test texts, TOKENS tokens long."""
    found = []
    for path in spread(pages, TEXTS):
        record = json.loads(gzip.decompress((site / path).with_name("record.json.gz").read_bytes()))
        example = next(one for one in record["examples"] if one["set"] == "random")
        found.append("".join(record["vocabulary"][str(token)] for token in example["tokens"][1 : TOKENS + 1]))
    return found


def ask(page: Page, text: str, loaded: list[int], before: str = "") -> float:
    """Milliseconds until a page says which neurons fire on a text, optionally after another one."""
    if before:
        page.evaluate(ASK, before)
    page.on("response", lambda answer: loaded.append(int(answer.headers.get("content-length", 0))))
    return page.evaluate(ASK, text)


def measure(browser: Browser, site: Path, address: str) -> None:
    """Print the waiting times."""
    pages = sorted(path.relative_to(site) for path in site.glob("neurons/*/*/index.html"))
    watched = [
        opened(browser, f"{address}{path.as_posix()}", lambda page: page.evaluate("[window.ready, shift]"))
        for path in spread(pages, PAGES)
    ]
    ready = [time for time, _ in watched if time]
    print(f"{len(pages):,} neuron pages, interactive after {median(ready):.0f} ms, at most {max(ready):.0f}")
    print(f"layout shift at most {max(shift for _, shift in watched):.4f}")
    for name, before in (("first", ""), ("second", "The beginning.")):
        loaded: list[int] = []
        asked = [partial(ask, text=text, loaded=loaded, before=before) for text in texts(site, pages)]
        taken = [opened(browser, f"{address}fires/index.html", work) for work in asked]
        size = sum(loaded) / len(taken) / 1e3
        print(
            f"{name} text of {TOKENS} tokens: {median(taken):.0f} ms, at most {max(taken):.0f}; {size:,.0f} kB"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("site", type=Path, help="folder of the atlas")
    site = parser.parse_args().site
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=site))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        measure(browser, site, f"http://127.0.0.1:{server.server_address[1]}/")
        browser.close()
    server.shutdown()


if __name__ == "__main__":
    main()
