"""The card as a browser decodes it, by the colours of its cells."""

from __future__ import annotations

import base64

import pytest
from playwright.sync_api import Browser

from n2g.site.card import HEIGHT, MARGIN, PALETTE, WIDTH, card

pytestmark = pytest.mark.browser
PIXELS = """async ([data, places]) => {
    const picture = new Image();
    picture.src = `data:image/png;base64,${data}`;
    await picture.decode();
    const pen = new OffscreenCanvas(picture.width, picture.height).getContext("2d");
    pen.drawImage(picture, 0, 0);
    const hex = (one) => one.toString(16).padStart(2, "0");
    const at = ([x, y]) => `#${[...pen.getImageData(x, y, 1, 1).data].slice(0, 3).map(hex).join("")}`;
    return [picture.width, picture.height, places.map(at)];
}"""


def seen(browser: Browser, data: bytes, places: list[tuple[int, int]]) -> list:
    page = browser.new_page()
    found = page.evaluate(PIXELS, [base64.b64encode(data).decode(), places])
    page.close()
    return found


def rows(*layers: list[float | None]) -> list[dict]:
    return [{"layer": layer, "f1": f1} for layer, cells in enumerate(layers) for f1 in cells]


def middle(layer: int, neuron: int, layers: int, neurons: int) -> tuple[int, int]:
    across, down = (WIDTH - 2 * MARGIN) / neurons, (HEIGHT - 2 * MARGIN) / layers
    return MARGIN + int((neuron + 0.5) * across), MARGIN + int((layer + 0.5) * down)


def test_each_neuron_has_the_colour_of_its_f1(browser: Browser) -> None:
    data = card(rows([0.05, 0.31, 1.0], [None, 0.999]))
    cells = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    places = [(0, 0), *(middle(*cell, layers=2, neurons=3) for cell in cells)]
    nothing, unknown, lowest, *levels = PALETTE
    colours = [nothing, lowest, levels[2], levels[8], unknown, levels[8], nothing]
    assert seen(browser, data, places) == [WIDTH, HEIGHT, colours]


def test_more_neurons_than_pixels(browser: Browser) -> None:
    data = card(rows([0.95] * 2000, [0.0] * 2000))
    places = [middle(0, 1000, 2, 2000), middle(1, 1000, 2, 2000)]
    assert seen(browser, data, places) == [WIDTH, HEIGHT, [PALETTE[-1], PALETTE[2]]]
    assert len(data) < 50_000
