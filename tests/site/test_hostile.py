"""Nothing from a text is ever run or trusted, and everything can be seen: a whole run on hostile and odd texts."""

from __future__ import annotations

import csv
import gzip
import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote

import hostile_run
import pytest
from browsing import page, served  # noqa: F401
from fake_records import HOSTILE
from hostile_run import COMBINING, FROM_THE_RIGHT, GREETING, HERE, NAMES
from playwright.sync_api import Page, expect
from tiny_run import RUN

from n2g.explain import prompts
from n2g.explain.excerpts import shown
from n2g.files.tables import read_table
from n2g.graphs.token_display import elide, excerpt, is_hidden, isolated, shortened, visible

# ruff: noqa: F811
pytestmark = pytest.mark.slow
BYTE = len(NAMES)  # the neuron of a byte
RIGHT = re.compile(r"[\u0590-\u06ff]")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hostile_run.make(tmp_path_factory.mktemp("hostile")) / RUN


@pytest.fixture(scope="module")
def address(run: Path) -> Iterator[str]:
    with served(run) as root:
        yield f"{root}/atlas/"


def record(run: Path, neuron: int) -> dict:
    (path,) = run.glob(f"0/*/render/L0.N{neuron}.json")
    return json.loads(path.read_text())


def unseen(text: str) -> set[str]:
    """Characters that nobody can see, but for those that lay out a text and isolate a token in a sentence."""
    return {character for character in text if is_hidden(character)} - set(" \n\u2068\u2069")


def test_the_neurons_fire_on_their_tokens_and_say_so(run: Path) -> None:
    for neuron, token in enumerate(NAMES):
        said = record(run, neuron)["explanation"]
        assert said.startswith(f"Fires on “{isolated(elide(visible(token)))}”"), ascii(token)
        assert not unseen(said)


def test_everything_can_be_seen_in_drawings(run: Path) -> None:
    drawings = sorted(run.glob("0/*/render/*.svg"))
    assert len(drawings) == len(NAMES) + 1
    for path in drawings:
        assert not unseen(path.read_text()), path.name
        assert not unseen(path.with_suffix(".dot").read_text().replace("\t", "")), path.name
        boxes = ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")
        assert all("".join(box.itertext()).strip() for box in boxes), path.name


@pytest.mark.both
@pytest.mark.browser
def test_no_page_runs_what_a_text_holds(page: Page, address: str, run: Path) -> None:
    for neuron in range(len(NAMES) + 1):
        page.goto(f"{address}neurons/L0/N{neuron}/index.html")
        known = record(run, neuron)
        stamped = excerpts(page)
        page.locator("#examples .value").first.hover()  # from here on the page's script writes the excerpts
        expect(page.locator("[data-example] .tokens[data-first]")).not_to_have_count(0)
        assert len(excerpts(page)) >= len(stamped) > 0
        for index, text in (stamped | excerpts(page)).items():
            example = known["examples"][int(index)]
            words = excerpt([known["vocabulary"][str(token)] for token in example["tokens"]])
            reach = 10 if example["set"] == "top" else 16
            around = slice(max(1, example["pivot"] - reach), example["pivot"] + reach + 1)
            assert text == "".join(shortened(word, 80) for word in words[around])
        assert stamped.items() <= excerpts(page).items()
        assert not unseen(page.locator("article").inner_text().replace("\t", ""))  # between cells
        page.locator("svg.graph .node").first.click()
        page.get_by_role("region", name="Selected node").wait_for()
        assert page.locator("article :is(script, img, iframe, style, object, embed)").count() == 0


def excerpts(page: Page) -> dict[str, str]:
    return dict(
        page.locator("[data-example]").evaluate_all(
            "all => all.map((one) => [one.dataset.example, one.querySelector('.tokens').textContent])"
        )
    )


@pytest.mark.browser
def test_a_token_is_found_as_it_is_shown(page: Page, address: str) -> None:
    for neuron, token in enumerate(NAMES[:-1]):
        page.goto(f"{address}search/index.html?in=tokens&match=exact&role=0&q={quote(visible(token))}")
        expect(page.locator(".hits a.hit").first).to_have_attribute("href", re.compile(f"/L0/N{neuron}/"))


