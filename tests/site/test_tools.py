"""The interactive parts of the atlas: table, token search, graph; and the predictor in the browser."""

from __future__ import annotations

import csv
import gzip
import json
import re
from random import Random
from urllib.parse import urlencode

import fake_records
import made_atlas
import pytest
from browsing import address, page  # noqa: F401
from playwright.sync_api import expect

from n2g.graphs.drawing import activations
from n2g.graphs.trie import NeuronGraph

# ruff: noqa: F811
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    folders = fake_records.write(tmp_path_factory.mktemp("records"))
    return {path.stem: json.loads(path.read_text()) for folder in folders for path in folder.glob("*.json")}


@pytest.mark.both
def test_table_filters_sorts_and_keeps_its_state(page, address):
    page.goto(f"{address}table/index.html?status=ok&sort=-f1")
    page.locator("tbody tr").first.wait_for()
    assert page.locator("tbody tr").count() == 6
    scores = [float(text) for text in page.locator("tbody td:nth-child(4)").all_inner_texts()]
    assert scores == sorted(scores, reverse=True)
    page.get_by_label("F1 from", exact=True).fill(str(scores[2]))
    expect(page.locator("tbody tr")).to_have_count(3)
    assert f"f1.from={scores[2]}" in page.url
    page.reload()
    expect(page.locator("tbody tr")).to_have_count(3)
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("tbody tr")).to_have_count(8)


def test_csv_holds_what_is_shown(page, address):
    page.goto(f"{address}table/index.html?layer=1")
    page.locator("tbody tr").first.wait_for()
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    lines = list(csv.DictReader(download.value.path().read_text().splitlines()))
    assert [line["id"] for line in lines] == ["L1.N0", "L1.N1", "L1.N2", "L1.N3"]
    assert lines[2]["status"] == "dead"


def neurons_with(records, token, role):
    """Ids of the records whose graph holds the token, with a part in firing, as the activating one or as context."""
    found = set()
    for name, record in records.items():
        graph = record["graph"] or {"nodes": []}
        strongest = activations(graph)
        for node in graph["nodes"]:
            weight = dict(zip(node.get("tokens", ()), node.get("weights", ()), strict=True)).get(token, 0.0)
            fires = weight > 0 and weight * strongest[node["id"]] >= graph["decision_threshold"]
            if fires and (node["parent"] == 0) == (role == "0"):
                found.add(name)
    return found


@pytest.mark.parametrize("role", ["0", "1"])
@pytest.mark.parametrize(
    "text", [",", ":", '"', "\n", " bank", "<0xE2>", "🏳️‍🌈", "<script>window.hacked=1</script>", "日本"]
)
def test_every_token_can_be_found(page, address, records, text, role):
    token = next(token for token, known in fake_records.TEXTS.items() if known == text)
    query = urlencode({"in": "tokens", "match": "exact", "role": role, "q": text.replace("\n", "\\n")})
    page.goto(f"{address}search/index.html?{query}")
    expected = neurons_with(records, token, role)
    found = page.locator("[data-group=tokens] h2 small")
    expect(found).to_have_text(re.compile(rf"\b{len(expected)} neurons?$"))
    if len(expected) > 6:
        page.get_by_role("button", name="Show more").click()
    assert set(page.locator(".hit strong").all_inner_texts()) == expected


@pytest.mark.both
def test_token_search_by_prefix_case_and_space(page, address, records):
    words = [
        (token, text)
        for token, text in fake_records.TEXTS.items()
        if text in (" river", " Paris", " the", " of")
    ]
    word = next(text.strip() for token, text in words if neurons_with(records, token, "1"))
    page.goto(f"{address}search/index.html?in=tokens&q={word[:2]}&match=prefix")
    page.locator(".hit").first.wait_for()
    assert f"␣{word}" in page.locator(".hit code").first.inner_text()
    page.goto(f"{address}search/index.html?in=tokens&q={word}&match=exact&role=1")
    expect(page.locator(".hit .node.lit").first).to_be_visible()
    page.goto(f"{address}search/index.html?in=tokens&q={word.upper()}")
    page.locator(".hit").first.wait_for()
    page.get_by_label("Space before").select_option("without")
    expect(page.locator(".hit")).to_have_count(0)


