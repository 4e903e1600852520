"""A chat model behind an OpenAI-compatible endpoint."""

from __future__ import annotations

import logging
import time
from typing import Any

import openai

from n2g.errors import InputError
from n2g.explain.chat import Piece, Reply, Request

TIMEOUT = 120.0  # seconds for one answer
RETRIES = 5  # with pauses that double from half a second, or as long as the endpoint says
PAUSE = 0.5  # seconds before the first, after an answer that is none
ALTERNATIVES = 20  # the most that the interface allows

# Not every endpoint takes every parameter: these are tried in turn, and what is taken is kept to.
FORMS = ("log-probabilities", "plain", "bare")


class Endpoint:
    """A model of an endpoint. Time-outs, broken connections, answers 408, 409, 429 and 5xx are tried again.

    Args:
        base_url: of the endpoint, for example http://localhost:8000/v1.
        name: of the model there.
        key: sent to the endpoint and written nowhere; "" where none is needed.
        timeout: seconds for one answer.
        retries: of one question.
    """

    def __init__(
        self, base_url: str, name: str, key: str = "", timeout: float = TIMEOUT, retries: int = RETRIES
    ):
        # The client's own log lines would stand between those of the progress bar.
        logging.getLogger("httpx2").setLevel(logging.WARNING)
        self.name = name
        self._url, self._key, self._retries = base_url, key, retries
        self._client = openai.OpenAI(
            base_url=base_url, api_key=key or "none", timeout=timeout, max_retries=retries
        )
        self._form = 0

    def answer(self, request: Request) -> Reply:
        """Ask the endpoint.

        Raises:
            InputError: it cannot be reached, refuses the question, or answers with something else than a chat
                completion. The key is not in the sentence, even if the endpoint repeats it.
        """
        malformed = ""
        for attempt in range(self._retries + 1):
            if attempt:
                time.sleep(PAUSE * 2 ** (attempt - 1))
            try:
                return _reply(self._complete(request))
            except (openai.APIConnectionError, openai.RateLimitError, openai.InternalServerError) as error:
                raise InputError(
                    f"explain.base_url: {self._url} does not respond ({self._said(error)}): fix this and run again; "
                    "its answers so far are kept."
                ) from None
            except openai.APIStatusError as error:
                raise InputError(
                    f"explain: {self._url} rejects requests ({self._said(error)}): check explain.base_url, "
                    "explain.model and the key in the variable named by explain.key."
                ) from None
            except (openai.OpenAIError, LookupError, TypeError, AttributeError, ValueError) as error:
                malformed = self._said(error)
        raise InputError(
            f"explain.base_url: {self._url} does not behave like an OpenAI-compatible endpoint ({malformed}): "
            "check the URL."
        )

    def _complete(self, request: Request) -> Any:
        while True:
            form = self._form
            try:
                return self._client.chat.completions.create(**self._parameters(request, FORMS[form]))
            except (openai.BadRequestError, openai.UnprocessableEntityError):
                # Another thread may have found the next form already.
                if form + 1 == len(FORMS):
                    raise
                self._form = max(self._form, form + 1)

    def _parameters(self, request: Request, form: str) -> dict[str, Any]:
        common = {"model": self.name, "messages": [dict(message) for message in request.messages]}
        if form == "bare":
            return {**common, "max_completion_tokens": request.limit}
        wanted = form == "log-probabilities" and bool(request.lines)
        extra = {"logprobs": True, "top_logprobs": ALTERNATIVES} if wanted else {}
        return {**common, "max_tokens": request.limit, "temperature": 0, **extra}

    def _said(self, error: Exception) -> str:
        """An error in a few words, on one line, without the key."""
        text = " ".join((str(error) or type(error).__name__).split())
        return (text.replace(self._key, "***") if self._key else text)[:200].rstrip(".")


def _reply(completion: Any) -> Reply:
    """The parts of a chat completion. Raises LookupError, TypeError, AttributeError or ValueError on anything else."""
    choice, usage = completion.choices[0], completion.usage
    text = choice.message.content or ""
    if not isinstance(text, str):
        raise TypeError("the answer is no text")
    tokens = (choice.logprobs and choice.logprobs.content) or ()
    # Lone bytes of characters are all written as the same sign: the likeliest is kept.
    pieces = tuple(
        Piece(one.token, {other.token: float(other.logprob) for other in reversed(one.top_logprobs)})
        for one in tokens
    )
    counts = (int(usage.prompt_tokens), int(usage.completion_tokens)) if usage else (0, 0)
    return Reply(text, choice.finish_reason != "length", *counts, pieces)
