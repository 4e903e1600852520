"""The atlas by general rules: accessibility, valid structure, size of what a page loads."""

from __future__ import annotations

from pathlib import Path

import html5lib
import made_atlas
import pytest
from browsing import address, page  # noqa: F401

# ruff: noqa: F811
AXE = (Path(__file__).parents[1] / "vendor" / "axe.min.js").read_text(encoding="utf-8")
LARGEST = 500_000
PAGES = {
    "home": "index.html",
    "layers": "layers/index.html",
    "layer": "layers/L0/index.html",
    "neuron": "neurons/L0/N1/index.html?text=!!%22%23%24",
    "dead neuron": "neurons/L1/N2/index.html",
    "table": "table/index.html",
    "search": "search/index.html?q=the%20bank",
    "nothing found": "search/index.html?q=%E6%B0%B4",
    "what can be found": "search/index.html",
    "tokens": "search/index.html?q=the&in=tokens",
    "text": "fires/index.html?text=!!%22%23%24",
    "compare": "compare/index.html?a=L0.N0&b=L1.N1",
    "patterns": "search/index.html?q=the%20%E2%80%A6%20*&in=patterns",
    "repeats": "repeats/index.html",
    "measurements": "measurements/index.html",
    "changes": "changes/index.html",
    "downloads": "downloads/index.html",
    "written": "about/method/index.html",
    "missing": "404.html",
}


def faults(page):
    """What axe-core finds on the page: rule -> where it is broken."""
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
    return {
        fault["id"]: [node["html"][:200] + " " + node["failureSummary"][:300] for node in fault["nodes"][:3]]
        for fault in found
    }


def large(page, url):
    """Address -> bytes of the large files that a page loads."""
    sizes = {}
    page.on("response", lambda answer: sizes.update({answer.url: len(answer.body())}))
    page.goto(url)
    page.wait_for_load_state("networkidle")
    return {url: size for url, size in sizes.items() if size > LARGEST}


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES)
def test_no_accessibility_fault(page, address, path, scheme):
    page.emulate_media(color_scheme=scheme)
    page.goto(address + path)
    page.wait_for_load_state("networkidle")
    assert faults(page) == {}


@pytest.mark.browser
@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES)
def test_no_page_loads_a_large_file(page, address, path):
    assert large(page, address + path) == {}


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES)
def test_nothing_shifts_while_a_page_loads(page, address, path, width):
    page.set_viewport_size({"width": width, "height": 900})
    page.add_init_script(
        "window.shifts = []; new PerformanceObserver((list) => shifts.push(...list.getEntries().flatMap("
        "(one) => one.sources.map(({ node }) => `${node?.nodeName} ${node?.className} ${one.value}`)))"
        ").observe({ type: 'layout-shift', buffered: true })"
    )
    for _ in range(3):  # on a busy machine a page may be painted before all of it is read, but hardly thrice
        page.goto(address + path.replace("!!%22%23%24", "the%20river"))  # tokens in letters of usual height
        page.wait_for_load_state("networkidle")
        if not (shifts := page.evaluate("window.shifts")):
            break
    assert shifts == []


def test_pages_parse_without_an_error_by_the_html_standard(tmp_path):
    atlas = made_atlas.make(tmp_path)
    for path in made_atlas.pages(atlas):
        parser = html5lib.HTMLParser()
        parser.parse(path.read_bytes())
        assert parser.errors == [], path
