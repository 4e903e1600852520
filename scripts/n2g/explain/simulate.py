"""Activations that a model expects from a label, token by token."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import exp

import numpy as np

from n2g.explain import prompts
from n2g.explain.cache import Account
from n2g.explain.chat import Model, Piece, Reply, Request

LEVELS = 10
ROOM = 16  # tokens of a line of an answer, at most

# A line begins with a whole number, that of the token, and ends in another number, the activation.
_LINE = re.compile(r"^\W*(\d+)\b.*?(?<![\d.])(\d+(?:\.\d+)?)\s*?$", re.MULTILINE)


def simulate(
    account: Account, model: Model, label: str, tokens: Sequence[str], maximum: float
) -> tuple[np.ndarray, int]:
    """Ask a model what a neuron would do.

    Args:
        account: of the neuron.
        model: the simulator.
        label: what activates the neuron.
        tokens: the text, as it is shown to the model.
        maximum: the activation that level 10 stands for.

    Returns:
        float64 [token], expected activations, 0 where the model gives none; and for how many tokens it gave one.

    Raises:
        BudgetSpent: the neuron's tokens are used up.
        Refused: the model does not answer this question.
        InputError: the model cannot answer.
    """
    request = question(label, tokens)
    found = ratings(account.ask(model, request), len(request.lines))
    values = np.zeros(len(request.lines))
    for at, level in found.items():
        values[at] = level * maximum / LEVELS
    return values, len(found)


def question(label: str, tokens: Sequence[str]) -> Request:
    """Asks for an activation for each token of a text."""
    messages, lines = prompts.simulate(label, tokens)
    return Request(tuple(messages), ROOM * (len(lines) + 1), lines)


def ratings(reply: Reply, count: int) -> dict[int, float]:
    """Index of a token -> its level, from 0 to 10: the expected value where there are log-probabilities, else the
    number in the text. Lines that hold no level are left out; of several lines for a token the first counts."""
    found: dict[int, float] = {}
    pieces = reply.pieces if "".join(piece.text for piece in reply.pieces) == reply.text else ()
    starts = np.cumsum([0, *(len(piece.text) for piece in pieces)])
    thought = len(reply.text) - len(reply.said)
    for line in _LINE.finditer(reply.said):
        at, level, place = int(line[1]) - 1, float(line[2]), thought + line.start(2)
        if 0 <= at < count and level <= LEVELS and at not in found:
            first = int(np.searchsorted(starts, place, side="right")) - 1
            known = bool(pieces) and not reply.text[starts[first] : place].strip()
            expected = expected_level(pieces[first : first + 2]) if known else None
            found[at] = level if expected is None else expected
    return found


def expected_level(pieces: Sequence[Piece]) -> float | None:
    """Expected value of the whole numbers from 0 to 10 that could stand in the place of a piece.

    Args:
        pieces: the piece with which a number begins, and the next: where "1" and "0" are tokens of their own, that
            says how much of the probability of "1" is that of "10".

    Returns:
        The mean, weighted by probability, or None where no alternative is such a number.

    >>> expected_level([Piece("3", {"3": -0.6931471805599453, "5": -0.6931471805599453})])
    4.0
    """
    weights: dict[int, float] = {}
    for text, log in pieces[0].alternatives.items():
        number = text.strip()
        if number.isascii() and number.isdigit() and int(number) <= LEVELS:
            weights[int(number)] = weights.get(int(number), 0.0) + exp(log)
    if pieces[0].text.strip() == "1" and 1 in weights and len(pieces) > 1:
        share = min(1.0, exp(pieces[1].alternatives["0"])) if "0" in pieces[1].alternatives else 0.0
        weights[10] = weights.get(10, 0.0) + share * weights[1]
        weights[1] *= 1 - share
    total = sum(weights.values())
    return sum(number * weight for number, weight in weights.items()) / total if total else None
