"""How tokens are shown: pictures, sentences and the scripts of the pages agree on every character."""

from __future__ import annotations

import sys

import pytest
from browsing import address, page  # noqa: F401
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from n2g.graphs.token_display import excerpt, plain, visible

# ruff: noqa: F811
pytestmark = pytest.mark.browser

SHOW = """async ([name, texts]) => {
    const display = await import(new URL("js/token_display.js", location.href));
    return texts.map((text) => display[name](text));
}"""
# All but lone surrogates, which no text in UTF-8 holds.
CHARACTERS = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]


def batched(characters, size):
    return (characters[at : at + size] for at in range(0, len(characters), size))


@pytest.fixture
def script(page, address):
    """A function of `token_display.js`, as one of a list of texts."""
    page.goto(address)
    return lambda name, texts: page.evaluate(SHOW, [name, texts])


def test_every_character_is_shown_as_in_python(script):
    """At the start of a token, on a letter and after a space."""
    texts = ["".join(f"{one}a{one} {one}\n" for one in part) for part in batched(CHARACTERS, 512)]
    texts += ["", *CHARACTERS[:0x3400:7]]
    assert script("visible", texts) == [visible(text) for text in texts]


def test_running_text_is_shown_as_in_python(script):
    texts = ["".join(f"{one}a{one} {one}\n" for one in part) for part in batched(CHARACTERS[:0x3400], 512)]
    texts += ["", *CHARACTERS[:0x3400:7]]
    assert script("plain", texts) == [plain(text) for text in texts]


def test_what_is_shown_of_a_token_finds_it_again(script):
    own = set("␣⏎⇥␍⍽␡◌∅") | {chr(code) for code in range(0x2400, 0x2420)}  # which stand for others
    texts = ["".join(one for one in part if one not in own) for part in batched(CHARACTERS, 512)]
    texts += [" the", "\u0301x", "\n\u0e34"]
    assert script("typed", [visible(text) for text in texts]) == texts


BYTES = ["<0xE6>", "<0xB0>", "<0xB4>", "<0xE6><0xB0>", "<0xB4><0xF0>", "<0x9F><0x98>", "<0x80>", "<0xED>"]
BYTES += ["<0xC3>", "<0xA9>x", "<0xA0>"]
MARKS = [" ", "\n", "\u0301", "\u0e34", "\ufe0f", "\u202e"]


def in_bytes(text):
    """A text in which each byte beyond ASCII is a token."""
    return [chr(byte) if byte < 128 else f"<0x{byte:02X}>" for byte in text.encode()]


pieces = st.one_of(st.text(max_size=4), st.sampled_from(BYTES), st.sampled_from(MARKS))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.lists(pieces, max_size=8) | st.text(max_size=4).map(in_bytes), min_size=1, max_size=20)
)
def test_excerpts_are_shown_as_in_python(texts, script):
    assert script("excerpt", texts) == [excerpt(text) for text in texts]
