"""Rules in the browser: lines are read and matched as in Python."""

from __future__ import annotations

from random import Random

import fake_records
import pytest
from browsing import address, page  # noqa: F401
from playwright.sync_api import expect

from n2g.errors import InputError
from n2g.graphs.rule_grammar import Spelling, parse

# ruff: noqa: F811
pytestmark = pytest.mark.browser

WORDS = [
    " Black",
    " Red",
    "Sea",
    " Sea",
    " Kath",
    "mand",
    ",",
    " (",
    "x",
    "é",
    "\u202e",
    "\n",
    " 3",
    "𝟘a",
    '"',
]
PARSE = """async (lines) => {
    const { parse } = await import(new URL("js/rule.js", location.href));
    return lines.map((line) => { try { return parse(line); } catch { return null; } });
}"""
MATCHES = """async ([cases, words]) => {
    const { matches } = await import(new URL("js/rule.js", location.href));
    return cases.map(([line, tokens]) => matches(line, tokens, words, null));
}"""
PARTS = [
    *"|;…∗*^ #-\\\n\"'.",
    "...",
    "…4",
    "#7",
    "Sea",
    "-mand",
    "é",
    "\u00a0",
    "\ufeff",
    "\x85",
    '"\\n"',
    '"\\u{202E}"',
    "𝟘",
]


def lines(count: int) -> list[str]:
    random = Random(3)
    return ["".join(random.choices(PARTS, k=random.randint(0, 9))) for _ in range(count)]


def parsed(line: str) -> list | None:
    try:
        return parse(line)
    except InputError:
        return None


def test_lines_are_read_as_in_python(page, address):
    page.goto(address)
    drawn = [
        *lines(3000),
        "Black|Red|Green … Sea; Kath-mand|-entric",
        '" (" "\\"" ∗ x',
        '"\\u{D800}"',
        '"\\u{110000}"',
    ]
    expected = [parsed(line) for line in drawn]
    assert sum(one is not None for one in expected) > 500
    assert page.evaluate(PARSE, drawn) == expected


def test_rules_match_as_in_python(page, address):
    page.goto(address)
    spelling, random = Spelling(WORDS), Random(4)
    rules = [
        "Black|Red …2 Sea",
        "Kath-mand",
        "^ Sea|-Sea",
        '"," ∗',
        "∗",
        'Kath-mand|Red … "\\n"',
        '-x; #9|#10; "\\""',
        "^ ∗ ∗ Sea",
    ]
    cases = [
        (random.choice(rules), random.choices(range(len(WORDS)), k=random.randint(0, 9))) for _ in range(400)
    ]
    expected = [spelling.read(line).matches(tokens) for line, tokens in cases]
    assert any(map(any, expected))
    assert page.evaluate(MATCHES, [cases, {str(token): text for token, text in enumerate(WORDS)}]) == expected


def test_a_rule_is_run_on_typed_text(page, address, tmp_path):
    colon = fake_records.tokenizer(tmp_path / "tokenizer.json").encode(":").ids[0]
    page.goto(f"{address}neurons/L0/N0/index.html?text=:!:")
    line = page.get_by_label("Rule")
    line.fill("Sea|…")
    expect(page.locator("output.rule")).to_contain_text("Wrong at character")
    assert page.locator(".tokens .ruled").count() == 0
    line.fill(f"#{colon}")
    expect(page.locator("output.rule")).to_have_text("The rule matches 2 tokens")
    assert page.locator(".tokens .ruled").count() == 2
    assert "rule=" in page.url
    page.reload()
    expect(page.locator("output.rule")).to_have_text("The rule matches 2 tokens")
