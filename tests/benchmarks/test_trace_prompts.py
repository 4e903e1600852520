"""Prompts with a right and a wrong next token, and how many neurons are enough for them."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tracing
from tracing import FIRST, NEURONS, OTHER, PROMPT, SECOND, TARGET

from n2g.trace.ablation import Case, differences
from n2g.trace.attribution import attribute

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import trace_faithfulness as benchmark  # noqa: E402
from trace_prompts import NOUNS, TEMPLATES, prompts  # noqa: E402


def test_prompts_are_always_the_same_and_all_different() -> None:
    found = prompts(200, 0)
    assert found == prompts(200, 0) != prompts(200, 1)
    assert len(set(found)) == 200 and found[:50] == prompts(50, 0)
    counts = Counter(prompt.kind for prompt in found)
    assert len(counts) == len(TEMPLATES) and min(counts.values()) >= 25


def test_no_answer_is_right_more_often_than_wrong() -> None:
    found = [prompt for prompt in prompts(200, 0) if prompt.kind != "capital"]
    for kind in {prompt.kind for prompt in found}:
        right = Counter(prompt.target > prompt.against for prompt in found if prompt.kind == kind)
        assert abs(right[True] - right[False]) <= 0.5 * right.total()
    for prompt in found:
        if prompt.kind == "attractor":
            first, second = (word.strip() for word in prompt.text.split()[1 :: len(prompt.text.split()) - 2])
            assert (first in NOUNS) == (prompt.target in (" is", " was", " has")) != (second in NOUNS)


def test_two_neurons_of_a_planted_circuit_are_enough() -> None:
    engine, means = tracing.open_circuit(), np.zeros((2, NEURONS), dtype=np.float32)
    cases = [Case(PROMPT, TARGET, OTHER), Case((0, 1, tracing.PIVOT), TARGET, OTHER)]
    whole = differences(engine, cases, None, means)
    found = [attribute(engine, case.tokens, case.target, case.against) for case in cases]
    order = [benchmark.ranks(benchmark.supporting(one, means, 0)) for one in found]
    assert all({int(rank[layer, 0, neuron]) for layer, neuron in (FIRST, SECOND)} == {0, 1} for rank in order)
    kept = benchmark.Kept(engine, cases, means, whole, order)
    assert kept.least() == 2
    assert kept.share(0) < 0.5 < 0.9 < kept.share(2) and kept.share(2 * NEURONS) == pytest.approx(1)
