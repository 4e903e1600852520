"""What is asked about a prompt: its tokens, and the next token whose logit is traced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from n2g.errors import InputError

ATTRIBUTIONS = ("relevance", "gradient")  # see `n2g.trace.attribution.PROPAGATIONS`


@dataclass(frozen=True)
class Question:
    """A prompt's token ids, BOS first, and the tokens that may follow.

    target: None for the model's own prediction. against: the token whose logit is subtracted, or None.
    """

    tokens: tuple[int, ...]
    target: int | None
    against: int | None


def ask(
    encode: Callable[[str], Sequence[int]],
    bos: int,
    longest: int,
    prompt: str,
    target: str | None = None,
    against: str | None = None,
) -> Question:
    """Read a question.

    Args:
        encode: a text's token ids, without special tokens.
        bos: id of the BOS token.
        longest: tokens that the model takes, BOS included.
        prompt, target, against: as texts.

    Raises:
        InputError: the prompt is empty or too long, or a next token is not exactly one token.
    """
    tokens = encode(prompt)
    if not len(tokens):
        raise InputError("the prompt is empty: write the text whose next token is to be traced.")
    if len(tokens) >= longest:
        raise InputError(
            f"the prompt has {len(tokens)} tokens, and the model takes {longest - 1}: shorten it."
        )
    wanted, other = (
        None if text is None else _single(encode, name, text)
        for name, text in (("--target", target), ("--against", against))
    )
    if wanted is not None and wanted == other:
        raise InputError(f"--target and --against are both {target!r}: name two tokens.")
    return Question((bos, *tokens), wanted, other)


def _single(encode: Callable[[str], Sequence[int]], option: str, text: str) -> int:
    tokens = encode(text)
    if len(tokens) != 1:
        hint = " (most words begin with a space)" if text and not text.startswith(" ") else ""
        raise InputError(f"{option} {text!r} is {len(tokens)} tokens of the model: name exactly one{hint}.")
    return tokens[0]
