"""The rule of planted neurons is known exactly."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import planted
import pytest

from n2g.graphs.elements import End, Pattern, gap, one_of
from n2g.graphs.rule_grammar import Spelling
from n2g.graphs.trie import NeuronGraph
from n2g.method.evidence import Evidence, Texts
from n2g.method.rule_choice import choose_rule, mean_activation

SPELLING = Spelling(["<s>", " Black", " Red", " Green", " Sea", "mand", " Kath", ",", " a", " b", " c", " d"])
EMPTY = NeuronGraph().to_dict()


def evidence(documents, rule, splits=("train", "validation")):
    texts = Texts.of(documents, *splits)
    known = [np.array(rule(documents.ids(number).tolist()), dtype=np.float32) for number in texts.numbers]
    values = np.concatenate(known)
    positions = documents.positions(texts.numbers)
    kept = values > 0
    return Evidence(texts, positions[kept], values[kept], 1.0)


def before(firsts, second):
    return lambda ids: [0.0] + [2.0 * (a in firsts and b == second) for a, b in pairwise(ids)]


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        (planted.after(6, 5), "Kath-mand"),
        (planted.on({4: 2.0}), "Sea"),
        (planted.on({7: 2.0}), '","'),
        (before({1, 2, 3}, 4), "Black|Red|Green Sea"),
        (planted.on({}), ""),
    ],
)
def test_the_rule_of_a_planted_neuron(rule, line) -> None:
    documents = planted.random_corpus()
    held = evidence(documents, rule)
    found = choose_rule(EMPTY, held, documents.of("train")[:5].tolist(), SPELLING)
    assert SPELLING.write(found) == line
    assert mean_activation(found, held) == (2.0 if line else 0.0)
    # On test documents it is as right as it was there.
    tested = evidence(documents, rule, ("test",))
    for number in documents.of("test"):
        ids = documents.ids(number).tolist()
        assert found.matches(ids, bos=planted.BOS) == [value >= tested.threshold for value in rule(ids)]


def test_a_pattern_that_only_the_graph_knows_is_taken() -> None:
    """Within three tokens: no literal text says so."""

    def rule(ids):
        return [2.0 * (token == 4 and 1 in ids[max(1, at - 3) : at]) for at, token in enumerate(ids)]

    held = evidence(planted.random_corpus(), rule)
    pattern = Pattern((one_of([4]), gap(2), one_of([1])), End(2.0))
    graph = NeuronGraph([pattern], decision_threshold=1.0, scale=2.0).to_dict()
    assert SPELLING.write(choose_rule(graph, held, [], SPELLING)) == "Black …2 Sea"


def test_a_pattern_that_gains_less_than_its_characters_cost_is_left_out() -> None:
    """Of two tokens one fires 800 times as often."""
    rare = [[8, 9, 4]] + [[8, 9, 10]] * 3
    documents = planted.corpus([[4, 8, 4, 9] * 400, *rare], ["train", "train", "validation", "train", "test"])
    held = evidence(documents, lambda ids: [2.0 * (token == 4) + 2.0 * (token == 10) for token in ids])
    assert SPELLING.write(choose_rule(EMPTY, held, [], SPELLING)) == "Sea"
