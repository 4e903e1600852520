"""Queries to a model, and how the queries of many neurons are run side by side."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple

from tqdm import tqdm


class Prompt(NamedTuple):
    """Token ids of a prompt: `prefix` (BOS and neutral text, shared by many) and `suffix`, whose last
    token is the one that is read."""

    prefix: tuple[int, ...]
    suffix: tuple[int, ...]


# The form of a stage's steps: they yield lists of prompts and are sent the activations.
Steps = Generator[list[Prompt], Sequence[float], Any]


def drive(
    steps: Sequence[Steps], answer: Callable[[list[tuple[int, Prompt]]], Sequence[float]], label: str = ""
) -> list:
    """Run the steps of many neurons side by side and pack all their queries of a round into one call.

    answer: takes (index of the steps, prompt) pairs, returns one activation each. Returns the steps' results.
    """
    results: list[Any] = [None] * len(steps)
    waiting: dict[int, list[Prompt]] = {}

    def advance(i: int, values: Sequence[float] | None) -> None:
        try:
            waiting[i] = next(steps[i]) if values is None else steps[i].send(values)
        except StopIteration as end:
            waiting.pop(i, None)
            results[i] = end.value

    for i in range(len(steps)):
        advance(i, None)
    with tqdm(total=len(steps), desc=label, disable=not label, mininterval=5) as progress:
        while waiting:
            before = len(waiting)
            asked = [(i, prompt) for i in sorted(waiting) for prompt in waiting[i]]
            values = list(answer(asked)) if asked else []
            begin = 0
            for i in sorted(waiting):
                count = len(waiting[i])
                advance(i, values[begin : begin + count])
                begin += count
            progress.update(before - len(waiting))
    return results
