"""The atlas of the default configuration, where it has been built: its own size and texts."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median

import pytest
import yaml
from browsing import page, served  # noqa: F401
from playwright.sync_api import expect
from test_quality import faults, large
from test_text_tools import ENCODE, strings

from n2g import load_atlas
from n2g.graphs.trie import NeuronGraph
from n2g.texts.corpus_files import load_documents

# ruff: noqa: F811
BASE = Path(__file__).parents[2]
RUN = BASE / "results" / yaml.safe_load((BASE / "config.yaml").read_text())["run"]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not (RUN / "atlas" / "index.html").is_file(), reason="no atlas has been built"),
]
PATHS = [
    "index.html",
    "layers/L3/index.html",
    "neurons/L3/N4/index.html",
    "table/index.html",
    "search/index.html?q=%20river",
    "search/index.html?q=the%20%E2%80%A6%20*",
    "search/index.html?q=the&in=tokens",
    "fires/index.html?text=The%20bank%20of%20the%20river",
    "compare/index.html?a=L0.N0&b=L1.N1",
    "repeats/index.html",
    "downloads/index.html",
]


@pytest.fixture(scope="module")
def address():
    with served(RUN) as root:
        yield f"{root}/atlas/"


@pytest.fixture(scope="module")
def texts():
    """Held-out texts, and texts of unusual characters."""
    atlas, documents = load_atlas(RUN), load_documents(RUN / "corpus")
    halves = [documents.ids(document)[begin:][:50] for document in documents.of("test") for begin in (1, 51)]
    held_out = ["".join(atlas.words[token] for token in ids) for ids in halves if len(ids)]
    return strings(200) + held_out[:1000]


@pytest.mark.parametrize("path", PATHS)
def test_pages_open_are_accessible_and_load_no_large_file(page, address, path):
    assert large(page, address + path) == {}
    assert faults(page) == {}


def test_typed_texts_become_the_same_tokens_as_in_python(page, address, texts):
    atlas = load_atlas(RUN)
    assert len(texts) > 1000
    page.goto(address)
    bos = json.loads((RUN / "corpus" / "corpus.json").read_text())["bos"]
    assert page.evaluate(ENCODE, texts) == [[bos, *atlas.tokenise(text)] for text in texts]


def test_the_same_neurons_fire_as_in_python(page, address, texts):
    atlas = load_atlas(RUN)
    ids = [atlas.tokenise(text)[:80] for text in texts]
    page.goto(address)
    found = page.evaluate(
        """async (texts) => {
            const { firings } = await import(new URL("js/fires.js", location.href));
            const found = [];
            for (const ids of texts) found.push(await firings(ids, 0));
            return found.map((list) => list.map(({ row, at, value }) => [row, at, value]));
        }""",
        ids,
    )
    some = 0
    for row, name in list(enumerate(atlas.names()))[::48]:
        graph = NeuronGraph.from_dict(atlas[str(name)].record["graph"])
        for tokens, firings in zip(ids, found, strict=True):
            expected = [
                (at, v)
                for at, v in enumerate(graph.predict(tokens))
                if v > 0 and v >= graph.decision_threshold
            ]
            assert sorted((at, value) for one, at, value in firings if one == row) == expected
            some += len(expected)
    assert some


def test_try_it_shows_what_the_graph_predicts(page, address):
    text = "Fire the photocopier on the bank of the river, please"
    atlas = load_atlas(RUN)
    page.goto(f"{address}neurons/L0/N0/index.html")
    page.get_by_label("Your text").fill(text)
    predicted = [token.predicted for token in atlas["L0.N0"].predict(text)]
    expect(page.locator(".try b")).to_have_count(len(predicted))
    titles = page.locator(".try b").evaluate_all("tokens => tokens.map((token) => token.title)")
    shown = [float(title.split()[1].rstrip(",").replace("−", "-")) for title in titles]
    assert shown == pytest.approx(predicted, rel=0.006, abs=1e-6)


def test_a_neuron_page_is_small():
    sizes = [path.stat().st_size for path in (RUN / "atlas" / "neurons").glob("*/*/index.html")]
    assert median(sizes) < 25_000


def test_every_record_has_a_page():
    records = [json.loads(path.read_text())["id"] for path in RUN.glob("[0-9]*/*/render/*.json")]
    assert records
    for name in records:
        assert (RUN / "atlas" / "neurons" / name.replace(".", "/") / "index.html").is_file()
