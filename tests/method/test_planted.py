"""Planted neurons: callables whose rule is known. The fitted graph must predict each rule exactly on text that
it has not seen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from n2g import NeuronGraph, Settings, fit_neuron
from n2g.graphs.matching import TokenIndex
from n2g.graphs.sentence import explain
from n2g.method.evidence import Evidence
from n2g.scores.node_costs import node_shares

BOS = 0
VOCABULARY = 60
A, B, C, D = 11, 12, 13, 14

Rule = Callable[[list[int]], bool]  # the tokens up to and including the one that is judged, without BOS

RULES: dict[str, Rule] = {
    "one token": lambda text: text[-1] == A,
    "one token after another": lambda text: text[-2:] == [A, B],
    "three tokens": lambda text: text[-3:] == [A, B, C],
    "anything between": lambda text: text[-1] == C and A in text[:-1],
    "within eight tokens": lambda text: text[-1] == C and A in text[-9:-1],
    "exactly two before": lambda text: len(text) > 2 and text[-1] == C and text[-3] == A,
    "class of tokens": lambda text: text[-1] in (A, B, C),
    "class of contexts": lambda text: len(text) > 1 and text[-1] == D and text[-2] in (A, B, C),
    "either, then": lambda text: text[-1] == D and bool({A, B} & set(text[:-1])),
    "token at the start": lambda text: text == [A],
    "any token at the start": lambda text: len(text) == 1,
    "never": lambda text: False,
}


def planted(rule: Rule, height: float = 2.0) -> Callable[[list[list[int]]], list[list[float]]]:
    """Activations of a neuron that obeys `rule`."""

    def activations(sequences: list[list[int]]) -> list[list[float]]:
        found = []
        for sequence in sequences:
            begin = 1 if sequence[:1] == [BOS] else 0
            found.append(
                [0.0] * begin
                + [height * rule(sequence[begin : end + 1]) for end in range(begin, len(sequence))]
            )
        return found

    return activations


def texts(seed: int, count: int, rule: Rule, length: int = 24) -> list[list[int]]:
    """Random texts; in every second one the rule's tokens are frequent."""
    draw = np.random.default_rng(seed)
    usual = np.arange(1, VOCABULARY)
    found = []
    for i in range(count):
        weights = np.ones(len(usual))
        if i % 2:
            weights[A - 1 : D] = 6
        text = draw.choice(usual, int(draw.integers(6, length)), p=weights / weights.sum())
        found.append([BOS, *text.tolist()])
    return found


def examples(rule: Rule, seed: int, count: int) -> list[tuple[list[int], int]]:
    """Pairs of text and pivot, some at which the neuron fires; where it never does, pivots at random."""
    found, spare = [], []
    for text, row in zip(batch := texts(seed, 4000, rule), planted(rule)(batch), strict=True):
        spare.append((text, len(text) - 1))
        pivots = np.flatnonzero(np.array(row) > 0)
        if len(pivots):
            found.append((text, int(pivots[seed % len(pivots)])))
    return (found or spare)[:count]


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_graph_is_the_rule(name: str, seed: int) -> None:
    rule = RULES[name]
    graph = fit_neuron(planted(rule), examples(rule, seed, 40), settings=Settings(bos=BOS))
    unseen = texts(1000 + seed, 400, rule)
    for text, real in zip(unseen, planted(rule)(unseen), strict=True):
        fires = [value >= max(graph.decision_threshold, 1e-9) for value in graph.predict(text)]
        assert fires == [value > 0 for value in real]


@pytest.mark.parametrize("name", RULES)
def test_without_a_begin_of_sequence_token(name: str) -> None:
    rule = RULES[name]
    given = [(text[1:], pivot - 1) for text, pivot in examples(rule, 0, 40)]
    graph = fit_neuron(planted(rule), given)
    for text in texts(1000, 200, rule):
        real = planted(rule)([text[1:]])[0]
        assert [value >= max(graph.decision_threshold, 1e-9) for value in graph.predict(text[1:])] == [
            v > 0 for v in real
        ]


