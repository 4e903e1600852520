"""Whether an answer is a label: one short line that says what the neuron fires on, and nothing else."""

from __future__ import annotations

import re
from dataclasses import replace

from n2g.explain.chat import Reply
from n2g.graphs.token_display import plain

LONGEST = 240  # characters

_HEAD = re.compile(r"^(?:explanation|answer|label)\s*:\s*", re.IGNORECASE)
_REASONING = re.compile(
    r"</?think|^(?:okay|ok|alright|hmm|sure|certainly|well|let'?s|let me|we need|we are|we have|i need|i should|"
    r"i will|i'll|the user|first,|to (?:find|determine|explain|answer)|looking at|based on|as an ai)\b",
    re.IGNORECASE,
)


_SENTENCE = re.compile(r".*?[.!?](?=\s|$)")


class BadLabel(ValueError):
    """An answer is no label; the message goes on after "your answer"."""


def label(reply: Reply) -> str:
    """The label in an answer, on one line, with nothing invisible in it.

    What a model thought before `</think>` is dropped, and so are quotation marks and a heading such as
    "Explanation:". Raises BadLabel where the rest is empty, cut off, longer than a line or than LONGEST
    characters, or a piece of reasoning.

    >>> label(Reply("<think>Rivers?</think>\\n\\n'bank' after 'river'", True, 1, 1))
    "'bank' after 'river'"
    """
    text = reply.said.strip().strip("`").strip()
    text = _HEAD.sub("", text)
    if len(text) > 1 and text[0] + text[-1] in ('""', "“”", "''") and text[0] not in text[1:-1]:
        text = text[1:-1].strip()
    if not any(map(str.isalpha, text)):
        raise BadLabel("says nothing")
    if not reply.ended:
        raise BadLabel("was too long and was cut off")
    if len(text.splitlines()) > 1:
        raise BadLabel("has more than one line")
    if len(text) > LONGEST:
        raise BadLabel(f"is longer than {LONGEST} characters")
    if _REASONING.search(text):
        raise BadLabel("reasons instead of answering")
    return plain(text)


def first_sentence(reply: Reply) -> str:
    """The first sentence of an answer that runs on, if that is a label. Raises BadLabel where it is none.

    >>> first_sentence(Reply('"near" in the text. The text is', False, 1, 1))
    '"near" in the text.'
    """
    found = _SENTENCE.match(reply.said.strip())
    return label(replace(reply, text=found[0], ended=True) if found else reply)
