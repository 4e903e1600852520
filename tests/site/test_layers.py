"""The layers compared: what the plots draw is what the tables say, and old addresses lead to the new ones."""

from __future__ import annotations

import re

import pytest
from browsing import address, page  # noqa: F401
from playwright.sync_api import expect

from n2g.site.layer_comparison import layer_comparison
from n2g.site.line_plots import HEIGHT, Series, line_plot
from n2g.site.wording import ratio

# ruff: noqa: F811
LAYERS = [0, 2, 5]
F1 = {"graph": [0.9, 0.6, 0.3], "texts_only": [0.8, 0.6, None], "token_lookup": [0.5, 0.4, 0.1]}
F1 |= {"ngram": [0.4, 0.45, 0.2], "paper": [0.3, 0.3, 0.1]}


def summary() -> dict:
    """A run's scores on top documents, and of the windows in its shallowest layer."""
    layers = {
        str(layer): {
            "top": {name: {"f1": values[at]} for name, values in F1.items() if values[at] is not None}
        }
        for at, layer in enumerate(LAYERS)
    }
    interval = {"f1": 0.9, "f1_low": 0.85, "f1_high": 0.95}
    layers["0"]["windows"] = {"graph": interval, "window_1": {"f1": 0.5}, "window_4": {"f1": 1.0}}
    sizes = {"0": {"atlas": {"nodes": 12.0, "patterns": 6}, "paper": {"nodes": 8.0, "patterns": 4}}}
    return {"layers": layers, "graph_size": sizes}


def rows(*densities: float) -> list[dict]:
    return [{"layer": layer, "density": one} for layer in LAYERS for one in densities]


def plots(*densities: float) -> dict[str, dict]:
    return {one["key"]: one for one in layer_comparison(summary(), LAYERS, rows(*densities))}


def test_each_plot_has_its_lines_and_their_numbers():
    found = plots(0.1, 0.3)
    assert list(found) == ["top", "windows", "density", "size"]
    assert [line["key"] for line in found["top"]["lines"]] == ["ours", "texts_only", "baseline", "paper"]
    assert [line["key"] for line in found["windows"]["lines"]] == ["ours", "window_1", "window_4"]
    table = dict(found["top"]["table"])
    assert [text for text, _ in table[0]] == ["0.90", "0.80", "0.50", "0.30"]
    assert table[0][2][1] == "Token lookup" and table[2][2] == ("0.45", "N-grams")
    assert table[5][1] == ("–", "")
    assert dict(found["windows"]["table"])[0][0] == ("0.90", "0.85–0.95")
    assert dict(found["size"]["table"])[0] == [("12", ""), ("6", ""), ("8", "")]
    assert dict(found["density"]["table"])[2] == [("0.2", "0.15–0.25")]


def test_rare_activations_have_a_logarithmic_axis():
    common, rare = plots(0.1, 0.3)["density"], plots(0.0, 0.001, 0.01)["density"]
    assert "logarithmic" not in common["note"] and "logarithmic" in rare["note"]
    (_, middle), *_ = [dot for line in rare["lines"] for dot in line["dots"]]
    assert middle == pytest.approx(0.75 * HEIGHT)  # a thousandth between a ten-thousandth and one


def test_a_line_is_broken_where_a_layer_has_no_value():
    series = Series("ours", "Graph", [1.0, None, 0.0, 0.5])
    plot = line_plot("top", "F1", "", [0, 1, 2, 3], [series], (0.0, 1.0), ratio)
    assert plot["lines"][0]["path"].count("M") == 2
    assert [y for _, y in plot["lines"][0]["dots"]] == [0.0, HEIGHT, HEIGHT / 2]


@pytest.mark.browser
def test_layers_are_compared(page, address):
    page.goto(f"{address}layers/index.html")
    section = page.locator("#top.line-plot")
    expect(section.locator("svg:not(.key) .line.ours circle")).to_have_count(2)
    section.get_by_text("Numbers").click()
    expect(section.locator("tbody tr")).to_have_count(2)
    expect(section.locator("tbody td").first).to_have_text(re.compile("0.60.*0.55–0.65"))
    section.get_by_role("link", name="1", exact=True).click()
    page.wait_for_url("**/layers/L1/index.html")


@pytest.mark.browser
def test_old_addresses_of_layers_lead_to_the_new_ones(page, address, browser):
    page.goto(f"{address}layers/1/index.html?sort=F1&down#top")
    page.wait_for_url("**/layers/L1/index.html?sort=F1&down=#top")
    assert page.get_by_role("heading", level=1).inner_text() == "Layer 1"
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(f"{address}layers/1/index.html")
    plain.wait_for_url("**/layers/L1/index.html")
    context.close()
