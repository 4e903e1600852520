"""The report of a traced prediction, and its page: what they say, and that nothing in them is taken for markup."""

from __future__ import annotations

import base64
import hashlib
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from rewritable import token_graph

from n2g.graphs.drawing import layout, to_dot, to_svg
from n2g.ids import NeuronId
from n2g.trace.attribution import Attribution
from n2g.trace.neurons import strongest
from n2g.trace.page import page
from n2g.trace.question import Question
from n2g.trace.report import report, rows, summary

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HOSTILE = "</style><script>alert(1)</script>"
WORDS = ["<s>", HOSTILE, ' " onclick="x', "\u202e\n&amp;", " {{ 1 }}", " bank", "<img src=//evil.example>"]
PROMPT = (0, 1, 2, 3, 4, 5)
GRAPH = {**token_graph({1: 2.0, 5: 1.5}).to_dict(), "decision_threshold": 1.0}


def record(graph: dict | None) -> dict:
    known = {"status": "ok" if graph else "empty", "explanation": f"Fires on {HOSTILE}.", "graph": graph}
    return known | {"statistics": {"maximum": 2.0}, "provenance": {"settings": {}}}


def found() -> Attribution:
    """Neuron 0 of layer 0 has a graph that is right, neuron 1 one that is wrong, 2 none; L1.N3- is not in the run."""
    activations = np.zeros((2, len(PROMPT), 4), dtype=np.float32)
    slopes = np.ones_like(activations)
    activations[0, 5, 0], activations[0, 3, 1], activations[0, 2, 2] = 1.5, 1.2, 0.5
    activations[1, 5, 3] = -4
    return Attribution(6, 2.0, np.array([0, 0, 0, 0, 0, 1, 3.0]), activations, slopes, np.zeros(len(PROMPT)))


EFFECT = {"places": 3, "loss": -0.5, "promoted": [[1, 2.5], [5, 1.0]], "suppressed": [[4, -1.5]]}
KNOWN = {
    "L0.N0": record(GRAPH) | {"effects": {"firing": EFFECT}},
    "L0.N1": record(GRAPH),
    "L0.N2": record(None),
}


@pytest.fixture(scope="module")
def answer() -> dict:
    question = Question(PROMPT, 6, 5)
    return report(
        found(), question, "relevance", strongest(found(), 9), WORDS, lambda one: KNOWN.get(str(one))
    )


@pytest.fixture(scope="module")
def html(answer: dict) -> str:
    words = dict(enumerate(WORDS))
    places = layout({"L0.N0": to_dot(GRAPH, words, "L0.N0")})
    return page(answer, {"L0.N0": to_svg(GRAPH, words, places["L0.N0"], "L0.N0", HOSTILE), "L0.N1": ""})


def test_each_neuron_comes_with_its_share_and_what_its_graph_says(answer: dict) -> None:
    assert [one["neuron"] for one in answer["neurons"]] == ["L1.N3-", "L0.N0", "L0.N1", "L0.N2"]
    away, right, wrong, none = answer["neurons"]
    assert (away["relevance"], away["share"], away["status"], away["graph"]) == (-4, -2, None, None)
    assert away["command"] == "snakemake neuron --config neuron=L1.N3 'poles=[positive,negative]'"
    assert right["places"][0] == {
        "position": 5,
        "text": " bank",
        "activation": 1.5,
        "relevance": 1.5,
        "share": 0.75,
    }
    assert right["graph"] == {
        "maximum": 2,
        "fires": True,
        "predicted": 1.5,
        "predicts": True,
        "pattern": "␣bank",
        "explanation": f"Fires on {HOSTILE}.",
    }
    assert (wrong["graph"]["fires"], wrong["graph"]["predicts"], wrong["graph"]["pattern"]) == (
        True,
        False,
        None,
    )
    assert (none["status"], none["graph"], none["command"]) == ("empty", None, None)
    assert answer["layers"] == pytest.approx([3.2, -4])
    assert answer["target"]["logit"] == 3 and answer["against"]["text"] == " bank"
    assert answer["predicted"][0] == answer["target"]


def test_a_measured_effect_is_told_where_there_is_one(answer: dict, html: str) -> None:
    away, right, wrong, none = answer["neurons"]
    assert [one["effect"] for one in (away, wrong, none)] == [None] * 3
    assert (right["effect"]["places"], right["effect"]["loss"]) == (3, -0.5)
    assert right["effect"]["promoted"][1] == {"token": 5, "text": " bank", "change": 1.0}
    assert html.count("Measured at 3 held-out firings, it promotes &lt;/style") == 1
    assert "␣bank and suppresses ␣{{␣1␣}}." in html


def test_the_table_says_the_same(answer: dict) -> None:
    head, *lines = rows(answer)
    assert len(lines) == 4 and all(len(line) == len(head) for line in lines)
    assert lines[0][:3] == ("L1.N3-", "-200.0%", "-4.000") and "not in the run" in lines[0]
    assert lines[1][-3:] == (True, "fires", "␣bank")
    assert lines[2][-3:] == (True, "does not fire (wrong)", "")
    assert "\n" not in "".join(summary(answer)) and "difference, +2.000" in summary(answer)[0]


class Elements(HTMLParser):
    """Counts elements, and keeps every attribute."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += attrs


def test_nothing_of_a_hostile_prompt_is_markup(html: str) -> None:
    elements = Elements(html)
    assert not {"script", "img", "iframe", "link", "object"} & set(elements.names)
    assert elements.names.count("style") == 1
    assert not any(
        name.startswith("on") or name in ("src", "style", "srcset") for name, _ in elements.attributes
    )
    assert all(value.startswith("#") for name, value in elements.attributes if name == "href" and value)
    assert "&lt;/style&gt;&lt;script&gt;" in html and "{{ 1 }}" in html
    assert "\u202e" not in html


def test_the_policy_allows_the_style_of_the_page_and_nothing_else(html: str) -> None:
    style = html.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert (
        f"content=\"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'\""
        in html
    )
    assert "url(" not in style.replace("url(#arrow)", "") and "@import" not in style


@pytest.mark.browser
def test_a_browser_shows_the_page_without_a_complaint(browser: Browser, html: str, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(html, encoding="utf-8")
    context = browser.new_context(viewport={"width": 390, "height": 800})
    opened, said = context.new_page(), []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("dialog", lambda dialog: said.append(dialog.message))
    opened.goto((tmp_path / "page.html").as_uri())
    assert opened.locator("article").count() == 4
    assert "bank" in opened.locator("[id='L0.N0'] svg.graph").text_content()
    chosen = (
        "getComputedStyle(document.querySelector('.sentence span.a9, .sentence span.n9')).backgroundColor"
    )
    assert opened.evaluate(chosen) not in ("", "rgba(0, 0, 0, 0)")
    assert opened.evaluate("document.documentElement.scrollWidth") <= 390
    assert said == []
    context.close()


def test_a_neuron_of_the_positive_pole_needs_no_other_pole() -> None:
    from n2g.trace.report import command

    assert command(NeuronId(7, 3)) == "snakemake neuron --config neuron=L7.N3"
