"""What a neuron's page shows at first sight and on demand: patterns, evidence, keys; and the map that leads to it."""

from __future__ import annotations

import json
import re

import fake_records
import pytest
from browsing import address, page  # noqa: F401
from playwright.sync_api import Page, expect

from n2g.graphs.matching import TokenIndex
from n2g.graphs.pattern_paths import strongest_paths
from n2g.graphs.trie import NeuronGraph
from n2g.site.neuron_page import context
from n2g.site.pattern_rows import pattern_rows

# ruff: noqa: F811
pytestmark = pytest.mark.browser
SHOWN = 8


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    folders = fake_records.write(tmp_path_factory.mktemp("records"))
    return {path.stem: json.loads(path.read_text()) for folder in folders for path in folder.glob("*.json")}


@pytest.fixture
def large(records: dict[str, dict]) -> dict:
    """A record with more patterns than a page shows at once."""
    return next(one for one in records.values() if one["graph"] and len(pattern_rows(one)) > SHOWN)


def path_of(record: dict) -> str:
    return f"neurons/{record['id'].replace('.', '/')}/index.html"


def deciding(record: dict, example: dict) -> list[int]:
    """The node that decides what the graph predicts at each token of an example; 0 where none does."""
    graph = NeuronGraph.from_dict(record["graph"])
    return graph.predict_index(TokenIndex.of([example["tokens"]], graph.bos))[1].tolist()


def nodes_of(page: Page) -> list[int]:
    return [int(row.get_attribute("data-node")) for row in page.locator(".patterns tbody tr").all()]


@pytest.mark.both
def test_the_strongest_patterns_stand_first_and_all_on_demand(page: Page, address: str, large: dict) -> None:
    page.goto(address + path_of(large))
    ends = [path[-1]["id"] for path in strongest_paths(large["graph"])]
    expect(page.get_by_role("button", name="Show all patterns")).to_have_text(
        f"Show all patterns ({len(ends) - SHOWN} more)"
    )
    assert nodes_of(page) == ends[:SHOWN]
    drawn = {int(one.get_attribute("data-node")) for one in page.locator("svg.graph .node").all()}
    assert drawn == {node["id"] for path in strongest_paths(large["graph"])[:SHOWN] for node in path}
    page.get_by_role("button", name="Show all patterns").click()
    expect(page.locator(".patterns tbody tr")).to_have_count(len(ends))
    assert nodes_of(page) == ends
    assert page.locator("svg.graph .node").count() == len(large["graph"]["nodes"]) - 1
    last = page.locator(".patterns .pattern").last
    assert (
        last.inner_text().split() == " ".join(words for _, words in pattern_rows(large)[-1]["parts"]).split()
    )
    last.click()
    expect(page.locator(f"svg.graph .node.chosen[data-node='{ends[-1]}']")).to_have_count(1)


def test_the_saved_picture_is_the_one_that_is_seen(page: Page, address: str, large: dict) -> None:
    page.goto(address + path_of(large))
    page.get_by_role("button", name="Show all patterns").click()
    expect(page.locator("svg.graph .node")).to_have_count(len(large["graph"]["nodes"]) - 1)
    with page.expect_download() as download:
        page.get_by_role("link", name="SVG").click()
    assert download.value.path().read_text().count("data-node=") == len(large["graph"]["nodes"]) - 1


def test_what_is_right_on_test_documents_stands_beside_each_pattern(
    page: Page, address: str, records: dict[str, dict]
) -> None:
    record = records["L0.N1"]
    page.goto(address + path_of(record))
    for row, known in zip(
        page.locator(".patterns tbody tr").all(), pattern_rows(record)[:SHOWN], strict=True
    ):
        tested = record["tested"].get(str(known["node"]), {})
        right = [
            f"{hits}/{said}" if said else "–"
            for said, hits in (tested.get(name, [0, 0]) for name in ("top", "random"))
        ]
        assert row.locator("td").all_inner_texts()[-2:] == right


