"""Better labels: ask for sentences that put one to the test, run them through the neuron, ask again."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from n2g.explain import prompts
from n2g.explain.cache import Account
from n2g.explain.chat import Model, Reply, Request
from n2g.explain.excerpts import levels

SENTENCES = 6
LONGEST = 300  # characters of a sentence
_NUMBER = re.compile(r"^\W*(?:\d+\s*[.):]\s*)?")

# A sentence -> its tokens as they are shown, and the neuron's activation at each (float64 [token]).
Run = Callable[[str], tuple[Sequence[str], np.ndarray]]


def counter_examples(
    account: Account, model: Model, label: str, run: Run, maximum: float
) -> list[prompts.Rated]:
    """Sentences that the model makes up to test a label, with the neuron's levels; none where it makes up none.

    Raises:
        BudgetSpent: the neuron's tokens are used up.
        InputError: the model cannot answer.
    """
    reply = account.ask(model, Request(tuple(prompts.test(label)), 40 * SENTENCES))
    found: list[prompts.Rated] = []
    for sentence in sentences(reply):
        words, activations = run(sentence)
        found.append(tuple(zip(words, levels(activations, maximum), strict=True)))
    return found


def sentences(reply: Reply) -> list[str]:
    """The lines of an answer that may be sentences, without numbers and bullets before them.

    >>> sentences(Reply("1. A river bank.\\n\\n- No bank.\\n", True, 1, 1))
    ['A river bank.', 'No bank.']
    """
    lines = (_NUMBER.sub("", line).strip() for line in reply.said.splitlines())
    return [line for line in dict.fromkeys(lines) if any(map(str.isalpha, line)) and len(line) <= LONGEST][
        :SENTENCES
    ]