def test_patterns_are_as_small_as_the_rule() -> None:
    for name, nodes in (
        ("one token", 1),
        ("one token after another", 2),
        ("class of tokens", 1),
        ("anything between", 3),
    ):
        graph = fit_neuron(planted(RULES[name]), examples(RULES[name], 0, 40), settings=Settings(bos=BOS))
        assert graph.trie.number_of_nodes() - 1 == nodes, name


ALL = "(100% of the activation)"
SENTENCES = {
    "one token": f"Fires on “w11” {ALL} in any context.",
    "class of tokens": f"Fires on “w11”, “w12” or “w13” {ALL} in any context.",
    "one token after another": f"Fires on “w12” after “w11” {ALL}.",
    "class of contexts": f"Fires on “w14” after “w11”, “w12” or “w13” {ALL}.",
    "within eight tokens": f"Fires on “w13” after “w11”, with up to 7 tokens between {ALL}.",
    "token at the start": f"Fires on “w11” at the very start of a text {ALL}.",
    "never": "",
}


@pytest.mark.parametrize("name", SENTENCES)
def test_the_sentence_is_the_rule(name: str) -> None:
    rule = RULES[name]
    graph = fit_neuron(planted(rule), examples(rule, 0, 40), settings=Settings(bos=BOS))
    unseen = texts(1000, 400, rule)
    index = TokenIndex.of(unseen, BOS)
    activations = np.concatenate(planted(rule)(unseen), dtype=np.float32)
    shares = node_shares(graph, Evidence(index, np.arange(len(activations)), activations, 1.0))
    content = graph.to_dict()
    for node in content["nodes"]:
        node |= {"share": shares[node["id"]]} if node["id"] in shares else {}
    assert explain(content, {token: f"w{token}" for token in range(VOCABULARY)}) == SENTENCES[name]


def test_predictions_are_in_the_units_of_the_neuron() -> None:
    graph = fit_neuron(
        planted(RULES["one token"], 7.5), examples(RULES["one token"], 0, 20), Settings(bos=BOS)
    )
    assert graph.predict([BOS, 5, A, 6]) == pytest.approx([0, 0, 7.5, 0])


def test_the_order_of_examples_does_not_matter() -> None:
    given = examples(RULES["class of contexts"], 0, 30)
    fitted = [
        fit_neuron(planted(RULES["class of contexts"]), order, Settings(bos=BOS))
        for order in (given, given[::-1])
    ]
    assert fitted[0].to_dict() == fitted[1].to_dict()


@pytest.mark.parametrize("name", ["one token", "one token after another", "three tokens", "class of tokens"])
def test_the_published_rules_find_plain_patterns(name: str) -> None:
    rule = RULES[name]
    graph = fit_neuron(planted(rule), examples(rule, 0, 40), settings=Settings(bos=BOS, method="paper"))
    for text in texts(1000, 200, rule):
        assert [v >= max(graph.decision_threshold, 1e-9) for v in graph.predict(text)] == [
            v > 0 for v in planted(rule)([text])[0]
        ]


def test_a_neuron_that_never_fires_has_no_pattern() -> None:
    graph = fit_neuron(planted(RULES["never"]), examples(RULES["never"], 0, 10), settings=Settings(bos=BOS))
    assert list(graph.patterns()) == [] and set(graph.predict([BOS, 1, 2, 3])) == {0.0}
    assert fit_neuron(planted(RULES["one token"]), []).to_dict() == NeuronGraph().to_dict()


def test_a_wrong_pivot_is_refused() -> None:
    with pytest.raises(ValueError, match="pivot 9"):
        fit_neuron(planted(RULES["one token"]), [([BOS, A], 9)])
    with pytest.raises(ValueError, match="one finite number"):
        fit_neuron(lambda sequences: [[0.0] for _ in sequences], [([BOS, A], 1)])
