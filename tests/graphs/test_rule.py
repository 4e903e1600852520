"""Rules: the line that is printed is the rule that is read, and matches what it says."""

from __future__ import annotations

from itertools import product

import pytest
from fuzzing import anything, fuzz, refused_in_one_sentence
from hypothesis import given
from hypothesis import strategies as st

from n2g.errors import InputError
from n2g.graphs.elements import START, WILDCARD, gap, one_of
from n2g.graphs.patterns import ANY, GAP, matches
from n2g.graphs.patterns import START as START_CODE
from n2g.graphs.rule import Rule
from n2g.graphs.rule_grammar import FAR, Spelling, parse
from n2g.graphs.token_display import is_hidden

WORDS = [
    " Black",
    " Red",
    " Green",
    " Sea",
    " Kath",
    "mand",
    "entric",
    ",",
    " (",
    "x",
    "x",
    "\n",
    "-",
    " the-",
]
SPELLING = Spelling(WORDS)
IDS = {text: token for token, text in enumerate(WORDS)}
ODD = st.sampled_from(
    [
        *'|;…∗*^"\\-⏎3 \n\t\x00\u202e\u0301\u00a0',
        *(
            "",
            "  a",
            " |",
            " …4",
            "\\n",
            "#1",
            "--a",
            "a-b",
            " \u05d0",
            "a\u0301",
            "<0xE6>",
            " Sea",
            "Sea",
            "sea",
            " 3",
        ),
    ]
)
texts = st.lists(st.one_of(ODD, st.text(max_size=4)), min_size=1, max_size=12)


@st.composite
def spelled(draw: st.DrawFn) -> tuple[Spelling, Rule]:
    """A vocabulary, in which texts may stand twice, and a rule over it."""
    words = draw(texts)
    named = st.lists(st.integers(0, len(words) - 1), min_size=1, max_size=3).map(one_of)
    context = st.one_of(named, st.just(WILDCARD), st.integers(0, 40).map(gap))
    pattern = st.builds(
        lambda last, before, anchored: (last, *before, *([START] if anchored else [])),
        st.one_of(named, st.just(WILDCARD)),
        st.lists(context, max_size=3),
        st.booleans(),
    )
    return Spelling(words), Rule(tuple(draw(st.lists(pattern, max_size=4))))


@fuzz
@given(spelled())
def test_a_printed_rule_is_read_as_the_same_rule(drawn: tuple[Spelling, Rule]) -> None:
    spelling, rule = drawn
    line = spelling.write(rule)
    assert spelling.read(line) == rule
    assert spelling.write(spelling.read(line)) == line
    assert not any(is_hidden(character) and character != " " for character in line)


@fuzz
@given(anything)
def test_any_line_is_read_or_refused_in_one_sentence(line: str) -> None:
    with refused_in_one_sentence():
        SPELLING.read(line)


def test_ordinary_rules_read_like_text() -> None:
    black, sea = one_of([IDS[" Black"], IDS[" Red"], IDS[" Green"]]), one_of([IDS[" Sea"]])
    kath, mand = one_of([IDS[" Kath"]]), one_of([IDS["mand"]])
    rules = {
        "Black|Red|Green … Sea": ((sea, gap(FAR), black),),
        "Kath-mand|-entric; Black|Red|Green Sea": ((mand, kath), (one_of([IDS["entric"]]),), (sea, black)),
        '^ Sea; ∗ ","; Kath …4 #9; " (" "\\n"': (
            (sea, START),
            (one_of([IDS[","]]), WILDCARD),
            (one_of([9]), gap(4), kath),
            (one_of([IDS["\n"]]), one_of([IDS[" ("]])),
        ),
        "": (),
    }
    for line, patterns in rules.items():
        assert SPELLING.write(Rule(patterns)) == line
        assert SPELLING.read(line) == Rule(patterns)


def test_what_can_be_typed_instead() -> None:
    assert SPELLING.read("Black ... Sea;;* Sea\n;") == SPELLING.read("Black … Sea; ∗ Sea")
    assert SPELLING.read("Black | Red  …  Sea") == SPELLING.read("Black|Red … Sea")
    assert SPELLING.read("Kath-mand|Red … Sea") == SPELLING.read("Kath -mand … Sea; Red … Sea")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("Black|", "ends with a |"),
        ("|Black", "needs a word before it"),
        ("Black|…Sea", "character 7"),
        ("Black …", "name the one that fires"),
        ("^", "name the one that fires"),
        ("Black ^ Sea", "nothing can stand before it"),
        ('"Black', "not understood"),
        ('"\\q"', "is no character"),
        ("Black - Sea", "character 7"),
        ("Blacks", "not a token of this model"),
        ('"x"', "several tokens"),
        ("#99", "ids end at 13"),
        (
            "; ".join(["Kath-mand|Red … Kath-mand|Red … Kath-mand|Red … Kath-mand|Red … Sea"] * 63),
            "more than 1000",
        ),
    ],
)
def test_what_is_no_rule_is_refused_with_the_place(line: str, problem: str) -> None:
    with pytest.raises(InputError) as raised:
        SPELLING.read(line)
    assert problem in str(raised.value)


def test_the_line_matches_what_it_says() -> None:
    """Every short text over a few tokens, against a search written differently."""
    line = "^ Black; Kath-mand|-entric; Black|Red …2 Sea; Green ∗ Kath"
    rule = SPELLING.read(line)
    codes = [
        pattern
        for elements in rule.patterns
        for pattern in product(
            *(
                one.tokens or [{"wildcard": ANY, "start": START_CODE}.get(one.kind, GAP - one.max)]
                for one in elements
            )
        )
    ]
    for tokens in product(range(7), repeat=4):
        expected = [any(matches(code, tokens[: at + 1]) for code in codes) for at in range(4)]
        assert rule.matches(tokens) == expected


def test_parts_of_a_line() -> None:
    assert parse('Kath-mand|"a b" …4 #7') == [
        [{"words": [[" Kath", "mand"], ["a b"]]}, {"kind": "gap", "max": 4}, {"words": [[7]]}]
    ]
