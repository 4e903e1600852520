"""Which neurons are similar: on graphs and activations where the answer is known, and on arbitrary ones."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from drawn_patterns import many
from hypothesis import given, settings
from hypothesis import strategies as st

from n2g.compare.activation_correlation import behavioural
from n2g.compare.pattern_similarity import Profiles, structural
from n2g.compare.similar_table import KINDS, Pair, similar_columns
from n2g.graphs.elements import WILDCARD, End, Pattern, gap, one_of
from n2g.graphs.patterns import verified
from n2g.graphs.trie import NeuronGraph


def graph(*patterns: tuple, decision_threshold: float = 0.5) -> dict:
    """Each pattern: its activation, then its elements from the activating token backwards."""
    made = []
    for activation, *elements in patterns:
        steps = [
            one_of([e]) if isinstance(e, int) else one_of(e) if isinstance(e, tuple) else e for e in elements
        ]
        made.append(Pattern(tuple(steps), End(activation)))
    return NeuronGraph(made, decision_threshold=decision_threshold, scale=2.0).to_dict()


def found(graphs: list[dict | None], kind: str) -> dict[int, list[tuple[int, float]]]:
    """Unit -> its partners of a kind with their scores, in the order of their ranks."""
    pairs = sorted(
        (pair for pair in structural(graphs) if pair.kind == kind), key=lambda one: (one.unit, one.rank)
    )
    known: dict[int, list[tuple[int, float]]] = {}
    for pair in pairs:
        assert pair.rank == len(known.setdefault(pair.unit, []))
        known[pair.unit].append((pair.other, pytest.approx(pair.score)))
    return known


def test_weights_count_in_the_index() -> None:
    graphs = [graph((2.0, 1), (1.0, 2)), graph((2.0, 1), (2.0, 3)), graph((1.0, 4))]
    assert found(graphs, "similar") == {0: [(1, 1.0 / 2.5)], 1: [(0, 1.0 / 2.5)]}


def test_equal_neurons_are_duplicates_however_they_are_written() -> None:
    graphs = [
        graph((2.0, (1, 2)), (1.0, 3, gap(1), 4)),
        graph((1.0, 1), (2.0, 2), (1.0, 3, 4), (2.0, 3, WILDCARD, 4)),
        graph((1.0, 1), (1.0, 2)),
    ]
    assert found(graphs, "duplicate") == {0: [(1, 1.0)], 1: [(0, 1.0)]}
    assert found(graphs, "superset")[0] == [(2, 1.0)]
    assert found(graphs, "subset") == {2: [(0, 1.0), (1, 1.0)]}


def test_a_pattern_that_hinders_another_makes_a_difference() -> None:
    """1 fires, except after 2: that pattern is below the decision threshold, and more specific."""
    plain, hindered = graph((1.0, 1)), graph((1.0, 1), (0.1, 1, 2))
    assert found([plain, hindered], "duplicate") == {}
    assert found([hindered, plain, hindered, plain], "duplicate") == {
        unit: [((unit + 2) % 4, 1.0)] for unit in range(4)
    }


def test_context_makes_a_neuron_a_subset_of_one_without() -> None:
    alone, after = graph((2.0, 1)), graph((2.0, 1, 2))
    assert found([alone, after], "subset") == {1: [(0, 1.0)]}
    assert found([alone, after], "superset") == {0: [(1, 1.0)]}
    assert found([alone, after], "similar") == {}


def test_neurons_without_a_pattern_are_like_none() -> None:
    none, faint = graph(), graph((0.1, 1), (0.2, 1, 2))
    assert list(structural([none, faint, None, none, graph((1.0, 1))])) == []
    assert list(structural([])) == []


@settings(max_examples=40, deadline=None)
@given(st.lists(many, min_size=2, max_size=5))
def test_similarity_is_symmetric_and_as_defined(chosen: list[list[Pattern]]) -> None:
    graphs = [NeuronGraph(patterns, decision_threshold=0.6, scale=2.0).to_dict() for patterns in chosen]
    firing = [verified(one) for one in graphs]
    pairs = {(pair.unit, pair.other, pair.kind): pair.score for pair in structural(graphs, top=10)}
    inverse = {"subset": "superset", "superset": "subset"}
    for (unit, other, kind), score in pairs.items():
        assert pairs[other, unit, inverse.get(kind, kind)] == score
        assert unit != other
        assert firing[unit]
        assert firing[other]
    for unit, other in product(range(len(graphs)), repeat=2):
        if firing[unit] and firing[unit] == firing[other] and graphs[unit] == graphs[other] and unit != other:
            assert pairs[unit, other, "similar"] == pairs[unit, other, "duplicate"] == 1


@settings(max_examples=40, deadline=None)
@given(st.lists(st.dictionaries(st.tuples(st.integers(1, 4)), st.sampled_from([0.25, 0.5, 1.0])), min_size=1))
def test_the_index_is_that_of_the_definition(profiles: list[dict]) -> None:
    known = Profiles(profiles)
    for unit, one in enumerate(profiles):
        scores = known.jaccard(unit)
        for other, two in enumerate(profiles):
            keys = one.keys() | two.keys()
            larger = sum(max(one.get(key, 0), two.get(key, 0)) for key in keys)
            smaller = sum(min(one.get(key, 0), two.get(key, 0)) for key in keys)
            assert scores[other] == (smaller / larger if larger else 0)


@pytest.mark.parametrize("sketch", [2**26, 6400], ids=["whole", "sketched"])
def test_behaviour_finds_the_largest_correlations(monkeypatch: pytest.MonkeyPatch, sketch: int) -> None:
    monkeypatch.setattr("n2g.compare.activation_correlation.SKETCH", sketch)
    random = np.random.default_rng(0)
    hidden = random.standard_normal((8, 4000))
    rows = (hidden[np.arange(40) % 8] + random.standard_normal((40, 4000))).astype(np.float16)
    rows[3], rows[4, 0], rows[5] = 1.0, np.nan, -rows[6]
    rows[:, 1000:] += 100 * (np.arange(3000) % 2).astype(np.float16)  # shared, on tokens that do not count
    kept = np.arange(4000) < 1000
    pairs = list(behavioural([rows[:16], rows[16:]], kept, top=3))
    with np.errstate(invalid="ignore"):
        truth = np.corrcoef(rows[:, :1000].astype(np.float64))
    np.fill_diagonal(truth, -1)
    truth = np.nan_to_num(truth, nan=-1)
    assert not {pair.unit for pair in pairs} & {
        3,
        4,
        5,
    }  # constant, not finite, and like none but one it is against
    for unit in set(range(40)) - {3, 4, 5}:
        best = [pair for pair in pairs if pair.unit == unit]
        order = np.argsort(-truth[unit])[:3]
        assert [pair.other for pair in best] == order.tolist()
        assert [pair.score for pair in best] == pytest.approx(truth[unit][order].tolist(), abs=1e-4)


def test_pairs_do_not_depend_on_how_many_processes_find_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("n2g.compare.pattern_similarity.CHUNK", 16)
    monkeypatch.setattr("n2g.compare.activation_correlation.CHUNK", 16)
    random = np.random.default_rng(1)
    chosen = [(1.0, int(a), int(b)) for a, b in random.integers(0, 6, (80, 2))]
    graphs = [graph(*chosen[unit : unit + 3]) for unit in range(70)]
    rows, kept = random.standard_normal((70, 300)).astype(np.float16), np.ones(300, bool)
    alone, shared = (
        [*structural(graphs, processes=count), *behavioural([rows], kept, threads=count)] for count in (1, 2)
    )
    assert {pair.kind for pair in alone} == set(KINDS)
    assert shared == alone


def test_the_table_is_sorted_by_neuron_and_kind() -> None:
    pairs = [Pair(1, 0, "behaviour", 0.5, 0), Pair(1, 0, "similar", 0.2, 0), Pair(0, 1, "similar", 0.2, 0)]
    columns = similar_columns(pairs, [(0, 7, "positive"), (1, 3, "negative")])
    assert columns == {
        "layer": [0, 1, 1],
        "other_layer": [1, 0, 0],
        "neuron": [7, 3, 3],
        "other_neuron": [3, 7, 7],
        "pole": ["positive", "negative", "negative"],
        "other_pole": ["negative", "positive", "positive"],
        "kind": ["similar", "similar", "behaviour"],
        "score": [0.2, 0.2, 0.5],
        "rank": [0, 0, 0],
    }