@pytest.mark.both
def test_a_pattern_its_node_and_the_address_are_chosen_together(
    page: Page, address: str, large: dict
) -> None:
    page.goto(address + path_of(large))
    row = page.locator(".patterns tbody tr").nth(1)
    node = row.get_attribute("data-node")
    row.locator(".pattern[role=button]").focus()  # once the script has made it one
    page.keyboard.press("Enter")
    chosen = page.locator(f"svg.graph .node.chosen[data-node='{node}']")
    expect(chosen).to_have_count(1)
    expect(page.locator(".patterns tr.chosen")).to_have_attribute("data-node", node)
    panel = page.get_by_role("region", name="Selected node")
    expect(panel).to_be_visible()
    expect(panel).to_be_in_viewport()
    expect(panel.locator("h3 .pattern")).to_have_text(row.locator(".pattern").inner_text())
    expect(row.locator(".pattern[aria-pressed=true]")).to_have_count(1)
    path = next(path for path in strongest_paths(large["graph"]) if path[-1]["id"] == int(node))
    within = page.locator("svg.graph .node.within")
    expect(within).to_have_count(len(path))
    assert set(within.evaluate_all("all => all.map((one) => Number(one.dataset.node))")) == {
        one["id"] for one in path
    }
    assert re.search(rf"[?&]node={node}\b", page.url)
    page.reload()
    expect(chosen).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator(".chosen")).to_have_count(0)
    expect(page.get_by_role("region", name="Selected node")).to_have_count(0)
    assert "node=" not in page.url


@pytest.mark.both
def test_a_token_of_a_text_chooses_its_pattern(page: Page, address: str, large: dict) -> None:
    page.goto(address + path_of(large))
    example, at = next(
        (index, at)
        for index, one in enumerate(large["examples"])
        if (one["set"], one["split"]) == ("top", "test")
        for at, node in enumerate(deciding(large, one))
        if node and abs(at - one["pivot"]) <= 10
    )
    shown = page.locator(f".evidence [data-example='{example}'] .tokens")
    shown.hover()
    expect(shown).to_have_attribute("data-first", str(large["examples"][example]["pivot"] - 10))
    token = shown.locator("b").nth(at - large["examples"][example]["pivot"] + 10)
    token.click()
    chosen = page.locator(".patterns tr.chosen")
    expect(chosen).to_have_count(1)
    node = chosen.get_attribute("data-node")
    expect(page.locator(f"svg.graph .node.chosen[data-node='{node}']")).to_have_count(1)
    expect(token).to_have_class(re.compile(r"\bvia\b"))
    assert re.search(rf"[?&]node={node}\b", page.url)
    page.keyboard.press("Escape")
    expect(page.locator(".via, .chosen")).to_have_count(0)


@pytest.mark.both
def test_the_address_chooses_a_pattern_that_is_not_shown_at_first(
    page: Page, address: str, large: dict
) -> None:
    last = pattern_rows(large)[-1]["node"]
    page.goto(f"{address}{path_of(large)}?node={last}")
    expect(page.locator(f".patterns tr.chosen[data-node='{last}']")).to_have_count(1)
    expect(page.locator(f"svg.graph .node.chosen[data-node='{last}']")).to_have_count(1)


def test_excerpts_stand_beside_the_patterns_that_decide_in_them(
    page: Page, address: str, records: dict[str, dict]
) -> None:
    record = records["L0.N0"]
    decided = {node for one in record["examples"] for node in deciding(record, one)}
    page.goto(address + path_of(record))
    seen = page.locator(".patterns tr[data-node]")
    expect(page.locator(".seen b").first).to_be_visible()
    for row in seen.all():
        texts = row.locator(".seen bdi").count()
        assert (texts > 0) == (int(row.get_attribute("data-node")) in decided), row.inner_text()
        assert texts <= 2


def test_a_page_asks_for_little(page: Page, address: str) -> None:
    """What is for typing comes when someone goes there, the tokenizer when someone types."""
    asked: list[str] = []
    page.on("request", lambda sent: asked.append(sent.url.removeprefix(address)))
    page.goto(f"{address}neurons/L0/N0/index.html")
    page.wait_for_load_state("networkidle")
    assert len(asked) <= 12, asked
    with page.expect_response("**/try.js"):
        page.get_by_label("Your text").focus()
    page.wait_for_load_state("networkidle")
    assert not [url for url in asked if "tokenizers.js" in url]
    page.keyboard.type("river")
    expect(page.locator(".try output").first).to_contain_text("predicted to fire")
    assert [url for url in asked if "tokenizers.js" in url]


