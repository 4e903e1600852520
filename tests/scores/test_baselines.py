"""Baselines: what they predict, by hand, and that they never see a test document."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted import BOS, Rule, after, corpus, observations, on, random_corpus

from n2g.graphs.matching import TokenIndex
from n2g.method.observations import Observations
from n2g.metrics import firing_threshold
from n2g.scores.baselines import (
    Seen,
    best_threshold,
    fit_baselines,
    ngram,
    ngram_backoff,
    observe,
    token_lookup,
    token_lookup_all,
    token_lookup_calibrated,
)
from n2g.texts.documents import Documents, WithheldError


def see(documents: Documents, observed: Observations) -> list[Seen]:
    blind = observed.without_test(documents)
    return [seen for _, seen in observe(documents.without_test(), blind)]


def predict(predictor, texts: Sequence[Sequence[int]]) -> list[float]:
    return predictor.predict(TokenIndex.of(texts, BOS)).tolist()


# Neuron: 4 on token 1, 3 on token 2 after token 1, else 1 on token 2 and 0.5 on token 3.
def rule(ids: Sequence[int]) -> list[float]:
    own = {1: 4.0, 2: 1.0, 3: 0.5}
    pairs = zip([BOS, *ids], ids, strict=False)
    return [3.0 if pair == (1, 2) else own.get(pair[1], 0.0) for pair in pairs]


TEXTS = corpus(
    [[1, 2, 5], [2, 2, 5], [3, 2, 5], [5, 2, 5], [1, 5, 5], [2, 5, 5], [4, 4, 1]],
    ["train", "train", "train", "train", "validation", "validation", "test"],
)


def test_lookups_by_hand() -> None:
    (seen,) = see(TEXTS, observations(TEXTS, [rule], top=2))
    assert seen.maximum == 4
    text = [[BOS, 1, 2, 3, 4, 5, 99]]
    # Token 3 is in no top document; of token 2 the largest activation counts.
    lookup = token_lookup(seen, 0.5)
    assert lookup.decision_threshold == 2
    assert predict(lookup, text) == [0, 4, 3, 0, 0, 0, 0]
    # Token 3 never reaches the floor (a quarter of the maximum).
    assert predict(token_lookup_all(seen, 0.5), text) == [0, 4, 3, 0, 0, 0, 0]
    # Token 2 occurs five times in train: 3, 1, 1, 1, 1. It does not fire in validation, token 1 does.
    calibrated = token_lookup_calibrated(seen, 0.5)
    assert predict(calibrated, text) == [0, 4, pytest.approx(7 / 5), 0, 0, 0, 0]
    assert calibrated.decision_threshold == 4


def test_lookup_predicts_nothing_for_bos_in_whatever_place() -> None:
    documents = corpus([[1, BOS, 2], [2, 1, 1], [1, 1, 1]], ["train", "train", "validation"])
    (seen,) = see(documents, observations(documents, [on({BOS: 9.0, 1: 1.0})]))
    assert predict(token_lookup(seen, 0.5), [[BOS, BOS, 1]]) == [0, 9, 1]


def test_best_threshold() -> None:
    values = np.array([0.0, 3.0, 2.0, 2.0, 1.0])
    # From the top: 1 of 1; with both tokens of value 2: 4 of 6; with the last: 5 of 16.
    assert best_threshold(values, np.array([1, 1, 3, 0, 1]), np.array([50, 1, 3, 2, 10])) == 2.0
    assert best_threshold(values, np.array([9, 1, 0, 0, 0]), np.array([50, 1, 3, 2, 10])) == 3.0
    assert best_threshold(values, np.zeros(5, dtype=int), np.array([50, 1, 3, 2, 10])) is None
    assert best_threshold(values, np.array([1, 0, 0, 0, 0]), np.array([50, 1, 3, 2, 10])) is None
    assert best_threshold(np.zeros(3), np.ones(3, dtype=int), np.ones(3, dtype=int)) is None


def test_no_firing_in_validation_leaves_the_usual_threshold() -> None:
    documents = corpus([[1, 2], [2, 2], [2, 2]], ["train", "validation", "test"])
    (seen,) = see(documents, observations(documents, [on({1: 4.0})]))
    assert token_lookup_calibrated(seen, 0.5).decision_threshold == 2


def test_ngrams_by_hand() -> None:
    (seen,) = see(TEXTS, observations(TEXTS, [rule], top=2))  # top train texts: 1 2 5 and one with 1.0
    exact = ngram(seen, 0.5, order=3)
    # Whole trigrams only; at the beginning of a text shorter ones, which stand there as well.
    assert predict(exact, [[BOS, 1, 2, 5]]) == [0, 4, 3, 0]
    assert predict(exact, [[BOS, 7, 1, 2]]) == [0, 0, 0, 0]
    backing_off = replace(exact, shortest=1)
    assert predict(backing_off, [[BOS, 7, 1, 2]]) == [0, 0, 4, 3]
    assert predict(replace(exact, shortest=2), [[BOS, 7, 1, 2]]) == [0, 0, 0, 3]
    values, lengths = exact.longest(TokenIndex.of([[BOS, 7, 1, 2]], BOS), np.arange(1, 4))
    assert lengths.tolist() == [0, 1, 2] and values.tolist() == [0, 4, 3]


def test_backing_off_is_chosen_on_validation() -> None:
    documents = random_corpus(600)
    rules = [on({3: 1.0}), after(3, 4), on({})]
    seen = see(documents, observations(documents, rules, top=30))
    assert [ngram_backoff(one, 0.5, order=3).shortest for one in seen] == [1, 2, 1]


@given(st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=8), min_size=2, max_size=6), st.data())
def test_ngrams_equal_a_dictionary(texts: list, data) -> None:
    documents = corpus(texts, ["train"] * len(texts))
    values = data.draw(st.lists(st.integers(1, 9), min_size=9, max_size=9))

    def rule(ids: Sequence[int]) -> list[float]:
        return [float(values[(i * 5 + token) % 9]) for i, token in enumerate(ids)]

    (seen,) = see(documents, observations(documents, [rule], top=3))

    def key(text: Sequence[int], end: int) -> tuple:
        return tuple(text[end - 2 : end + 1]) if end >= 2 else (None, *text[: end + 1])

    table: dict[tuple, float] = {}
    for ids, activations in seen.examples:
        for end, activation in enumerate(activations[1:]):
            one = key(ids[1:].tolist(), end)
            table[one] = max(table.get(one, 0.0), activation)
    model = ngram(seen, 0.5, order=3)
    for text in texts:
        found = predict(model, [[BOS, *text]])[1:]
        assert found == [table.get(key(text, end), 0.0) for end in range(len(text))]


def test_dead_neurons_never_fire() -> None:
    documents = random_corpus()
    (seen,) = see(documents, observations(documents, [on({})]))
    assert firing_threshold(0.0, 0.5) == np.inf
    index = TokenIndex.of([[BOS, 1, 2, 3]], BOS)
    for name, predictor in fit_baselines(seen, 0.5).items():
        assert not (predictor.predict(index) >= predictor.decision_threshold).any(), name


def test_baselines_do_not_depend_on_test_documents() -> None:
    """Whatever the test documents hold and the neurons do there, the fitted baselines are the same."""
    documents = random_corpus()
    rules = [after(3, 4), on({5: 2.0, 6: 1.5, 7: 0.1})]
    test = np.isin(np.arange(len(documents.tokens)), documents.positions(documents.of("test")))
    other = replace(documents, tokens=np.where(test & (documents.tokens != BOS), 1, documents.tokens))

    def loud(rule: Rule) -> Rule:
        return lambda ids: [9.0] * len(ids) if set(ids) == {BOS, 1} else rule(ids)

    index = TokenIndex.of([documents.ids(d) for d in range(len(documents))], BOS)
    fitted = [
        see(documents, observations(documents, rules)),
        see(other, observations(other, [loud(rule) for rule in rules])),
    ]
    for first, second in zip(*fitted, strict=True):
        pairs = zip(fit_baselines(first, 0.5).items(), fit_baselines(second, 0.5).values(), strict=True)
        for (name, one), two in pairs:
            assert one.decision_threshold == two.decision_threshold, name
            np.testing.assert_array_equal(one.predict(index), two.predict(index), err_msg=name)


def test_fitting_on_test_documents_is_refused() -> None:
    documents = random_corpus()
    observed = observations(documents, [after(3, 4)])
    with pytest.raises(WithheldError):
        list(observe(documents.without_test(), observed))  # its firings are still there
