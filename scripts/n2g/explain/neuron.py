"""One neuron: ask for a label, score it, revise it, keep the better."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from n2g.explain import prompts
from n2g.explain.cache import Account, BudgetSpent
from n2g.explain.chat import Message, Model, Refused, Request
from n2g.explain.excerpts import Evidence, Excerpt, levels
from n2g.explain.labels import BadLabel, first_sentence, label
from n2g.explain.revise import Run, counter_examples
from n2g.explain.score import Scores, score
from n2g.explain.simulate import simulate

LABEL_TOKENS = 120
TRIES = 3  # for an answer that is a label
NO_SCORES = Scores()


@dataclass(frozen=True)
class Models:
    """Who explains, and who simulates."""

    explainer: Model
    simulator: Model
    keys: str = "explain.model"  # of the configuration, which name them

    def __str__(self) -> str:
        distinct = dict.fromkeys((self.explainer, self.simulator))
        return "\n".join(map(str, distinct))


@dataclass(frozen=True)
class Explained:
    """The outcome for a neuron.

    Attributes:
        status: `ok`, `invalid` (no answer was a label), `budget` (its tokens were used up before the final score) or
            `unanswered` (a question was refused, or nothing was said).
        label: the explanation that scored best on validation documents, or "".
        prompt: digest of the question whose answer it is, or "".
        revised: whether it came from a revision.
        validation: its ev_correlation_score on validation documents.
        scores: on test documents.
        reason: why it is unanswered, to go within a sentence, or "".
    """

    status: str
    label: str = ""
    prompt: str = ""
    revised: bool = False
    validation: float = 0.0
    scores: Scores = NO_SCORES
    reason: str = ""


def explain_neuron(
    models: Models,
    account: Account,
    fitting: Evidence,
    tested: Sequence[Excerpt],
    show: Callable[[Sequence[int]], list[str]],
    run: Run | None,
) -> Explained:
    """Explain one neuron.

    Args:
        models: who is asked.
        account: of the neuron.
        fitting: training documents to explain, and validation documents to choose between labels by.
        tested: test documents, for the final score only.
        show: token ids -> their texts.
        run: runs sentences through the neuron, or None where typed text cannot become tokens; then nothing is
            revised.

    Raises:
        InputError: a model cannot answer.
    """

    def judge(text: str, excerpts: Sequence[Excerpt]) -> Scores:
        return score(
            excerpts,
            lambda one: simulate(account, models.simulator, text, show(one.tokens), fitting.maximum),
        )

    texts = [
        tuple(zip(show(one.tokens), levels(one.activations, fitting.maximum), strict=True))
        for one in fitting.shown
    ]
    best = Explained("budget")
    try:
        found = ask_label(models.explainer, account, prompts.explain(texts))
        if found is None:
            return Explained("invalid")
        best = Explained("budget", *found)
        best = Explained("budget", *found, validation=judge(best.label, fitting.held).ev_correlation)
        if run is not None:
            examples = counter_examples(account, models.explainer, best.label, run, fitting.maximum)
            better = (
                ask_label(models.explainer, account, prompts.revise(texts, best.label, examples))
                if examples
                else None
            )
            if better and better[0] != best.label:
                value = judge(better[0], fitting.held).ev_correlation
                if value > best.validation:
                    best = Explained("budget", *better, revised=True, validation=value)
        scores = judge(best.label, tested)
    except BudgetSpent:
        return best
    except Refused as error:
        return replace(best, status="unanswered", reason=str(error))
    if scores.tokens and not scores.rated:
        return replace(best, status="unanswered", reason="the simulator gives no numbers")
    return replace(best, status="ok", scores=scores)


def ask_label(model: Model, account: Account, messages: Sequence[Message]) -> tuple[str, str] | None:
    """A label and the digest of the question that it answers. Where no answer is a label, the first sentence of one
    that runs on may be; else None. Raises Refused where no answer says anything."""
    given = []
    for _ in range(TRIES):
        request = Request(tuple(messages), LABEL_TOKENS)
        reply = account.ask(model, request)
        given.append((reply, request.digest(model.name)))
        try:
            return label(reply), given[-1][1]
        except BadLabel as error:
            messages = prompts.ask_again(messages, reply.text, str(error))
    if not any(reply.said for reply, _ in given):
        raise Refused("the answers are empty")
    for reply, digest in given:
        with suppress(BadLabel):
            return first_sentence(reply), digest
    return None
