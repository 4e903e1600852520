"""What is asked of a chat model and what it answers, whichever model it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

Message = Mapping[str, str]  # role, content


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

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Reply:
        """Read what `dataclasses.asdict` gives. Raises KeyError or TypeError where something is missing."""
        pieces = tuple(Piece(one["text"], one["alternatives"]) for one in given["pieces"])
        fields: dict[str, Any] = {**given, "pieces": pieces}
        return cls(**fields)


class Model(Protocol):
    """A chat model: an endpoint, a local model, or one whose answers are kept."""

    name: str

    def answer(self, request: Request) -> Reply: ...
