"""Pattern search, related neurons, embedding: in the browser, against what the records say."""

from __future__ import annotations

import json

import fake_records
import pytest
from browsing import address, page  # noqa: F401
from playwright.sync_api import expect

from n2g.graphs.pattern_paths import strongest_paths
from n2g.site.pattern_rows import pattern_rows
from n2g.site.search_indexes import key_of, patterns_of
from n2g.site.table_rows import repeats, row

# ruff: noqa: F811
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    folders = fake_records.write(tmp_path_factory.mktemp("records"))
    return [json.loads(path.read_text()) for folder in folders for path in sorted(folder.glob("*.json"))]


# Tokens are numbers here; a pattern and a question are in the order of the text.
GAP, ANY, START = {"kind": "gap"}, {"kind": "any"}, {"kind": "start"}
CASES = [
    ([[1], [2]], [1, 2], True),
    ([[1], [2]], [2], True),
    ([[1], [2]], [1], False),
    ([[3], [1], [2]], [1, 2], True),
    ([[1, 4], [2, 5]], [4, 5], True),
    ([[1], "*", [2]], [1, 2], False),
    ([[1], "*", [2]], [1, ANY, 2], True),
    ([[1], [3], [2]], [1, ANY, 2], True),
    ([[1], [3], "*", [2]], [1, GAP, 2], True),
    ([[1], [2]], [1, GAP, 2], True),
    ([[1], {"max": 3}, [2]], [1, 2], True),
    ([[1], {"max": 3}, [2]], [1, ANY, 2], True),
    ([[1], {"max": 3}, [2]], [1, GAP, 2], True),
    (["^", [2]], [START, 2], True),
    (["^", [2]], [START, GAP, 2], True),
    (["^", [2]], [ANY, 2], False),
    ([[1], [2]], [START, 2], False),
    ([[1], [2]], [GAP], True),
]


@pytest.mark.both
def test_what_a_pattern_matches(page, address):
    asked = [
        [pattern, [one if isinstance(one, dict) else {"kind": "token", "one": one} for one in question]]
        for pattern, question, _ in CASES
    ]
    script = """async (cases) => {
        const { matches } = await import(new URL("js/patterns.js", location.href));
        for (const [, question] of cases) for (const one of question) one.ids = new Set([one.one]);
        return cases.map(([pattern, question]) => matches(pattern, question));
    }"""
    page.goto(address)
    assert page.evaluate(script, asked) == [expected for *_, expected in CASES]


def having(records, context, active):
    """Ids of the records with a firing pattern that has one token somewhere before the activating one."""

    def has(record, element, text):
        known = {token for token in element if key_of(record["vocabulary"][str(token)]) == key_of(text)}
        return bool(known)

    return {
        record["id"]
        for record in records
        for _, first, *rest in patterns_of(record)[1]
        if has(record, first, active)
        and any(isinstance(one, list) and has(record, one, context) for one in rest)
    }


def test_pattern_search_finds_what_the_graphs_hold(page, address, records):
    seen = set()
    for context, active in ((a, b) for a in fake_records.WORDS[:5] for b in fake_records.WORDS[:5]):
        expected = having(records, context, active)
        if expected and len(seen) < 3:
            seen.add((context, active))
            page.goto(f"{address}search/index.html?in=patterns")
            page.get_by_role("combobox", name="Search").fill(f"{context.strip()} … {active.strip()}")
            page.keyboard.press("Enter")
            found = page.locator("[data-group=patterns]")
            expect(found.locator("h2 small")).to_have_text(f"{len(expected)} of 8 neurons")
            assert set(found.locator(".hit strong").all_inner_texts()) == expected
    assert seen


@pytest.mark.both
def test_patterns_by_depth_and_beginning(page, address, records):
    deep = {one["id"] for one in records if any(len(found) - 1 >= 4 for found in patterns_of(one)[1])}
    page.goto(f"{address}patterns/index.html?q=*&least=4")  # an old address
    found = page.locator("[data-group=patterns]")
    expect(found.locator("h2 small")).to_have_text(f"{len(deep)} of 8 neurons")
    assert "in=patterns" in page.url and page.get_by_label("Minimum pattern length").input_value() == "4"
    begun = {
        one["id"]
        for one in records
        for _, active, *_ in patterns_of(one)[1]
        if any(key_of(one["vocabulary"][str(token)]).startswith("par") for token in active)
    }
    page.goto(f"{address}search/index.html?q=par*")
    expect(found.locator("h2 small")).to_have_text(f"{len(begun)} of 8 neurons")
    page.goto(f"{address}search/index.html?q=par*&in=patterns")
    expect(found.locator(".hit strong")).to_have_count(min(6, len(begun)))
    assert set(found.locator(".hit strong").all_inner_texts()) <= begun != set()
    expect(page.get_by_role("combobox", name="Search")).to_have_value("par*")


@pytest.mark.both
def test_embedded_page_is_the_graph_alone(page, address):
    page.set_viewport_size({"width": 800, "height": 600})
    page.goto(f"{address}neurons/L0/N1/index.html?embed=1")
    page.get_by_role("button", name="Fit", exact=False).wait_for()
    assert page.locator("svg.graph").is_visible()
    assert "F1" in page.locator(".facts").inner_text()
    for whole in (".facts", ".explanation", ".canvas", ".legend"):
        box = page.locator(whole).bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= 600, whole
    inside, frame = page.locator("svg.graph").bounding_box(), page.locator(".canvas").bounding_box()
    assert inside["height"] <= frame["height"] and inside["width"] <= frame["width"]
    for hidden in (".md-header", ".md-tabs", "#examples", ".provenance"):
        assert page.locator(hidden).is_hidden()
    assert page.get_by_role("link", name="Neurons of Fake-1M").is_visible()


def test_related_neurons_are_links_where_they_have_pages(page, address):
    page.goto(f"{address}neurons/L0/N1/index.html")
    section = page.locator(".related")
    section.wait_for()
    expect(section.get_by_role("link", name="L1.N2")).to_be_visible()
    expect(section.get_by_role("link", name="L1.N0")).to_be_visible()
    assert "L1.N99" in section.inner_text()
    assert section.get_by_role("link", name="L1.N99").count() == 0


def test_errors_say_which_path_matched(page, address):
    page.goto(f"{address}neurons/L0/N0/index.html")
    page.get_by_role("heading", name="Worst false positives").scroll_into_view_if_needed()
    reasons = page.locator("#test-false-positive .path")
    expect(reasons).to_have_count(3)
    assert all(
        text.startswith(("matched: ", "no pattern", "below threshold")) for text in reasons.all_inner_texts()
    )


def test_repeated_context_is_listed(page, address, records):
    expected = {one["id"] for one in records if row(one)["repeats"] > 0}
    page.goto(f"{address}repeats/index.html")
    assert set(page.locator("tbody th a").all_inner_texts()) == expected
    assert expected
    known = {one["id"]: one for one in records}
    for line in page.locator("tbody tr").all():
        record = known[line.locator("th").inner_text()]
        ends = {path[-1]["id"] for path in strongest_paths(record["graph"]) if repeats(path)}
        first = next(one for one in pattern_rows(record) if one["node"] in ends)
        words = " ".join(words for _, words in first["parts"])
        assert line.locator(".pattern").inner_text().split() == words.split()
        numbers = line.locator("td.n").all_inner_texts()
        assert numbers[1:3] == [first["top"], first["random"]]
        assert numbers[3:5] == [str(len(ends)), str(len(strongest_paths(record["graph"])))]
