"""The prompts. Any change here invalidates all cached answers."""

from __future__ import annotations

from collections.abc import Sequence

from n2g.explain.chat import Message
from n2g.graphs.token_display import plain

# Texts as (token, level) pairs; a level is a whole number from 0 to 10.
Rated = Sequence[tuple[str, int]]

_EXPLAIN = """\
You explain neurons of a language model. A neuron reads a text token by token and has an activation from 0 to 10 on \
each token, which depends on that token and on those before it. You see texts in which every token with an \
activation is marked: [[token]](activation). Say in one short line which tokens, in which context, activate the \
neuron. Answer with that line and nothing else."""

_SIMULATE = """\
You predict the activation of a neuron of a language model from an explanation of what activates it. For every token \
of a text, predict a whole number from 0 (no activation; most tokens) to 10 (strongest). The activation depends on \
the token and on those before it. Each line of the text holds a number, a tab and a token. Repeat every line, and \
add a tab and the activation."""

_TEST = """\
You test explanations of neurons of a language model. Given what activates a neuron, write short sentences that \
would show if that is wrong: first three that should activate it, each of another kind, then three that are similar \
but should not. Write one sentence a line and nothing else."""

_EXAMPLE_TEXTS: tuple[Rated, ...] = (
    (("She", 0), (" sat", 0), (" by", 0), (" the", 0), (" river", 0), (" bank", 10), (".", 0)),
    ((" a", 0), (" muddy", 0), (" lake", 0), (" shore", 7), (" at", 0), (" dusk", 0)),
    ((" money", 0), (" in", 0), (" the", 0), (" bank", 0), (" account", 0)),
)
_EXAMPLE_LABEL = '"bank" and "shore" at the edge of water'


def explain(texts: Sequence[Rated]) -> list[Message]:
    """Ask for a label for what activates a neuron in some texts."""
    return [
        _system(_EXPLAIN),
        _user(_marked(_EXAMPLE_TEXTS)),
        _assistant(_EXAMPLE_LABEL),
        _user(_marked(texts)),
    ]


def ask_again(asked: Sequence[Message], answer: str, fault: str) -> list[Message]:
    """Ask once more after an answer that is no label; `fault` goes on after "your answer"."""
    request = (
        f"Your answer {fault}. Answer with one line of at most 25 words that says what activates the neuron."
    )
    return [*asked, _assistant(answer), _user(request)]


def simulate(label: str, tokens: Sequence[str]) -> tuple[list[Message], tuple[str, ...]]:
    """Ask for an activation for each token. Also gives the beginnings of the lines that the answer should have."""
    words = [word for word, _ in _EXAMPLE_TEXTS[0]]
    answer = (f"{line}{level}" for line, (_, level) in zip(_lines(words), _EXAMPLE_TEXTS[0], strict=True))
    messages = [
        _system(_SIMULATE),
        _user(_simulated(_EXAMPLE_LABEL, words)),
        _assistant("\n".join(answer)),
        _user(_simulated(label, tokens)),
    ]
    return messages, tuple(_lines(tokens))


def test(label: str) -> list[Message]:
    """Ask for sentences that put a label to the test."""
    return [_system(_TEST), _user(f"What activates the neuron: {label}")]


def revise(texts: Sequence[Rated], label: str, tested: Sequence[Rated]) -> list[Message]:
    """Ask for a better label, given what the neuron did in sentences that were made to test this one."""
    happened = (
        f"I tested this on new texts, with these activations:\n{_marked(tested)}\n"
        "Give a better explanation, which is right for these texts and for those before. Answer with one short line "
        "and nothing else."
    )
    return [*explain(texts), _assistant(label), _user(happened)]


def _system(text: str) -> Message:
    return {"role": "system", "content": text}


def _user(text: str) -> Message:
    return {"role": "user", "content": text}


def _assistant(text: str) -> Message:
    return {"role": "assistant", "content": text}


def _marked(texts: Sequence[Rated]) -> str:
    """Numbered texts with marked tokens, and below each those tokens again."""
    parts = []
    for number, text in enumerate(texts, 1):
        shown = "".join(f"[[{plain(word)}]]({level})" if level else plain(word) for word, level in text)
        found = ", ".join(f"{plain(word).strip()} {level}" for word, level in text if level)
        parts.append(f"Text {number}: {shown.strip()}\nActivated by: {found or 'nothing'}")
    return "\n".join(parts)


def _simulated(label: str, tokens: Sequence[str]) -> str:
    text = "\n".join(line.rstrip("\t") for line in _lines(tokens))
    return f"What activates the neuron: {label}\nText:\n{text}"


def _lines(tokens: Sequence[str]) -> list[str]:
    return [f"{number}\t{plain(token)}\t" for number, token in enumerate(tokens, 1)]
