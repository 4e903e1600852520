"""What is asked of a chat model and what it answers, whichever model it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

Message = Mapping[str, str]  # role, content


class Refused(Exception):
    """A model does not answer a question, though it may answer others; the message says why."""


@dataclass(frozen=True)
class Request:
    """A question to a chat model.

    Attributes:
        messages: the conversation so far.
        limit: tokens of the answer, at most.
        lines: where numbers are wanted, the beginnings of the lines that end in them; log-probabilities are then
            asked for.
    """

    messages: tuple[Message, ...]
    limit: int
    lines: tuple[str, ...] = ()

    def digest(self, model: str) -> str:
        """SHA-256 of all that the answer of the named model depends on."""
        text = json.dumps({"model": model, **asdict(self)}, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class Piece:
    """A token of an answer, and what could have stood in its place: text -> log-probability (natural)."""

    text: str
    alternatives: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Reply:
    """An answer.

    Attributes:
        text: what the model says.
        ended: False where the answer was cut off at the limit.
        prompt_tokens, completion_tokens: as the endpoint counts them.
        pieces: the tokens of the text; empty where the model gives no log-probabilities.
    """

    text: str
    ended: bool
    prompt_tokens: int
    completion_tokens: int
    pieces: tuple[Piece, ...] = ()

    @property
    def said(self) -> str:
        """The end of the text, without what the model thought first; "" where it thought up to the limit.

        >>> Reply("<think>Rivers?</think>\\n\\nbank", True, 1, 1).said
        'bank'
        """
        _, ended, said = self.text.rpartition("</think>")
        return "" if not ended and said.lstrip().startswith("<think") else said.lstrip()

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Reply:
        """Read what `dataclasses.asdict` gives. Raises KeyError or TypeError where something is missing."""
        pieces = tuple(Piece(one["text"], one["alternatives"]) for one in given["pieces"])
        fields: dict[str, Any] = {**given, "pieces": pieces}
        return cls(**fields)


def without_system(messages: Sequence[Message]) -> list[Message]:
    """The same conversation for models that know no system role: what it says begins the first turn of the user."""
    system, *turns = messages
    if system["role"] != "system" or not turns:
        return list(messages)
    return [{"role": "user", "content": f"{system['content']}\n\n{turns[0]['content']}"}, *turns[1:]]


class Model(Protocol):
    """A chat model: an endpoint, a local model, or one whose answers are kept. It may raise Refused."""

    name: str

    def answer(self, request: Request) -> Reply: ...
