"""The search box: suggestions, groups of hits, what is said where nothing is found, and what a search costs."""

from __future__ import annotations

import gzip
import json
from urllib.parse import quote

import fake_records
import pytest
from browsing import address, page  # noqa: F401
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Page, expect

from n2g.site.term_index import LINE, WORD, TermIndex, words_of

# ruff: noqa: F811
REQUESTS, BYTES = 10, 300_000


def record(row: int, text: str, **more) -> dict:
    """A record with one excerpt, of one token a character."""
    tokens = [ord(one) for one in text]
    excerpt = {
        "set": "top",
        "split": "train",
        "pivot": 3,
        "start": 0,
        "tokens": tokens,
        "title": "The Sea of Tranquility",
    }
    vocabulary = {str(ord(one)): one for one in text}
    return {"id": f"L0.N{row}", "examples": [excerpt], "vocabulary": vocabulary, "metrics": {}} | more


def entries(index: TermIndex, folder) -> list[list]:
    index.write(folder)
    pieces = sorted((folder / "terms").iterdir(), key=lambda path: int(path.name.split(".")[0]))
    return [entry for piece in pieces for entry in json.loads(gzip.decompress(piece.read_bytes()))]


def test_words_and_titles_are_found_by_their_words(tmp_path):
    index, later = TermIndex(), TermIndex()
    index.add(0, record(0, "Sea lions, sea"))
    later.add(
        1, record(1, "a dry lake 水", explanations={"model": {"label": "bodies of water"}}, rule="sea|lake")
    )
    index.update(later)
    found = {
        (key, kind, *rest)
        for key, kind, total, *rest in entries(index, tmp_path)
        if kind == WORD
        for rest in [[]]
    }
    assert {key for key, *_ in found} == {"sea", "lions", "a", "dry", "lake", "水"}
    lines = {
        (key, group): hits
        for key, kind, _, group, hits in (e for e in entries(index, tmp_path) if e[1] == LINE)
    }
    assert lines["sea", "title"] == [["The Sea of Tranquility", 2, [0, 1]]]
    assert lines["sea", "rule"] == lines["lake", "rule"] == [["sea|lake", 1, [1]]]
    assert lines["water", "label"] == [["bodies of water", 1, [1]]]


def test_what_nearly_every_neuron_has_is_cut_and_counted(tmp_path, monkeypatch):
    monkeypatch.setattr("n2g.site.term_index.NEURONS", 2)
    index = TermIndex()
    for row in range(5):
        index.add(row, record(row, "sea"))
    (found,) = (entry for entry in entries(index, tmp_path) if entry[:2] == ["sea", WORD])
    assert found[2] == 5 and len(found[3]) == 2 * 3


TEXTS = st.text(
    st.sampled_from("aZé ß_-'’.,9٣½水日かカ🏳😀→©\u0301\u200d\n") | st.characters(max_codepoint=0x24F),
    max_size=30,
)


@pytest.mark.browser
def test_what_is_typed_has_the_same_words_as_excerpts(page, address):
    texts = ["The Lakers' 日本 trip, 2 days_ago 🏳️‍🌈!", "İstanbul ΟΔΟΣ", "ﬃ x²"]

    @given(TEXTS)
    def collect(text):
        texts.append(text)

    collect()
    page.goto(address)
    script = """async (texts) => {
        const { partsOf } = await import(new URL("js/terms.js", location.href));
        return texts.map(partsOf);
    }"""
    assert page.evaluate(script, texts) == [words_of(text) for text in texts]


def ask(page: Page, question: str) -> None:
    page.keyboard.press("/")
    page.get_by_role("combobox", name="Search").fill(question)


@pytest.mark.browser
def test_a_search_from_any_page(page, address):
    page.goto(f"{address}neurons/L0/N1/index.html")
    ask(page, "river")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search/index.html?q=river")
    groups = page.locator(".group")
    expect(groups.first).to_be_visible()
    assert {"tokens", "words"} <= set(groups.evaluate_all("all => all.map((one) => one.dataset.group)"))
    expect(page.locator("output.found")).to_contain_text("“river”: tokens (")
    expect(page.locator(".hit svg.graph").first).to_be_visible()
    ask(page, "bank")
    page.keyboard.press("Enter")
    expect(page.locator("output.found")).to_contain_text("“bank”: ")
    page.go_back()
    expect(page.locator("output.found")).to_contain_text("“river”: ")