@pytest.mark.both
def test_light_and_dark_are_switched_and_kept(page: Page, address: str) -> None:
    page.emulate_media(color_scheme="light")
    page.goto(f"{address}neurons/L0/N0/index.html")
    page.locator("dialog.keys").wait_for(state="attached")
    page.get_by_role("button", name="Light or dark").click()
    expect(page.locator("body")).to_have_attribute("data-md-color-scheme", "slate")
    for path in ("index.html", "about/method/index.html"):
        page.goto(address + path)
        expect(page.locator("body")).to_have_attribute("data-md-color-scheme", "slate")
    page.locator("dialog.keys").wait_for(state="attached")
    page.get_by_role("button", name="Light or dark").click()
    expect(page.locator("body")).to_have_attribute("data-md-color-scheme", "default")


def test_hits_and_misses_are_marked(page: Page, address: str, records: dict[str, dict]) -> None:
    """By the page itself and by its script alike."""
    record = records["L0.N0"]
    page.goto(address + path_of(record))
    page.locator(".further").scroll_into_view_if_needed()
    page.locator(".evidence button.more").click()
    expect(page.locator("[data-example]")).to_have_count(len(record["examples"]))
    firing, least = context(record, None)["firing"], record["graph"]["decision_threshold"]
    marks = page.locator("[data-example]").evaluate_all(
        "all => all.map((one) => [one.dataset.example, one.querySelector('.outcome')?.textContent ?? ''])"
    )
    expected = {}
    for index, example in enumerate(record["examples"]):
        fires = example["activations"][example["pivot"]] >= firing
        says = example["predictions"][example["pivot"]] >= least
        expected[str(index)] = "" if not fires and not says else "✓" if fires and says else "✗"
    assert dict(marks) == expected
    assert len(set(expected.values())) == 3


@pytest.mark.both
def test_arrow_keys_read_a_text_token_by_token(page: Page, address: str, records: dict[str, dict]) -> None:
    record = records["L0.N0"]
    page.goto(address + path_of(record))
    item = page.locator(".evidence [data-example]").first
    page.locator(".evidence .value").first.hover()
    item.locator(".tokens[data-first]").focus()
    page.keyboard.press("ArrowRight")
    example = record["examples"][int(item.get_attribute("data-example"))]
    at = example["pivot"] + 1
    readout = page.locator(".evidence .readout")
    expect(readout).to_contain_text("predicted")
    said = re.match(r"predicted (\S+), actual (\S+?)(:|$)", readout.inner_text())
    numbers = [float(one.replace("−", "-")) for one in said.groups()[:2]]
    assert numbers == pytest.approx([example["predictions"][at], example["activations"][at]], abs=0.01)
    expect(item.locator(".current")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator(".current")).to_have_count(0)
    expect(readout).to_be_empty()


@pytest.mark.both
def test_a_text_that_has_the_focus_says_what_is_at_its_pivot(
    page: Page, address: str, records: dict[str, dict]
) -> None:
    """And each part of the page says it beside its own texts."""
    record = records["L0.N0"]
    page.goto(address + path_of(record))
    for part in (".evidence", ".further"):
        item = page.locator(f"{part} [data-example]").first
        page.locator(part).scroll_into_view_if_needed()
        item.locator(".value").hover()
        item.locator(".tokens[data-first]").wait_for()
        item.locator("a.value").focus()
        page.keyboard.press("Tab")
        expect(item.locator(".current.pivot")).to_have_count(1)
        expect(page.locator(f"{part} .readout")).to_contain_text("predicted")
        expect(page.locator(f"{part} .readout")).to_be_in_viewport()


def test_on_a_phone_the_evidence_comes_before_what_can_be_tried(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"{address}neurons/L0/N0/index.html")
    picture, evidence, tried = (
        page.locator(one).bounding_box()["y"] for one in (".picture", ".evidence", ".try")
    )
    assert picture < evidence < tried
    for link in page.locator(".md-tabs a").all():
        expect(link).to_be_in_viewport()


