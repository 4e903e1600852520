"""Any address of a page, as links get cut, typed or made up, shows that page without an error."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote, urlencode, urlsplit

import pytest
from browsing import address, watch  # noqa: F401
from fuzzing import fuzz
from hypothesis import example, given
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page

# ruff: noqa: F811
pytestmark = pytest.mark.browser
# Page -> the names of what its address may ask for.
ASKED = {
    "table/": ("sort", "layer", "status", "words", "f1.from", "f1.to"),
    "search/": ("q", "in", "match", "role", "space", "least", "most"),
    "fires/": ("text",),
    "compare/": ("a", "b"),
    "neurons/L0/N0/": ("node", "context", "text", "rule", "embed"),
    "layers/L0/": ("sort", "down"),
    "tokens/": ("q",),
}
NAMES = [
    "__proto__",
    "constructor",
    "toString",
    "-constructor",
    "length",
    "null",
    "undefined",
    "NaN",
    "1e999",
]
WORDS = [
    "L0.N0",
    "L9.N9-",
    "the … *",
    '"',
    "^ ^",
    "* *",
    "<0xE6>",
    "\ufffd",
    "\u202e",
    "%",
    "\0",
    "a|b",
    "-1",
]
texts = st.sampled_from([*NAMES, *WORDS]) | st.text(max_size=12)


@st.composite
def addresses(draw: st.DrawFn) -> str:
    page = draw(st.sampled_from(sorted(ASKED)))
    names = st.sampled_from(ASKED[page]) | st.sampled_from(NAMES)
    query = urlencode(draw(st.dictionaries(names, texts, max_size=3)))
    cut = draw(st.sampled_from(["", "%", "%E6", "&&", "&q", "=", "?"]))
    return f"{page}index.html?{query}{cut}#{quote(draw(texts))}"


@pytest.fixture
def watched(browser: Browser, address: str) -> Iterator[tuple[Page, list[str]]]:
    context = browser.new_context()
    page = context.new_page()
    yield page, watch(page, urlsplit(address).netloc)
    context.close()


@fuzz
@given(addresses())
@example("table/index.html?sort=constructor")
@example("neurons/L0/N0/index.html?context=toString")
@example("neurons/L0/N0/index.html#test-top-%E6")
def test_any_address(watched: tuple[Page, list[str]], address: str, asked: str) -> None:
    page, troubles = watched
    page.goto("about:blank")  # another part after # alone would load nothing
    page.goto(f"{address}{asked}")
    page.wait_for_load_state("networkidle")
    page.locator("h1").first.wait_for()
    found = [*troubles]
    troubles.clear()
    assert not found
    assert page.evaluate("window.hacked") is None