@pytest.mark.browser
def test_suggestions_are_worked_by_keys(page, address):
    page.goto(address)
    ask(page, "ri")
    options = page.get_by_role("option")
    expect(options.first).to_contain_text("river")
    box = page.get_by_role("combobox", name="Search")
    expect(box).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("ArrowDown")
    chosen = page.locator("[role=option][aria-selected=true]")
    expect(chosen).to_have_count(1)
    assert box.get_attribute("aria-activedescendant") == chosen.get_attribute("id")
    page.keyboard.press("ArrowUp")
    expect(chosen).to_have_count(0)
    page.keyboard.press("Escape")
    expect(page.get_by_role("listbox")).to_be_hidden()
    expect(box).to_have_value("ri")
    box.fill("riv")
    expect(options.first).to_contain_text("river")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search/index.html?q=river")
    page.goto(address)
    ask(page, "l1n")
    page.get_by_role("option", name="L1.N3").click()
    page.wait_for_url("**/neurons/L1/N3/index.html")


@pytest.mark.browser
def test_no_search_ends_in_an_empty_page(page, address):
    page.goto(f"{address}search/index.html?q=L9.N1")
    expect(page.locator("[data-group=neurons]")).to_contain_text("L9.N1 is not in this atlas")
    expect(page.get_by_role("link", name="L1.N1")).to_be_visible()
    page.goto(f"{address}search/index.html?q=riverss")
    expect(page.locator(".nothing .notice")).to_contain_text(
        "Looked for “riverss” among neurons’ ids, tokens"
    )
    page.locator(".groups").get_by_role("link", name="river", exact=True).first.click()
    expect(page.locator("output.found")).to_contain_text("“river”: ")
    page.goto(f"{address}search/index.html?q=zzz+zz")
    page.get_by_role("link", name="Run every graph on this text").click()
    expect(page.get_by_label("Text", exact=True)).to_have_value("zzz zz")
    page.goto(f"{address}search/index.html?q=L1")
    page.get_by_role("link", name="Layer 1", exact=True).click()
    page.wait_for_url("**/layers/L1/index.html")


@pytest.mark.browser
def test_rules_and_strongest_tokens_are_found(page, address):
    page.goto(f"{address}search/index.html?q=river&in=rules")
    rules = page.locator("[data-group=rules] li")
    expect(rules.first).to_contain_text('" river" … " bank": L0.N0')
    page.goto(f"{address}search/index.html?q={quote(fake_records.HOSTILE[2])}&in=tokens&match=exact&role=3")
    expect(page.locator(".hit").first).to_contain_text("strongest, strength 1.00")


@pytest.mark.browser
def test_bytes_are_explained(page, address):
    page.goto(f"{address}search/index.html?q={quote('水é')}")
    said = page.locator(".bytes")
    expect(said.first).to_contain_text("“水” is the bytes <0xE6> <0xB0> <0xB4> in UTF-8")
    expect(said.nth(1)).to_contain_text("“é” is the bytes <0xC3> <0xA9> in UTF-8")
    expect(said.first).to_contain_text("none of which is in a graph of this atlas")


@pytest.mark.browser
@pytest.mark.parametrize("text", fake_records.HOSTILE)
def test_hostile_questions_are_shown_as_text(page, address, text):
    page.goto(f"{address}search/index.html?q={quote(text[:200])}")
    expect(page.locator("output.found")).not_to_be_empty()
    assert page.locator("article :is(script, img, iframe)").count() == 0


@pytest.mark.browser
def test_old_addresses_keep_the_question(page, address):
    page.goto(f"{address}tokens/index.html?q=river&match=exact&role=0")
    page.wait_for_url("**/search/index.html?in=tokens&q=river&match=exact&role=0")
    expect(page.get_by_label("Role")).to_have_value("0")


@pytest.mark.browser
@pytest.mark.parametrize(
    "question", ["the", "the … *", "the … bank", "the bank of the river", "river", "水", "L0.N1", "un*"]
)
def test_a_search_costs_little(page, address, question):
    """Also where every card is in a file of its own, as it may be in a large atlas."""
    sizes: dict[str, int] = {}
    page.on("response", lambda answer: sizes.update({answer.url: int(answer.headers["content-length"])}))
    page.goto(f"{address}search/index.html?q={quote(question)}")
    page.wait_for_load_state("networkidle")
    asked = {url: size for url, size in sizes.items() if "/data/" in url or "/neurons/" in url}
    assert sum(asked.values()) <= BYTES
    pictures = page.locator(".small-picture").count()
    assert len([url for url in asked if "/cards/" not in url]) + pictures <= REQUESTS, asked
