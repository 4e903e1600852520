"""A chat model behind an OpenAI-compatible endpoint."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from math import isfinite
from typing import Any

import openai

from n2g.errors import InputError, first_line
from n2g.explain.chat import Piece, Refused, Reply, Request, without_system
from n2g.texts.network import proxy_for
from n2g.texts.readers import as_text

TIMEOUT = 120.0  # seconds for one answer
RETRIES = 5  # with pauses that double from half a second, or as long as the endpoint says
PAUSE = 0.5  # seconds before the first, after an answer that is none
ALTERNATIVES = 20  # the most that the interface allows

# Not every endpoint takes every parameter, or a system message. These forms of a question are tried in turn, and what
# is taken is kept to: whether the system message is one of its own, and which parameters go along.
FORMS = tuple(
    (own, parameters) for own in (True, False) for parameters in ("log-probabilities", "plain", "bare")
)
# What any endpoint answers that is reached with the right key and model.
PROBE = Request(({"role": "user", "content": "Answer with the word yes."},), 16)


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
        proxy = proxy_for(base_url)
        way = f" (through the proxy in {proxy}, as NO_PROXY does not list its host)" if proxy else ""
        self._where, self._key, self._retries = f"{base_url}{way}", key, retries
        self._client = openai.OpenAI(
            base_url=base_url, api_key=key or "none", timeout=timeout, max_retries=retries
        )
        self._form = 0
        self._taken: set[tuple[int, bool]] = set()  # forms, without and with log-probabilities

    def answer(self, request: Request) -> Reply:
        """Ask the endpoint.

        Raises:
            Refused: it does not answer this question, but others.
            InputError: it cannot be reached, rejects every question, or answers with something else than a chat
                completion. The key is not in the sentence, even if the endpoint repeats it.
        """
        malformed = ""
        for attempt in range(self._retries + 1):
            if attempt:
                time.sleep(PAUSE * 2 ** (attempt - 1))
            try:
                return _reply(self._complete(request))
            except Refused:
                raise
            except (openai.APIConnectionError, openai.RateLimitError, openai.InternalServerError) as error:
                raise InputError(
                    f"explain.base_url: {self._where} does not respond ({self._said(error)}): fix this and run again; "
                    "its answers so far are kept."
                ) from None
            except openai.APIStatusError as error:
                if self._answers_others(error):
                    raise Refused(self._said(error)) from None
                raise InputError(
                    f"explain: {self._where} rejects requests ({self._said(error)}): check explain.base_url, "
                    "explain.model and the key in the variable named by explain.key."
                ) from None
            except Exception as error:  # whatever the client makes of what is no answer
                malformed = self._said(error)
        raise InputError(
            f"explain.base_url: {self._where} does not behave like an OpenAI-compatible endpoint ({malformed}): "
            "check the URL."
        )

    def _answers_others(self, error: openai.APIStatusError) -> bool:
        """Whether the question was rejected for what it says or how long it is, and not for the key or the model."""
        if isinstance(error, openai.AuthenticationError | openai.NotFoundError):
            return False
        with suppress(openai.OpenAIError):
            self._complete(PROBE)
            return True
        return False

    def _complete(self, request: Request) -> Any:
        form, rated = self._form, bool(request.lines)
        try:
            completion = self._create(self._client, request, form)
        except (openai.RateLimitError, openai.AuthenticationError, openai.NotFoundError):
            raise
        except openai.APIStatusError as error:
            # A form that was taken is not the reason. A template that refuses the system role is an error 500 to some,
            # which has been tried again by now.
            client = self._client.with_options(max_retries=0) if error.status_code >= 500 else self._client
            found = None if (form, rated) in self._taken else self._other_form(client, request, form)
            if found is None:
                raise
            form, completion = found
        self._form = max(self._form, form)  # another thread may be further
        if request is not PROBE:
            self._taken.add((form, rated))
        return completion

    def _other_form(self, client: openai.OpenAI, request: Request, form: int) -> tuple[int, Any] | None:
        """The first of the forms after this one in which the endpoint takes the question, and what it answers."""
        for other in range(form + 1, len(FORMS)):
            if self._parameters(request, other) != self._parameters(request, other - 1):
                try:
                    return other, self._create(client, request, other)
                except openai.RateLimitError:  # which says nothing about the form
                    raise
                except openai.APIStatusError:
                    continue
        return None

    def _create(self, client: openai.OpenAI, request: Request, form: int) -> Any:
        return client.chat.completions.create(**self._parameters(request, form))

    def _parameters(self, request: Request, form: int) -> dict[str, Any]:
        own, parameters = FORMS[form]
        messages = request.messages if own else without_system(request.messages)
        common = {"model": self.name, "messages": [dict(message) for message in messages]}
        if parameters == "bare":
            return {**common, "max_completion_tokens": request.limit}
        wanted = parameters == "log-probabilities" and bool(request.lines)
        extra = {"logprobs": True, "top_logprobs": ALTERNATIVES} if wanted else {}
        return {**common, "max_tokens": request.limit, "temperature": 0, **extra}

    def _said(self, error: Exception) -> str:
        """An error in a few words, on one line, without the key."""
        text = str(error) or type(error).__name__
        if isinstance(error, openai.APIConnectionError) and error.__cause__ is not None:
            text = f"{text.rstrip('.')}: {first_line(error.__cause__)}"  # which alone says what is wrong
            if "CERTIFICATE_VERIFY_FAILED" in text:
                text = "its certificate is not trusted: name the file of one that is in SSL_CERT_FILE"
        text = " ".join(text.split())
        return (text.replace(self._key, "***") if self._key else text)[:200].rstrip(".")


def _reply(completion: Any) -> Reply:
    """The parts of a chat completion. Only its text is needed; endpoints leave out much of the rest, or give null.

    Raises Refused where there is a reason in place of an answer, and any other error where it is no chat completion.
    """
    if not completion.choices:
        said = (getattr(completion, name, None) for name in ("error", "detail", "message"))
        raise ValueError(_reason(next(filter(None, said), "an answer without a choice")))
    choice = completion.choices[0]
    message, finish = choice.message, getattr(choice, "finish_reason", None)
    text = _text(message.content)
    if not text.strip():
        if refusal := getattr(message, "refusal", None):
            raise Refused(as_text(refusal) or "it says no more")
        if finish == "content_filter":
            raise Refused("its content filter withholds the answer")
        thought = getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None)
        text = f"<think>{thought}" if thought else ""
    usage = getattr(completion, "usage", None)
    counts = (_count(getattr(usage, name, None)) for name in ("prompt_tokens", "completion_tokens"))
    pieces: tuple[Piece, ...] = ()
    with suppress(LookupError, TypeError, AttributeError, ValueError):
        pieces = tuple(Piece(one.token, _alternatives(one)) for one in choice.logprobs.content)
    return Reply(text, finish not in ("length", "content_filter"), *counts, pieces)


def _reason(said: Any) -> str:
    """What an endpoint says that answers with an error in place of a completion, and status 200."""
    return str(said.get("message") or said) if isinstance(said, dict) else str(said)


def _count(value: Any) -> int:
    """A number of tokens; 0 where it is none."""
    with suppress(TypeError, ValueError, OverflowError):
        return int(value) if 0 <= int(value) < 2**31 else 0
    return 0


def _text(content: Any) -> str:
    """The content of a message, which some endpoints give in parts. Raises TypeError where it is no text."""
    if isinstance(content, list):
        content = "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    if not isinstance(content or "", str):
        raise TypeError("the answer is no text")
    return as_text(content or "") or ""


def _alternatives(token: Any) -> Mapping[str, float]:
    # Lone bytes of characters are all written as the same sign: the likeliest is kept.
    found = {other.token: float(other.logprob) for other in reversed(token.top_logprobs or ())}
    return {text: log for text, log in found.items() if isfinite(log)}
