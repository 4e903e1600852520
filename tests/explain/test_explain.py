"""Explanations in words: labels, simulated activations, and planted neurons explained by a scripted model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import log
from pathlib import Path

import numpy as np
import planted
import pytest
from loopback import reader

from n2g.explain.block import explain_block
from n2g.explain.cache import Kept
from n2g.explain.chat import Piece, Reply, Request
from n2g.explain.excerpts import gather, levels
from n2g.explain.labels import LONGEST, BadLabel, label
from n2g.explain.neuron import Models
from n2g.explain.options import Options
from n2g.explain.simulate import expected_level, ratings
from n2g.files.tables import read_table, write_rows
from n2g.graphs.trie import NeuronGraph
from n2g.metrics import correlation
from n2g.texts.documents import Documents, WithheldError

WORDS = ["<s>", *"abcdefghijkl"]
RULES = [planted.on({3: 2.0}), planted.after(4, 5), planted.on({})]


def said(text: str, ended: bool = True) -> Reply:
    return Reply(text, ended, 10, 3)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("bank after river", "bank after river"),
        ("  Explanation: bank\n", "bank"),
        ('"bank after river"', "bank after river"),
        ('"bank" and "shore"', '"bank" and "shore"'),
        ("<think>Rivers?\nBanks.</think>\n\nbank", "bank"),
        ("bank\u202e<script>", "bank⟨U+202E⟩<script>"),
    ],
)
def test_labels(answer: str, expected: str) -> None:
    assert label(said(answer)) == expected


@pytest.mark.parametrize(
    "answer",
    [
        *("", "  ", "10!", "<think>Rivers", "bank\nshore", "b" * (LONGEST + 1)),
        *(
            "Okay, the texts are",
            "Let's see: bank",
            "Let me think about banks",
            "We need to find what they share",
        ),
    ],
)
def test_what_is_no_label(answer: str) -> None:
    with pytest.raises(BadLabel):
        label(said(answer))


def test_a_label_that_was_cut_off_is_none() -> None:
    with pytest.raises(BadLabel, match="cut off"):
        label(said("bank after", ended=False))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("1\ta\t0\n2\tb\t10", {0: 0.0, 1: 10.0}),
        ("Here you are:\n\n1\ta\t0\n2 b 7.5\n3\tc\t1", {0: 0.0, 1: 7.5}),
        ("1\t7\t3\n2\t5", {0: 3.0, 1: 5.0}),
        ("1\ta\t3\n1\ta\t4\n2\tb\t11\n", {0: 3.0}),
        ("1\ta\n0\tb\t4\n12", {}),
        ("I cannot do that.", {}),
    ],
)
def test_ratings_from_text(answer: str, expected: dict[int, float]) -> None:
    assert ratings(said(answer), 2) == expected


def test_ratings_from_log_probabilities() -> None:
    pieces = (
        Piece("1\ta"),
        Piece("\t3", {"\t3": log(0.5), "\t5": log(0.25), "\tx": log(0.25)}),
        Piece("\n2\tb\t"),
        Piece("1", {"1": log(0.6), "0": log(0.4)}),
        Piece("0", {"0": log(0.5), "\n": log(0.5)}),
    )
    found = ratings(Reply("1\ta\t3\n2\tb\t10", True, 1, 1, pieces), 2)
    assert found == {0: pytest.approx(11 / 3), 1: pytest.approx(0.3 * 10 + 0.3 * 1)}
    other = Reply("1\ta\t3\n2\tb\t10", True, 1, 1, pieces[:-1])
    assert ratings(other, 2) == {0: 3.0, 1: 10.0}, "pieces of another text count for nothing"


def test_expected_levels() -> None:
    assert expected_level([Piece("x", {"x": 0.0, "11": 0.0, "²": 0.0, "-1": 0.0})]) is None
    assert expected_level([Piece("10", {"10": log(0.5), " 0": log(0.5)})]) == pytest.approx(5.0)


def test_levels() -> None:
    assert levels(np.array([-1.0, 0.0, 0.09, 0.11, 2.0, 3.0]), 2.0) == [0, 0, 0, 1, 10, 10]


class Scripted:
    """A model that answers as `loopback.reader`, but for its first labels, which are given. Counts what it is asked."""

    def __init__(self, *first: str):
        self.name = "scripted"
        self.first, self.asked = list(first), 0

    def answer(self, request: Request) -> Reply:
        self.asked += 1
        messages = [dict(message) for message in request.messages]
        if self.first and not request.lines and "explain neurons" in messages[0]["content"]:
            return said(self.first.pop(0))
        return said(reader({"messages": messages}))


def explained(
    documents: Documents, model: Scripted | Kept, rules: Sequence = RULES, **options: object
) -> list[dict]:
    """The rows of a block of planted neurons whose graphs know nothing."""
    observed = planted.observations(documents, rules)
    graphs = {(neuron, "positive"): NeuronGraph().to_dict() for neuron in range(len(rules))}

    def runs(key: tuple[int, str]):
        def run(sentence: str) -> tuple[list[str], np.ndarray]:
            ids = [planted.BOS, *(WORDS.index(c) for c in sentence if c in WORDS)]
            return [WORDS[token] for token in ids[1:]], np.array(rules[key[0]](ids)[1:], dtype=np.float64)

        return run

    given = Options(**options)
    return list(explain_block(documents, observed, graphs, WORDS, Models(model, model), runs, given))


@pytest.fixture(scope="module")
def documents() -> Documents:
    return planted.random_corpus()


def test_planted_neurons(documents: Documents) -> None:
    rows = explained(documents, Scripted(), input_price=2.0, output_price=10.0)
    assert [(row["neuron"], row["explainer"]) for row in rows] == [
        (neuron, explainer) for neuron in (0, 1) for explainer in ("graph", "model")
    ], "a neuron that never fires has no row"
    token, context = rows[1], rows[3]
    assert (token["status"], token["label"], token["revised"]) == ("ok", 'the token "c"', False)
    assert token["ev_correlation"] == pytest.approx(1) == token["rsquared"] == token["rated"]
    assert token["sequences"] == 9 and token["tokens"] < 9 * 40, "BOS counts nowhere"
    assert context["label"] == 'the token "e"' and 0.1 < context["ev_correlation"] < 0.7, (
        "the script knows no context"
    )
    assert context["rsquared"] < 0 == rows[2]["ev_correlation"]
    questions = token["prompt_tokens"] // 10
    assert token["completion_tokens"] == 3 * questions
    assert token["cost"] == pytest.approx((2 * 10 + 10 * 3) * questions / 1e6)


def test_scores_are_those_of_the_test_texts(documents: Documents) -> None:
    (row,) = [
        one for one in explained(documents, Scripted(), [planted.after(4, 5)]) if one["explainer"] == "model"
    ]
    held = next(gather(documents, planted.observations(documents, [planted.after(4, 5)]), "test", 0)).held
    assert all(documents.split[one.document] == 2 for one in held)
    real = np.concatenate([one.activations for one in held])
    says = np.concatenate([np.array(one.tokens) == 5 for one in held]) * 2.0
    assert row["ev_correlation"] == pytest.approx(correlation(real, says))


def test_a_revision_that_is_better_is_kept(documents: Documents) -> None:
    (row,) = [
        one
        for one in explained(documents, Scripted('the token "d"'), RULES[:1])
        if one["explainer"] == "model"
    ]
    assert (row["label"], row["revised"], row["status"]) == ('the token "c"', True, "ok")
    assert row["validation"] == pytest.approx(1) == row["ev_correlation"]


def test_a_revision_that_is_worse_is_not_kept(documents: Documents) -> None:
    (row,) = [
        one
        for one in explained(documents, Scripted('the token "c"', 'the token "d"'), RULES[:1])
        if one["explainer"] == "model"
    ]
    assert (row["label"], row["revised"], row["ev_correlation"]) == ('the token "c"', False, pytest.approx(1))


def test_a_bad_label_is_asked_for_again(documents: Documents) -> None:
    (row,) = [
        one
        for one in explained(documents, Scripted("Okay, so", 'the token "c"'), RULES[:1])
        if one["explainer"] == "model"
    ]
    assert (row["status"], row["label"]) == ("ok", 'the token "c"')
    model = Scripted(*["a\nb"] * 3)
    (row,) = [one for one in explained(documents, model, RULES[:1]) if one["explainer"] == "model"]
    assert (row["status"], row["label"], row["ev_correlation"], model.asked) == ("invalid", "", 0.0, 3)


def test_an_answer_that_runs_on_is_its_first_sentence(documents: Documents) -> None:
    answers = ["a\nb", f'The token "c". {"And so on. " * 40}', "a\nb"]
    (row,) = [
        one for one in explained(documents, Scripted(*answers), RULES[:1]) if one["explainer"] == "model"
    ]
    assert (row["status"], row["label"]) == ("ok", 'The token "c".')


def test_the_budget_ends_a_neuron_and_what_was_known_stays(documents: Documents) -> None:
    (row,) = [
        one for one in explained(documents, Scripted(), RULES[:1], budget=14) if one["explainer"] == "model"
    ]
    assert (row["status"], row["label"], row["ev_correlation"]) == ("budget", 'the token "c"', 0.0)
    assert row["prompt_tokens"] + row["completion_tokens"] == 26, "the answer that exceeds it is the last"


def test_a_rerun_asks_nothing_and_gives_the_same(documents: Documents, tmp_path: Path) -> None:
    first = Kept(Scripted(), tmp_path)
    rows = explained(documents, first, concurrency=4)
    again = Kept(Scripted(), tmp_path)
    assert explained(documents, again) == rows
    assert (again.asked, again.known) == (0, first.asked + first.known)


def test_nothing_that_fits_reads_test_documents(documents: Documents) -> None:
    observed = planted.observations(documents, RULES)
    closed, seen = documents.without_test(), observed.without_test(documents)
    with pytest.raises((WithheldError, KeyError)):
        list(gather(closed, seen, "test", 0))
    with pytest.raises(WithheldError):
        list(gather(closed, observed, "test", 0))
    for one in gather(closed, seen, "validation", 0):
        assert {documents.split[excerpt.document] for excerpt in one.held} == {1}
        assert {documents.split[excerpt.document] for excerpt in one.shown} <= {0}


def test_the_prompts_hold_no_test_text(documents: Documents, tmp_path: Path) -> None:
    """All but the final simulations: their texts are those of train and validation documents."""
    asked: list[str] = []

    class Spy(Scripted):
        def answer(self, request: Request) -> Reply:
            asked.append(str(request.messages))
            return super().answer(request)

    explained(documents, Spy('the token "d"'), RULES[:1])
    test = next(gather(documents, planted.observations(documents, RULES[:1]), "test", 0)).held
    texts = [re.escape("".join(WORDS[token] for token in one.tokens[5:15])) for one in test]
    final = len(test)
    assert not any(re.search(text, re.sub(r"[^a-l]", "", one)) for one in asked[:-final] for text in texts)


def test_the_table_holds_the_rows(documents: Documents, tmp_path: Path) -> None:
    rows = explained(documents, Scripted())
    write_rows(tmp_path / "explanations.parquet", "explanations", rows)
    assert read_table(tmp_path / "explanations.parquet", "explanations").to_pylist() == rows