@pytest.mark.both
def test_click_on_a_node_shows_its_examples_its_cost_and_other_neurons(page, address, records):
    page.goto(f"{address}neurons/L0/N0/index.html")
    node = page.locator("svg.graph .node.active[role=button]").first
    known = {one["id"]: one for one in records["L0.N0"]["graph"]["nodes"]}
    tokens = known[int(node.get_attribute("data-node"))]["tokens"]
    expected = {name for token in tokens for role in "01" for name in neurons_with(records, token, role)}
    node.focus()
    page.keyboard.press("Enter")
    panel = page.get_by_role("region", name="Selected node")
    panel.wait_for()
    assert "Without this node, F1 on validation documents falls by 0.02. " in panel.inner_text()
    count = len(records["L0.N0"]["examples"])
    through = int(re.search(rf"(\d+) of {count} examples pass through this node", panel.inner_text())[1])
    assert panel.locator("li").count() == min(through, 6)
    assert set(panel.locator(".others a").all_inner_texts()) == expected - {"L0.N0"} != set()
    assert node.get_attribute("aria-pressed") == "true"
    page.keyboard.press("Enter")
    panel.wait_for(state="detached")


@pytest.mark.both
def test_zoom(page, address):
    page.goto(f"{address}neurons/L0/N0/index.html")
    svg = page.locator("svg.graph")
    page.get_by_role("button", name="Larger").click()
    assert float(svg.get_attribute("width")) == pytest.approx(
        1.25 * svg.evaluate("e => e.viewBox.baseVal.width")
    )
    page.get_by_role("button", name="1:1").click()
    assert float(svg.get_attribute("width")) == pytest.approx(svg.evaluate("e => e.viewBox.baseVal.width"))


@pytest.mark.both
def test_context_of_examples(page, address):
    page.goto(f"{address}neurons/L0/N0/index.html")
    tokens = page.locator("#examples [data-example]").first.locator(".tokens b")
    page.get_by_role("button", name="±5").click()
    expect(tokens).to_have_count(11)
    assert "context=5" in page.url
    page.get_by_role("button", name="all", exact=True).click()
    expect(tokens).to_have_count(40)


@pytest.mark.both
def test_prediction_equals_python(page, address):
    """On random graphs with every kind of node, and on texts with and without a first BOS."""
    random = Random(7)
    texts = {token: str(token) for token in range(6)}
    cases = []
    for _ in range(150):
        graph = fake_records.graph(random, texts, size=random.randint(1, 25)) | {
            "bos": random.choice([None, 0])
        }
        for node in graph["nodes"]:
            if "weights" in node:
                node["weights"] = [random.choice([1.0, 0.7, 0.3]) for _ in node["weights"]]
            if "max" in node:
                node["max"] = random.randint(1, 4)
        for _ in range(8):
            tokens = [random.randrange(6) for _ in range(random.randint(0, 30))]
            cases.append([graph, tokens])
    page.goto(address)
    script = """async (cases) => {
        const { predict, prepare } = await import(new URL("js/predict.js", location.href));
        return cases.map(([graph, tokens]) => predict(prepare(graph), tokens).predicted);
    }"""
    assert page.evaluate(script, cases) == [
        NeuronGraph.from_dict(graph).predict(tokens) for graph, tokens in cases
    ]


def test_table_and_index_hold_every_record(tmp_path):
    atlas = made_atlas.make(tmp_path)
    about = json.loads((atlas / "data/table.json").read_text())
    pieces = [
        json.loads(gzip.decompress((atlas / f"data/table/{at}.json.gz").read_bytes()))
        for at in range(about["pieces"])
    ]
    assert about["rows"] == len(made_atlas.EXPECTED)
    assert [name for piece in pieces for name in piece["id"]] == list(made_atlas.EXPECTED)