@pytest.mark.both
@pytest.mark.browser
def test_a_character_of_several_byte_tokens_leads_to_their_cards(page: Page, address: str) -> None:
    page.goto(f"{address}search/index.html?q={quote('水')}")
    said = page.locator(".bytes")
    expect(said).to_contain_text("“水” is the bytes <0xE6> <0xB0> <0xB4> in UTF-8")
    said.get_by_role("link", name="<0xB4>", exact=True).click()
    expect(page.locator(".hits a.hit strong", has_text=f"L0.N{BYTE}")).to_be_visible()


@pytest.mark.browser
def test_typed_text_is_not_run(page: Page, address: str) -> None:
    page.goto(f"{address}fires/index.html")
    for text in [*HOSTILE[:9], hostile_run.HEBREW, hostile_run.CHINESE]:
        page.get_by_label("Text", exact=True).fill(text)
        page.locator(".tokens b").first.wait_for()
    expect(page.locator(".tokens")).to_contain_text("水")


@pytest.mark.browser
@pytest.mark.both
@pytest.mark.parametrize("token", FROM_THE_RIGHT)
def test_right_to_left_text_reads_in_its_own_direction(token: str, page: Page, address: str) -> None:
    page.goto(f"{address}neurons/L0/N{NAMES.index(token)}/index.html")
    page.locator("#examples .value").first.hover()
    expect(page.locator("[data-example] .tokens[data-first]")).not_to_have_count(0)
    lines = page.locator("[data-example] .tokens").evaluate_all(LINES)
    known = [[word for word in line if RIGHT.search(word["text"])] for line in lines]
    known = [words for words in known if len(words) > 3]
    assert len(known) > 2
    for before, after in (pair for words in known for pair in pairwise(words)):
        assert after["right"] <= before["left"] + 1, (before, after)
    begun = page.locator("[data-example] .tokens").evaluate_all(BEGUN)
    begun = [(direction, aligned) for text, direction, aligned in begun if RIGHT.match(text.strip())]
    assert begun
    assert {direction for direction, _ in begun} == {"rtl"}
    assert {aligned for _, aligned in begun} <= {"start", "right"}


@pytest.mark.browser
@pytest.mark.both
@pytest.mark.parametrize("token", COMBINING)
def test_letters_that_tokens_share_join(token: str, page: Page, address: str) -> None:
    """Each text in tokens is as wide as in one piece, and no mark has lost its letter."""
    page.goto(f"{address}neurons/L0/N{NAMES.index(token)}/index.html")
    page.locator("#examples .value").first.hover()
    expect(page.locator("[data-example] .tokens[data-first]")).not_to_have_count(0)
    lines = page.locator("[data-example] .tokens").evaluate_all(WIDTHS)
    words = {*GREETING.split(), *HERE.split()}
    lines = [line for line in lines if any(word in line["text"] for word in words)]
    assert lines
    for line in lines:
        assert line["tokens"] > 5 and "◌" not in line["text"]
        assert line["split"] == pytest.approx(line["whole"], abs=0.5), line["text"]


@pytest.mark.both
@pytest.mark.browser
def test_halves_of_a_word_join(page: Page, address: str) -> None:
    page.goto(f"{address}fires/index.html")
    page.get_by_label("Text", exact=True).fill("السلام")
    expect(page.locator(".tokens b")).to_have_count(2)
    whole = page.locator(".tokens").evaluate(
        """text => {
            const widths = [text.getBoundingClientRect, text].map(() => {
                const range = document.createRange();
                range.selectNodeContents(text);
                const width = range.getBoundingClientRect().width;
                text.textContent = text.textContent;
                return width;
            });
            return widths;
        }"""
    )
    assert whole[0] == pytest.approx(whole[1], abs=0.5)


@pytest.mark.both
@pytest.mark.browser
def test_overrides_of_direction_do_nothing(page: Page, address: str) -> None:
    page.goto(f"{address}neurons/L0/N{NAMES.index(HOSTILE[5])}/index.html")
    page.locator("#examples .value").first.hover()
    expect(page.locator("[data-example] .tokens[data-first]")).not_to_have_count(0)
    for line in page.locator("[data-example] .tokens").evaluate_all(LINES):
        if not any(RIGHT.search(token["text"]) for token in line):
            for before, after in pairwise(line):
                assert before["right"] <= after["left"] + 1, (before, after)


