"""What is asked about a prompt, and what is refused in one sentence."""

from __future__ import annotations

import pytest

from n2g.errors import InputError
from n2g.trace.question import Question, ask

WORDS = ["<s>", "The", " bank", " river", "s"]


def encode(text: str) -> list[int]:
    """The longest word first, from left to right; what is no word is left out."""
    found = []
    while text:
        word = next((one for one in sorted(WORDS, key=len, reverse=True) if text.startswith(one)), "")
        found += [WORDS.index(word)] * bool(word)
        text = text[len(word) or 1 :]
    return found


def asked(*texts: str | None, longest: int = 8) -> Question:
    return ask(encode, 0, longest, *texts)


def test_a_prompt_begins_with_bos() -> None:
    assert asked("The bank", " river", " bank") == Question((0, 1, 2), 3, 2)
    assert asked("The") == Question((0, 1), None, None)


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        (("",), "the prompt is empty: write the text whose next token is to be traced."),
        (("The" * 8,), "the prompt has 8 tokens, and the model takes 7: shorten it."),
        (("The", " rivers"), "--target ' rivers' is 2 tokens of the model: name exactly one."),
        (("The", ""), "--target '' is 0 tokens of the model: name exactly one."),
        (
            ("The", " river", "Thes"),
            "--against 'Thes' is 2 tokens of the model: name exactly one (most words begin with a space).",
        ),
        (("The", " river", " river"), "--target and --against are both ' river': name two tokens."),
    ],
)
def test_what_is_no_question_is_refused(texts: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(InputError) as error:
        asked(*texts)
    assert str(error.value) == sentence
