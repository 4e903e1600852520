"""Answers cached on disk, so that nothing is asked twice, and the token account of each neuron."""

from __future__ import annotations

import json
import os
import tempfile
import threading
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from n2g.errors import InputError
from n2g.explain.chat import Model, Reply, Request

FEW = 3  # answers of nothing but thoughts, one after the other


class Kept:
    """A model whose answers are kept in a folder, one file an answer, named by the digest of the question.

    Threads and processes may share the folder. `asked` and `known` count the questions that went to the model and
    those that did not have to. An answer that says nothing is not kept, so that a later run asks again.

    key: of the configuration, which names the model.
    """

    def __init__(self, model: Model, folder: Path, key: str = "explain.model"):
        self.name, self.key = model.name, key
        self.asked = self.known = 0
        self._only_thought = 0
        self._model, self._folder = model, folder
        self._locks: dict[str, threading.Lock] = {}

    def __str__(self) -> str:
        return f"{self.name}: {self.asked} prompts sent, {self.known} answered from the cache"

    def answer(self, request: Request) -> Reply:
        """The kept answer, or else the model's, which is kept from now on.

        Raises:
            Refused: the model does not answer this question.
            InputError: the model cannot answer, or only thinks, or the answer cannot be written.
        """
        digest = request.digest(self.name)
        path = self._folder / digest[:2] / f"{digest}.json"
        with self._locks.setdefault(digest, threading.Lock()):
            with suppress(OSError, ValueError, KeyError, TypeError):  # not there, or damaged: asked again
                reply = Reply.from_dict(json.loads(path.read_text(encoding="utf-8"))["reply"])
                if reply.said:
                    self.known += 1
                    return reply
            reply = self._model.answer(request)
            self.asked += 1
            if not reply.said:
                self._check_thoughts(reply)
                return reply
            self._only_thought = 0
            content = {"model": self.name, "request": asdict(request), "reply": asdict(reply)}
            _write(path, json.dumps(content, indent=1))
            return reply

    def _check_thoughts(self, reply: Reply) -> None:
        """Raise InputError where a few answers in a row are used up by what the model thinks first."""
        self._only_thought += bool(reply.text) or not reply.ended
        if self._only_thought >= FEW:
            raise InputError(
                f"{self.key}: {self.name} spends its answers on reasoning and says nothing: turn that off, or name a "
                f"model in {self.key} that answers directly; other answers are kept."
            )


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all; others may write the same one at the same time."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            Path(temporary).replace(path)
        finally:
            Path(temporary).unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror}): free space or fix the permissions, then run again; "
            "answers so far are kept."
        ) from error


class BudgetSpent(Exception):
    """A neuron's answers have used up its tokens."""


class Account:
    """A model as one neuron uses it: counts tokens, kept answers included, and ends at the budget.

    As kept answers count, a repeated run ends at the same question. Once `ended` is set, nothing more is asked: another
    neuron has failed, and with it the block.
    """

    def __init__(self, budget: int | None, ended: threading.Event | None = None):
        self.budget, self._ended = budget, ended
        self.prompt_tokens = self.completion_tokens = 0

    def ask(self, model: Model, request: Request) -> Reply:
        """The model's answer. Raises BudgetSpent where earlier answers have used up the budget, CancelledError where
        nothing more is to be asked."""
        if self._ended and self._ended.is_set():
            raise CancelledError
        if self.budget is not None and self.prompt_tokens + self.completion_tokens >= self.budget:
            raise BudgetSpent
        reply = model.answer(request)
        self.prompt_tokens += reply.prompt_tokens
        self.completion_tokens += reply.completion_tokens
        return reply