# Of every excerpt: its text, and how its paragraph is set.
BEGUN = """all => all.map((text) => {
    const { direction, textAlign } = getComputedStyle(text);
    return [text.textContent, direction, textAlign];
})"""
# Of every excerpt on one line: its width in tokens, and in one piece.
WIDTHS = """all => all.map((text) => {
    text.style.whiteSpace = "pre";
    const range = document.createRange();
    const width = () => {
        range.selectNodeContents(text);
        return range.getBoundingClientRect().width;
    };
    const found = { text: text.textContent, tokens: text.children.length, split: width() };
    text.textContent = found.text;
    return { ...found, whole: width() };
})"""
# Of every excerpt on one line: where each token stands.
LINES = """all => all.map((text) => {
    text.style.whiteSpace = "pre";
    return [...text.children].filter((token) => token.textContent.trim()).map((token) => {
        const { left, right, top } = token.getBoundingClientRect();
        return { left, right, top, text: token.textContent };
    });
})"""


def test_chinese_can_be_read_wherever_a_text_is_quoted(run: Path) -> None:
    known = record(run, BYTE)
    words = read_table(run / "corpus" / "vocabulary.parquet", "vocabulary")["text"].to_pylist()
    for example in (one for one in known["examples"] if one["set"] == "top" and max(one["activations"]) > 0):
        pivot = example["pivot"]
        assert excerpt([words[token] for token in example["tokens"]])[pivot - 2 : pivot + 1] == [
            "⁞",
            "⁞",
            "水",
        ]
    best = known["examples"][0]
    told = prompts.explain(
        [list(zip(shown(best["tokens"], words), map(int, best["activations"]), strict=True))]
    )
    assert "⁞⁞[[水]]" in told[-1]["content"]
    for path, quoted in (("openai/neurons/0", openai_tokens), ("neuronpedia/upload", neuronpedia_tokens)):
        texts = quoted(run / "export" / path)
        assert any(text[at - 2 : at + 1] == ["⁞", "⁞", "水"] for text in texts for at in range(len(text))), (
            path
        )


def openai_tokens(folder: Path) -> list[list[str]]:
    content = json.loads((folder / f"{BYTE}.json").read_text())
    return [one["tokens"] for one in content["most_positive_activation_records"]]


def neuronpedia_tokens(folder: Path) -> list[list[str]]:
    (path,) = folder.rglob("batch-*.json")
    return [one["tokens"] for one in json.loads(path.read_text())["features"][BYTE]["activations"]]


def test_downloads_can_be_read_and_hold_no_formula(run: Path) -> None:
    read = 0
    for path in [*(run / "export").rglob("*"), *(run / "atlas" / "data").rglob("*")]:
        if path.suffix == ".gz":
            content = gzip.decompress(path.read_bytes()).decode()
            read += len([json.loads(line) for line in content.split("\n") if line])
        elif path.suffix == ".jsonl":
            read += len([json.loads(line) for line in path.read_text().split("\n") if line])
        elif path.suffix == ".json":
            read += bool(json.loads(path.read_text()))
        elif path.suffix == ".graphml":
            read += bool(ElementTree.parse(path))
        elif path.suffix == ".csv":
            rows = list(csv.reader(path.open(newline="", encoding="utf-8")))
            assert len(rows) > len(NAMES) and {len(row) for row in rows} == {len(rows[0])}
            for cell in (cell for row in rows for cell in row):
                assert not cell.startswith(("=", "+", "-", "@", "\t", "\r")) or re.fullmatch(
                    r"-?[\d.e-]+", cell
                )
                assert not unseen(cell)
    assert read > 100


def test_titles_are_no_paths(run: Path) -> None:
    checkout = run.parents[1]
    titles = set(read_table(run / "corpus" / "documents.parquet", "documents")["title"].to_pylist())
    assert {"../../x", "/etc/passwd"} <= titles
    for path in checkout.rglob("*"):
        assert path.resolve().is_relative_to(checkout) and path.name not in ("x", "passwd"), path
    for path in [*(run / "export").rglob("*"), *(run / "atlas" / "data").rglob("*"), *run.glob("0/**/*")]:
        assert re.fullmatch(r"[\w.\- +]+", path.name), path
