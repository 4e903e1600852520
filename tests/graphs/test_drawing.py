"""Pictures and sentences of graphs: complete, well-formed and safe whatever the tokens hold."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from random import Random

import fake_records
import pytest

from n2g.graphs.colours import LEVELS, level
from n2g.graphs.drawing import activations, inline, layout, to_dot, to_svg
from n2g.graphs.pattern_paths import only, strongest_paths
from n2g.graphs.sentence import explain
from n2g.graphs.token_display import elide, visible, width

SVG = "{http://www.w3.org/2000/svg}"


def draw(graph: dict, texts: dict[int, str], name: str = "L0.N0") -> str:
    dot = to_dot(graph, texts, name)
    return to_svg(graph, texts, layout({name: dot})[name], name, explain(graph, texts))


@pytest.fixture(scope="module")
def hostile() -> tuple[dict, str]:
    graph = fake_records.graph(Random(3), fake_records.TEXTS, size=60)
    return graph, draw(graph, fake_records.TEXTS)


def test_every_node_is_drawn_once(hostile):
    graph, svg = hostile
    drawn = [node.get("data-node") for node in ElementTree.fromstring(svg).iter(f"{SVG}g")]
    assert sorted(map(int, drawn)) == [node["id"] for node in graph["nodes"][1:]]


def test_every_edge_is_drawn(hostile):
    graph, svg = hostile
    inner = [node for node in graph["nodes"] if node["parent"]]
    assert len(ElementTree.fromstring(svg).findall(f"{SVG}path")) == len(inner)


def test_hostile_tokens_stay_text(hostile):
    root = ElementTree.fromstring(hostile[1])
    names = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert names <= {"svg", "title", "desc", "style", "marker", "path", "g", "rect", "text", "tspan"}
    assert not any(name.startswith("on") for element in root.iter() for name in element.attrib)


def test_activating_tokens_stand_at_the_right():
    end = {"activation": 1.0, "support": 1, "precision": None}
    nodes = [
        {"id": 0, "parent": None},
        {"id": 1, "parent": 0, "kind": "token", "tokens": [1], "weights": [1.0], "importance": 1.0},
        {"id": 2, "parent": 1, "kind": "wildcard", "importance": 0.0},
        {
            "id": 3,
            "parent": 2,
            "kind": "token",
            "tokens": [2],
            "weights": [1.0],
            "importance": 0.5,
            "end": end,
        },
        {
            "id": 4,
            "parent": 0,
            "kind": "token",
            "tokens": [3],
            "weights": [1.0],
            "importance": 1.0,
            "end": end,
        },
    ]
    graph = {"decision_threshold": 0.5, "scale": 2.0, "nodes": nodes}
    root = ElementTree.fromstring(draw(graph, {1: " bank", 2: " the", 3: "x"}))
    groups = {group.get("data-node"): group for group in root.iter(f"{SVG}g")}
    texts = {node: group.find(f"{SVG}text") for node, group in groups.items()}
    across = {node: float(text.get("x")) for node, text in texts.items()}
    down = {node: float(text.get("y")) for node, text in texts.items()}
    assert across["3"] < across["2"] < across["1"]
    assert across["1"] == across["4"]
    assert down["1"] < down["4"]
    assert "active" in groups["1"].get("class").split()
    assert "end" in groups["3"].get("class").split()
    assert texts["1"].text == "␣bank"


def test_batch_and_single_layouts_are_equal():
    graphs = {f"L0.N{seed}": fake_records.graph(Random(seed), fake_records.TEXTS) for seed in range(5)}
    dots = {name: to_dot(graph, fake_records.TEXTS, name) for name, graph in graphs.items()}
    assert layout(dots) == {name: layout({name: dot})[name] for name, dot in dots.items()}


def test_activations_reach_the_root():
    graph = fake_records.graph(Random(1), fake_records.TEXTS)
    ends = [node["end"]["activation"] for node in graph["nodes"] if "end" in node]
    assert activations(graph)[0] == max(ends)


def test_inline_picture_has_no_style(hostile):
    assert "<style>" in hostile[1]
    assert "<style>" not in inline(hostile[1])
    ElementTree.fromstring(inline(hostile[1]))


def test_graph_without_patterns():
    graph = {"decision_threshold": 0.0, "scale": 0.0, "nodes": [{"id": 0, "parent": None}]}
    ElementTree.fromstring(draw(graph, {}))
    assert explain(graph, {}) == ""


@pytest.mark.parametrize("text", [*fake_records.TEXTS.values(), "\ud800", ""])
def test_visible_text_can_be_printed_and_is_never_empty(text):
    shown = visible(text)
    assert shown.encode("utf-8")
    assert not any(ord(character) < 32 or character in "\u202e\u2028\u2029" for character in shown)
    assert width(elide(shown)) <= 20


def test_levels():
    assert [level(value, 2.0) for value in (-1.0, 0.0, 1.0, 2.0, 9.0, float("nan"))] == [0, 0, 4, 9, 9, 0]
    assert level(1.0, 0.0) == 0
    assert LEVELS == 9


def test_the_strongest_patterns_stand_first():
    end = {"activation": 1.0, "support": 1, "precision": None}
    nodes = [{"id": 0, "parent": None}]
    for number, share in enumerate((0.1, 0.6, 0.0, 0.3), start=1):
        one = {"kind": "token", "tokens": [number], "weights": [1.0], "end": end, "share": share}
        nodes.append({"id": number, "parent": 0, **one})
    nodes.append(
        {"id": 5, "parent": 3, "kind": "token", "tokens": [1], "weights": [1.0], "end": end, "share": 0.2}
    )
    graph = {"nodes": nodes, "scale": 1.0, "decision_threshold": 0.5}
    assert [path[-1]["id"] for path in strongest_paths(graph)] == [2, 4, 5, 1, 3]
    picture = ElementTree.fromstring(draw(graph, fake_records.TEXTS))
    heights = {
        int(group.get("data-node")): float(group.find("{*}rect").get("y"))
        for group in picture.iter("{http://www.w3.org/2000/svg}g")
    }
    assert sorted((1, 2, 3, 4), key=heights.__getitem__) == [2, 4, 3, 1], "3 leads to a share of 0.2"

    few = only(graph, strongest_paths(graph)[:3])
    assert [node["id"] for node in few["nodes"]] == [0, 2, 3, 4, 5]
    assert "end" not in few["nodes"][2], "3 itself is not among the three"


def test_sentence():
    end = {"activation": 1.0, "support": 1, "precision": None}
    nodes = [
        {"id": 0, "parent": None},
        {"id": 1, "parent": 0, "kind": "token", "tokens": [1], "weights": [1.0], "end": end},
        {"id": 2, "parent": 0, "kind": "class", "tokens": [2, 3], "weights": [0.5, 1.0]},
        {"id": 3, "parent": 2, "kind": "gap", "max": 4},
        {"id": 4, "parent": 3, "kind": "token", "tokens": [4], "weights": [1.0], "end": end},
        {"id": 5, "parent": 1, "kind": "start", "end": end},
    ]
    said = explain({"nodes": nodes, "scale": 1.0}, {1: " a", 2: " b", 3: "c", 4: " the"})
    assert said == (
        "Fires on “␣a” in any context; “c” or “␣b” after “␣the”, with up to 4 tokens between; "
        "and 1 more pattern."
    )

    nodes[1]["share"], nodes[4]["share"], nodes[5]["share"] = 0.004, 0.25, 0.5
    assert explain({"nodes": nodes, "scale": 1.0}, {1: " a", 2: " b", 3: "c", 4: " the"}) == (
        "Fires on “␣a” at the very start of a text (50% of the activation); "
        "“c” or “␣b” after “␣the”, with up to 4 tokens between (25%); and 1 more pattern."
    )

    for number in (6, 7):
        one = {"kind": "token", "tokens": [number - 5], "weights": [1.0], "end": end}
        nodes.append({"id": number, "parent": 2, **one})
    assert explain({"nodes": nodes, "scale": 1.0}, {1: " a", 2: " b", 3: "c", 4: " the"}).endswith(
        " between (25%); and 3 more patterns."
    )


def test_the_background_is_counted_and_faint():
    weak = {"activation": 0.5, "support": 0, "precision": 0.0}
    many = {
        "id": 2,
        "parent": 0,
        "kind": "class",
        "tokens": list(range(20)),
        "weights": [1.0] * 20,
        "end": weak,
    }
    graph = {"decision_threshold": 1.0, "scale": 2.0, "nodes": [{"id": 0, "parent": None}, FIRING, many]}
    words = {token: f"w{token}" for token in range(30)}
    dot = to_dot(graph, words, "g")
    svg = to_svg(graph, words, layout({"g": dot})["g"], "g", "")
    assert "20 tokens" in svg and "w25" in svg
    assert 'class="node background a0 end"' in svg
    lower = graph | {"decision_threshold": 0.4}
    assert "w0" in to_svg(lower, words, layout({"g": to_dot(lower, words, "g")})["g"], "g", "")


FIRING = {
    "id": 1,
    "parent": 0,
    "kind": "token",
    "tokens": [25],
    "weights": [1.0],
    "end": {"activation": 2.0, "support": 3, "precision": 1.0},
}
