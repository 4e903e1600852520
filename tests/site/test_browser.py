"""The atlas as a reader meets it, in headless browsers."""

from __future__ import annotations

import json
import re

import fake_records
import made_atlas
import pytest
from browsing import address, page  # noqa: F401
from playwright.sync_api import expect

from n2g.graphs.token_display import excerpt, shortened

# ruff: noqa: F811
pytestmark = pytest.mark.browser


@pytest.mark.both
def test_from_home_to_a_neuron(page, address):
    page.goto(address)
    page.get_by_role("link", name="Browse by layer").click()
    page.get_by_role("link", name="Layer 0", exact=True).click()
    page.get_by_role("link", name="L0.N1", exact=True).click()
    assert page.get_by_role("heading", level=1).inner_text().startswith("L0.N1")
    assert page.locator("svg.graph .node").first.is_visible()
    assert page.locator(".tokens b").count() > 100


@pytest.mark.both
def test_hostile_text_is_shown_as_text(page, address, tmp_path):
    fake_records.write(tmp_path)
    for neuron in ("L0/N0", "L0/N1", "L0/N2", "L1/N0", "L1/N1", "L1/N3"):
        page.goto(f"{address}neurons/{neuron}/index.html")
        page.mouse.move(300, 700)
        page.mouse.wheel(0, 3000)
        record = json.loads(next(tmp_path.rglob(f"{neuron.replace('/', '.')}.json")).read_text())
        excerpts = page.locator("[data-example]").evaluate_all(
            "all => all.map((one) => [one.dataset.example, one.querySelector('.tokens').textContent])"
        )
        assert bool(excerpts) == (record["status"] == "ok")
        for index, text in excerpts:
            example = record["examples"][int(index)]
            shown = excerpt([fake_records.TEXTS[token] for token in example["tokens"]])
            reach = 10 if example["set"] in ("top", "firing") else 16  # beside the graph there is less room
            around = shown[example["pivot"] - reach : example["pivot"] + reach + 1]
            assert text == "".join(shortened(word, 80) for word in around)
        assert page.locator("article script, article img, article iframe, article style").count() == 0
        overflow = page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert overflow <= 0


@pytest.mark.both
def test_phone_width(page, address):
    page.set_viewport_size({"width": 360, "height": 740})
    for path in ("index.html", "layers/L0/index.html", "neurons/L0/N1/index.html", "changes/index.html"):
        page.goto(address + path)
        overflow = page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert overflow <= 0, path


@pytest.mark.both
def test_sorting_a_layer(page, address):
    page.goto(f"{address}layers/L0/index.html")
    page.get_by_role("button", name="F1", exact=True).click()
    values = [float(text) for text in page.locator("tbody tr td:nth-child(4)").all_inner_texts()]
    assert values == sorted(values, reverse=True)
    assert "sort=F1" in page.url
    page.reload()
    expect(page.locator("tbody tr td:nth-child(4)")).to_have_text([f"{value:.2f}" for value in values])


@pytest.mark.both
def test_jump_previous_next_and_random(page, address):
    page.goto(address)
    page.get_by_role("combobox", name="Search").fill("l1n0")
    page.keyboard.press("Enter")
    page.wait_for_url("**/neurons/L1/N0/index.html")
    page.get_by_role("link", name="L0.N3").click()
    page.wait_for_url("**/neurons/L0/N3/index.html")
    with page.expect_navigation(url="**/neurons/**"):
        page.get_by_role("button", name="A random neuron").click()


@pytest.mark.both
def test_values_on_hover(page, address):
    page.goto(f"{address}neurons/L0/N1/index.html")
    token = page.locator("#examples .tokens b[class]").first
    token.hover()
    expect(page.locator("#examples .tokens b[class]").first).to_have_attribute(
        "title", re.compile("activation")
    )
    assert "predicted" in token.get_attribute("title")


def test_dark_theme(browser, address):
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(f"{address}neurons/L0/N1/index.html")
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(map(int, colour.removeprefix("rgb(").rstrip(")").split(", ")[:3])) < 80
    context.close()


def test_without_scripts(browser, address):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}neurons/L0/N1/index.html")
    assert page.locator("svg.graph").is_visible()
    assert page.locator("table.metrics").first.is_visible()
    assert page.locator("[data-example] .tokens b[class]").count() > 50
    assert page.get_by_role("link", name="L1.N2").is_visible()
    assert page.locator(".logits dd").first.inner_text().endswith("+1.50")
    page.goto(f"{address}table/index.html")
    assert page.get_by_role("link", name="whole table as CSV").is_visible()
    context.close()


@pytest.mark.both
def test_with_keys_alone(page, address):
    page.goto(f"{address}neurons/L0/N1/index.html")
    page.keyboard.press("Tab")
    assert page.locator(":focus").inner_text() == "Skip to content"
    page.keyboard.press("Enter")
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.locator(":focus").get_attribute("data-node"):
            break
    page.keyboard.press("Enter")
    page.get_by_role("region", name="Selected node").wait_for()
    page.goto(f"{address}layers/L0/index.html")
    page.get_by_role("button", name="F1", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.locator("[aria-sort=descending]")).to_have_text("F1")


@pytest.mark.both
def test_read_from_a_disk(browser, address, tmp_path):
    """Browsers run no modules there: what needs them is not shown, and the page says so."""
    page = browser.new_page()
    page.goto((made_atlas.make(tmp_path) / "neurons/L0/N1/index.html").as_uri())
    assert page.locator("svg.graph").is_visible()
    assert page.locator(".try").is_hidden()
    said = page.evaluate("getComputedStyle(document.querySelector('.md-tabs'), '::after').content")
    assert "need a server" in said
    page.get_by_role("link", name="All neurons").click()
    assert page.get_by_role("heading", level=1).inner_text() == "All neurons"
    assert page.get_by_role("link", name="whole table as CSV").is_visible()
    page.close()


@pytest.mark.parametrize("place", ["x", "neurons/L9/N9/", "neurons/L0/N1/more/deep/index.html"])
def test_a_missing_page_leads_back(browser, address, place):
    page = browser.new_page()
    answers = []
    page.on("response", lambda answer: answers.append((answer.url.removeprefix(address), answer.status)))
    page.goto(address + place)
    page.wait_for_load_state("networkidle")
    assert {url for url, status in answers if status != 200} == {place}
    assert len(answers) > 5, "styles and scripts"
    assert page.get_by_role("heading", level=1).inner_text() == "There is no such page"
    page.get_by_role("combobox").fill("L0.N1")
    page.keyboard.press("Enter")
    page.wait_for_url("**/atlas/neurons/L0/N1/index.html")
    page.go_back()
    page.get_by_role("link", name="Home", exact=True).last.click()
    assert page.url.removesuffix("index.html") == address
    page.close()
