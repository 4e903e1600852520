"""Typed text in the browser: the same token ids and the same predictions as in Python."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import fake_records
import pytest
from browsing import address, page  # noqa: F401
from playwright.sync_api import expect
from tokenizers import Tokenizer

from n2g.graphs.trie import NeuronGraph
from n2g.site.web_tokenizer import write

# ruff: noqa: F811
pytestmark = pytest.mark.browser

CHARACTERS = [
    *map(
        chr, [*range(0x00, 0x250), 0x300, 0x301, 0x627, 0x5D0, 0xE01, 0x661, 0x200B, 0x200D, 0x202E, 0x2028]
    ),
    *map(chr, [0x2160, 0x3000, 0x65E5, 0xAC00, 0xE000, 0xFEFF, 0xFE0F, 0x1F600, 0x1F3F3, 0x1D7D8, 0x10FFFF]),
]
SPECIAL = [
    "",
    " ",
    "   ",
    "\r\n\r\n",
    "don't I'LL",
    "x" * 3000,
    "<|endoftext|> a<|endoftext|>",
    "İstanbul ß ﬃ",
]
REAL = sorted(Path(__file__).parents[2].glob("resources/checkpoints/*/tokenizer.json"))


def strings(count: int) -> list[str]:
    """Strings of unusual characters, and of usual words."""
    random = Random(11)
    words = ["the", " river", " bank", "12", " 345", "\n", "  ", "é", "'s", " It", ".", "…"]
    usual = ["".join(random.choices(words, k=random.randint(1, 30))) for _ in range(count // 2)]
    unusual = [
        "".join(random.choices(CHARACTERS, k=random.randint(1, 40))) for _ in range(count - count // 2)
    ]
    return SPECIAL + usual + unusual


ENCODE = """async (texts) => {
    const { encode } = await import(new URL("js/tokenizer.js", location.href));
    return Promise.all(texts.map(encode));
}"""


@pytest.mark.both
def test_tokens_equal_python(page, address, tmp_path):
    known = fake_records.tokenizer(tmp_path / "tokenizer.json")
    texts = strings(1200)
    page.goto(address)
    expected = [found.ids for found in known.encode_batch(texts, add_special_tokens=False)]
    assert page.evaluate(ENCODE, texts) == expected


@pytest.mark.skipif(not REAL, reason="no model has been fetched")
def test_tokens_of_the_real_model_equal_python(page, address, tmp_path):
    known = Tokenizer.from_file(str(REAL[0]))
    known.encode_special_tokens = True
    texts = strings(1200)
    folder = tmp_path / "data"
    folder.mkdir()
    write(folder, REAL[0], 1, ["x"] * known.get_vocab_size())

    def serve(route):
        file = folder / route.request.url.partition("/data/")[2]
        route.fulfill(body=file.read_bytes(), content_type="application/octet-stream")

    page.route("**/data/tokenizer*", serve)
    page.route("**/data/tokenizer/*", serve)
    page.goto(address)
    expected = [[1, *found.ids] for found in known.encode_batch(texts, add_special_tokens=False)]
    assert page.evaluate(ENCODE, texts) == expected


@pytest.fixture(scope="module")
def graphs(tmp_path_factory):
    folders = fake_records.write(tmp_path_factory.mktemp("records"))
    records = [json.loads(path.read_text()) for folder in folders for path in folder.glob("*.json")]
    return {record["id"]: NeuronGraph.from_dict(record["graph"]) for record in records if record["graph"]}


@pytest.mark.both
def test_try_it(page, address, graphs, tmp_path):
    known = fake_records.tokenizer(tmp_path / "tokenizer.json")
    random = Random(2)
    for name in ("L0.N0", "L1.N1"):
        text = "".join(random.choices("!\"#$%&'()*+,-./0123456789:;<=>?@", k=60))
        page.goto(f"{address}neurons/{name.replace('.', '/')}/index.html")
        page.get_by_label("Your text").fill(text)
        expect(page.locator(".try b")).to_have_count(len(known.encode(text).ids))
        predicted = graphs[name].predict(known.encode(text).ids)
        titles = page.locator(".try b").evaluate_all("tokens => tokens.map((token) => token.title)")
        shown = [float(title.split()[1].rstrip(",").replace("−", "-")) for title in titles]
        assert shown == pytest.approx(predicted, rel=0.006)
        lit = page.locator(".graph .lit")
        assert (lit.count() > 0) == (max(predicted) > 0)
        assert "text=" in page.url


@pytest.mark.both
def test_firings_equal_python(page, address, graphs):
    random = Random(5)
    texts = [[random.randrange(32) for _ in range(random.randint(1, 30))] for _ in range(60)]
    expected = []
    names = [f"L{layer}.N{neuron}" for layer in range(2) for neuron in range(4)]
    for text in texts:
        found = set()
        for row, name in enumerate(names):
            if name in graphs:
                values = graphs[name].predict(text)
                found |= {
                    (row, at, value)
                    for at, value in enumerate(values)
                    if value > 0 and value >= graphs[name].decision_threshold
                }
        expected.append(sorted(found))
    script = """async (texts) => {
        const { firings } = await import(new URL("js/fires.js", location.href));
        const found = await Promise.all(texts.map((ids) => firings(ids, 0)));
        return found.map((list) => list.map(({ row, at, value }) => [row, at, value]));
    }"""
    page.goto(address)
    assert [sorted(map(tuple, found)) for found in page.evaluate(script, texts)] == expected
    assert any(expected)


@pytest.mark.both
def test_which_neurons_fire(page, address):
    page.goto(f"{address}fires/index.html")
    page.get_by_label("Text", exact=True).fill("!\"#$%&'()*+,-./0123456789:;<=>?")
    page.locator("table.firing tbody tr").first.wait_for()
    lines = page.locator("table.firing tbody tr")
    before = set(lines.locator("th").all_inner_texts())
    token = page.locator(".tokens b[class]").first
    token.click()
    expect(page.locator("output")).to_contain_text(f"predicted to fire on {token.inner_text()}")
    assert set(lines.locator("td:nth-child(2)").all_inner_texts()) == {token.inner_text()}
    assert set() != set(lines.locator("th").all_inner_texts()) <= before
