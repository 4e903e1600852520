"""Two neurons side by side: frames in line, and what the two share, against what is known of made-up records."""

from __future__ import annotations

import json
from itertools import combinations

import fake_records
import pytest
from browsing import address, page  # noqa: F401
from playwright.sync_api import expect

# ruff: noqa: F811
pytestmark = pytest.mark.browser
SHARED = """async ([name, a, b]) => {
    const shared = await import(new URL("js/shared.js", location.href));
    return shared[name](a, b, 0.5);
}"""


def graph(*patterns: list[list[int] | str]) -> dict:
    """A graph with these patterns, backwards from the activating token, the first one strongest."""
    nodes: list[dict] = [{"id": 0, "parent": None}]
    for place, pattern in enumerate(patterns):
        parent = 0
        for element in pattern:
            node = {"id": len(nodes), "parent": parent, "kind": "class"}
            if isinstance(element, list):
                node |= {"tokens": element, "weights": [1.0] * len(element)}
            else:
                node["kind"] = element
            nodes.append(node)
            parent = node["id"]
        nodes[-1]["end"] = {"activation": 2.0 - place / 10}
    return {"nodes": nodes, "decision_threshold": 0.5, "scale": 2.0, "bos": None}


def record(*, patterns: tuple = (), examples: tuple = ()) -> dict:
    statistics = {"maximum": 2.0}
    return {"graph": graph(*patterns), "statistics": statistics, "provenance": {}, "examples": list(examples)}


def example(document: int, start: int, activations: list[float]) -> dict:
    tokens = [7] * len(activations)
    return {"document": document, "start": start, "tokens": tokens, "activations": activations}


def test_shared_patterns_agree_element_by_element(page, address):
    one = record(patterns=([[1, 2], [3, 4]], [[5], "wildcard", [6]], [[8]]))
    other = record(patterns=([[2, 9], [4]], [[5], "wildcard", [6]], [[8], [8]]))
    page.goto(address)
    found = page.evaluate(SHARED, ["sharedPatterns", one, other])
    assert [[part.get("tokens", part.get("kind")) for part in pattern["elements"]] for pattern in found] == [
        [[4], [2]],
        [[6], "wildcard", [5]],
    ]
    assert found[0]["strengths"] == [1.0, 1.0] and found[1]["strengths"] == [0.95, 0.95]


def test_patterns_below_the_threshold_are_not_shared(page, address):
    one = record(patterns=([[1]],))
    one["graph"]["nodes"][1]["end"]["activation"] = 0.4
    page.goto(address)
    assert page.evaluate(SHARED, ["sharedPatterns", one, record(patterns=([[1]],))]) == []


def test_shared_examples_are_texts_in_which_both_fire(page, address):
    one = record(examples=(example(3, 0, [0, 2, 0, 0]), example(4, 0, [2, 0]), example(5, 0, [2, 0])))
    other = record(examples=(example(3, 1, [1.5, 0, 2]), example(4, 0, [0, 2]), example(5, 0, [0.9, 0])))
    page.goto(address)
    together, apart = page.evaluate(SHARED, ["sharedExamples", one, other])
    assert (together["examples"][0]["document"], together["at"], together["together"]) == (3, 1, True)
    assert (together["first"], together["last"]) == (1, 4)
    assert (apart["examples"][0]["document"], apart["together"]) == (4, False)


def test_two_neurons_stand_side_by_side(page, address):
    page.goto(f"{address}compare/index.html?a=L0.N1&b=l1n0")
    sides = page.locator(".sides section")
    expect(sides.locator("h2 a")).to_have_text(["L0.N1", "L1.N0"])
    expect(sides.locator("svg.graph")).to_have_count(2)
    for part in ("h2", ".frame", "table"):
        tops = [sides.nth(at).locator(part).first.bounding_box()["y"] for at in range(2)]
        assert tops[0] == pytest.approx(tops[1], abs=1), part
    zooms = sides.locator("svg.graph").evaluate_all(
        "all => all.map((svg) => svg.getAttribute('width') / svg.viewBox.baseVal.width)"
    )
    assert zooms[0] == pytest.approx(zooms[1])


def test_shared_examples_are_shown_line_by_line(page, address, tmp_path):
    fake_records.write(tmp_path)
    records = [json.loads(path.read_text()) for path in sorted(tmp_path.rglob("*.json"))]
    documents = {one["id"]: {found["document"] for found in one["examples"]} for one in records}
    a, b = next((a, b) for a, b in combinations(documents, 2) if documents[a] & documents[b])
    page.goto(f"{address}compare/index.html?a={a}&b={b}")
    items = page.locator(".both li")
    expect(items).to_have_count(min(8, len(documents[a] & documents[b])))
    expect(items.first.locator(".value")).to_have_text([a, b])
    lines = items.first.locator(".tokens")
    assert lines.nth(0).locator("b.pivot").count() == lines.nth(1).locator("b.pivot").count() == 1


def test_how_similar_two_neurons_are_is_said(page, address):
    page.goto(f"{address}compare/index.html?a=L1.N0&b=L0.N1")  # the table has the pair in the other order
    expect(page.locator(".similarity")).to_have_text("Correlated activations: 0.88")
    page.goto(f"{address}compare/index.html?a=L0.N0&b=L0.N1")
    expect(page.locator(".similarity")).to_contain_text("Neither is among the 10 neurons most similar")


def test_a_neuron_that_is_not_here_is_named(page, address):
    page.goto(f"{address}compare/index.html?a=L0.N1&b=L7.N3")
    expect(page.locator("form output")).to_have_text("L7.N3 is not in this atlas; near: L1.N3, L0.N3, L1.N2.")
    page.goto(f"{address}compare/index.html?a=L0.N1&b=x")
    expect(page.locator("form output")).to_contain_text("The second neuron is missing")


def test_the_most_alike_are_offered(page, address):
    page.goto(f"{address}compare/index.html")
    page.get_by_role("link", name="L0.N1 and L1.N0").click()
    expect(page.locator(".sides h2 a")).to_have_text(["L0.N1", "L1.N0"])