@pytest.mark.both
def test_a_graph_is_one_stop_of_the_tab_key(page: Page, address: str) -> None:
    page.goto(f"{address}neurons/L0/N0/index.html")
    nodes = page.locator("svg.graph .node")
    expect(page.locator("svg.graph .node[tabindex='0']")).to_have_count(1)
    nodes.first.focus()
    page.keyboard.press("ArrowDown")
    expect(nodes.nth(1)).to_be_focused()
    expect(page.locator("svg.graph .node[tabindex='0']")).to_have_count(1)


@pytest.mark.both
def test_keys_lead_on(page: Page, address: str) -> None:
    page.goto(f"{address}neurons/L0/N1/index.html")
    page.locator("dialog.keys").wait_for(state="attached")
    page.keyboard.press("j")
    page.wait_for_url("**/neurons/L0/N2/index.html")
    page.locator("dialog.keys").wait_for(state="attached")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()
    page.keyboard.press("/")
    page.keyboard.type("jk?")
    expect(page.get_by_role("combobox", name="Search")).to_have_value("jk?")


@pytest.mark.both
def test_the_map_leads_to_a_neuron(page: Page, address: str) -> None:
    page.goto(f"{address}index.html")
    canvas = page.locator(".neuron-map canvas")
    expect(page.locator("html")).to_have_attribute("data-ready", "map")
    colours = canvas.evaluate(
        """one => {
            const { data } = one.getContext("2d").getImageData(0, 0, one.width, one.height);
            return new Set(new Uint32Array(data.buffer)).size;
        }"""
    )
    assert colours > 2, "neurons differ"
    canvas.focus()
    for key in ("ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    expect(page.locator(".neuron-map output")).to_contain_text("L1.N1: F1 ")
    page.get_by_label("Colour").select_option("density")
    page.keyboard.press("Tab")
    canvas.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/neurons/L1/N1/index.html")


def test_a_bound_that_is_no_number_is_named(page: Page, address: str) -> None:
    page.goto(f"{address}table/index.html")
    page.locator("tbody tr").first.wait_for()
    page.get_by_label("F1 to", exact=True).fill("0,9")
    expect(page.locator("form.filters output")).to_have_text(
        "“0,9” is not a number (write 0.9); 8 of 8 neurons"
    )


def test_the_stronger_side_is_named(records: dict[str, dict]) -> None:
    record = records["L0.N0"]
    statistics = record["statistics"] | {"lowest": -3.5, "highest": 3.0}
    for pole, sign in (("positive", 1), ("negative", -1)):
        about = context(record | {"statistics": statistics, "pole": pole}, None)["about"]
        assert about["weaker"]
        assert about["own"] == 3 * sign and about["other"] == -3.5 * sign
        assert about["ends"] == [-3.5, 3] if sign > 0 else about["ends"] == [-3, 3.5]
    statistics = record["statistics"] | {"lowest": -2.0, "highest": 3.0}
    assert not context(record | {"statistics": statistics}, None)["about"]["weaker"]


def test_the_legend_explains_what_is_drawn(
    records: dict[str, dict], page: Page, address: str, large: dict
) -> None:
    record = records["L0.N0"]
    nodes = [
        {"id": 0, "parent": None},
        {"id": 1, "parent": 0, "kind": "token", "tokens": [1], "weights": [1.0]},
    ]

    def drawn() -> dict[str, bool]:
        return context(record | {"graph": record["graph"] | {"nodes": nodes}}, None)["drawn"]

    assert drawn() == {}
    nodes += [{"id": 2, "parent": 1, "kind": "gap", "max": 3}, {"id": 3, "parent": 2, "kind": "start"}]
    assert drawn() == {"free": True, "start": True}
    end = {"activation": 9.0, "support": 1, "precision": 1.0}
    nodes += [nodes[1] | {"id": 4 + at, "end": end} for at in range(SHOWN + 1)]
    assert drawn() == {"free": False, "start": False}, "only with all patterns"

    known = context(large, None)["drawn"]
    page.goto(address + path_of(large))
    hidden = page.locator(".legend [hidden]")
    expect(hidden).to_have_count(sum(not first for first in known.values()))
    page.get_by_role("button", name="Show all patterns").click()
    expect(hidden).to_have_count(0)


def test_the_head_says_what_the_page_is_about(records: dict[str, dict], page: Page, address: str) -> None:
    page.goto(f"{address}neurons/L0/N0/index.html")
    said = page.locator("meta[name=description]").get_attribute("content")
    assert records["L0.N0"]["explanation"].startswith(said.removesuffix(" …"))
    assert page.locator("meta[property='og:title']").get_attribute("content") == "L0.N0"


@pytest.mark.both
def test_an_example_has_an_address(page: Page, address: str, records: dict[str, dict]) -> None:
    """One that the page holds, and one that its script adds."""
    record = records["L0.N0"]
    own = page.locator(".evidence a.value").first
    page.goto(address + path_of(record))
    own.click()
    assert page.url.endswith("#test-top-1")
    expect(page.locator("li:target[data-example]")).to_have_count(1)
    last = sum(one["set"] == "false-positive" and one["split"] == "test" for one in record["examples"])
    page.goto("about:blank")
    page.goto(f"{address}{path_of(record)}#test-false-positive-{last}")
    found = page.locator("li:target")
    expect(found).to_have_count(1)
    expect(found).to_be_in_viewport()
    example = record["examples"][int(found.get_attribute("data-example"))]
    assert example["set"] == "false-positive"


@pytest.mark.both
def test_more_examples_come_on_demand(page: Page, address: str, records: dict[str, dict]) -> None:
    """With the keyboard alone, drawn as the others are, and without another request."""
    record = records["L0.N0"]
    page.goto(address + path_of(record))
    items = page.locator("#test-top li")
    expect(items).to_have_count(SHOWN)
    page.wait_for_load_state("networkidle")
    asked: list[str] = []
    page.on("request", lambda sent: asked.append(sent.url))
    button = page.get_by_role("button", name="Show 4 more")
    button.focus()
    page.keyboard.press("Enter")
    expect(items).to_have_count(12)
    expect(button).to_have_count(0)
    assert not asked
    added = items.nth(SHOWN)
    expect(added.locator("a.value")).to_be_focused()
    expect(added.locator("cite")).to_contain_text("random document")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowLeft")
    example = record["examples"][int(added.get_attribute("data-example"))]
    assert example["set"] == "firing"
    expect(page.locator(".evidence .readout")).to_contain_text("predicted")
    said = re.match(r"predicted (\S+), actual (\S+?)(:|$)", page.locator(".evidence .readout").inner_text())
    numbers = [float(one.replace("−", "-")) for one in said.groups()[:2]]
    at = example["pivot"] - 1
    assert numbers == pytest.approx([example["predictions"][at], example["activations"][at]], abs=0.01)
    expect(added.locator(".pivot")).to_have_count(1)


def test_the_address_of_an_example_that_is_not_shown_at_first(
    page: Page, address: str, records: dict[str, dict]
) -> None:
    page.goto(f"{address}{path_of(records['L0.N0'])}?node=1#test-top-12")
    found = page.locator("li:target")
    expect(found).to_have_attribute("id", "test-top-12")
    expect(found).to_be_in_viewport()
    expect(page.locator(".evidence button.more")).to_have_count(0)
    assert "node=1" in page.url


@pytest.mark.both
def test_a_frame_for_other_sites_can_be_copied(page: Page, address: str) -> None:
    page.goto(f"{address}neurons/L0/N1/index.html?node=1#test-top-1")
    page.get_by_role("button", name="Embed").click()
    code = page.get_by_label("HTML of a frame with this graph").input_value()
    page.evaluate("html => { document.body.innerHTML = html }", code)
    frame = page.frame_locator("iframe")
    expect(frame.locator("svg.graph")).to_be_visible()
    assert page.locator("iframe").get_attribute("src") == f"{address}neurons/L0/N1/index.html?embed=1"
    assert page.locator("iframe").get_attribute("title") == "L0.N1, Neurons of Fake-1M"
