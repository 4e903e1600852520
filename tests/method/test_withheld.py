"""Test documents are withheld: fitting code cannot read them, and they do not change the graphs."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from planted import BOS, after, observations, random_corpus, save

from n2g.method.examples import chosen_examples
from n2g.method.fitting_data import FittingBlock
from n2g.method.observations import load_for_fitting
from n2g.scores.evaluate import hold_out
from n2g.settings import Settings
from n2g.texts.documents import WithheldError
from n2g.workflow.code_digests import closure

SCRIPTS = Path(__file__).parents[2] / "scripts"
FITTING = ("prune", "saliency", "sweep", "augment", "graph")


def test_test_documents_are_closed_to_what_fits(tmp_path: Path) -> None:
    documents = random_corpus()
    observed = observations(documents, [after(3, 4)])
    test = documents.of("test")
    closed = documents.without_test()
    for ask in (
        lambda: closed.of("test"),
        lambda: closed.places("test", 3),
        lambda: closed.counts("test"),
        lambda: closed.pool("test", 3),
        lambda: closed.ids(int(test[0])),
        lambda: closed.document_at(documents.offsets[test[:1]] + 1),
        lambda: hold_out(closed, observed),
    ):
        with pytest.raises(WithheldError):
            ask()
    assert closed.positions(test).size == 0
    np.testing.assert_array_equal(closed.of("train"), documents.of("train"))
    np.testing.assert_array_equal(closed.ids(0), documents.ids(0))
    positions = documents.positions(documents.of("validation"))
    np.testing.assert_array_equal(closed.document_at(positions), documents.document_at(positions))

    fitting, seen = load_for_fitting(*save(tmp_path, documents, observed))
    assert fitting.withheld
    assert not np.isin(fitting.document_at(seen.firings["position"].to_numpy()), test).any()
    assert set(seen.examples["split"].to_pylist()) == {"train", "validation"}
    assert not np.isin(seen.examples["document"].to_numpy(), test).any()
    assert set(seen.pools) == {"validation", "validation_documents"}
    assert len(seen.firings) < len(observed.firings) and len(seen.examples) < len(observed.examples)


@pytest.mark.parametrize("method", ["atlas", "paper"])
def test_test_documents_change_nothing_that_is_fitted(tmp_path: Path, method: str) -> None:
    """Other test documents, on which the neurons do other things, leave the fitting stages the same input."""
    documents = random_corpus()
    test = np.isin(np.arange(len(documents.tokens)), documents.positions(documents.of("test")))
    others = replace(documents, tokens=np.where(test & (documents.tokens != BOS), 1, documents.tokens))

    def loud(ids: Sequence[int]) -> Sequence[float]:
        return [9.0] * len(ids) if set(ids) == {BOS, 1} else after(3, 4)(ids)

    seen = []
    for name, texts, rule in (("one", documents, after(3, 4)), ("two", others, loud)):
        folders = save(tmp_path / name, texts, observations(texts, [rule]))
        seen.append(FittingBlock(*folders, Settings(method=method, bos=BOS)))
    first, second = (list(chosen_examples(block)) for block in seen)
    assert [known for _, *known in first] == [known for _, *known in second]
    assert first
    for part in ("train", "validation"):
        one, two = (getattr(block, part) for block in seen)
        for token in range(10):
            np.testing.assert_array_equal(one.positions(token), two.positions(token))
        values = [block.evidence(block.units[0], getattr(block, part)).activations for block in seen]
        np.testing.assert_array_equal(*values)
    assert seen[0].units[0].top == seen[1].units[0].top
    np.testing.assert_array_equal(seen[0].units[0].positions, seen[1].units[0].positions)


@pytest.mark.parametrize("stage", FITTING)
def test_stages_that_fit_read_nothing_of_the_test(stage: str) -> None:
    """They and what they import read corpus and observations through `load_for_fitting`, and no other way."""
    script = SCRIPTS / f"{stage}.py"
    if not script.exists():
        pytest.skip("no such stage")
    names: set[str] = set()
    for file in closure(script, SCRIPTS):
        if file.name not in ("observations.py", "corpus_files.py", "documents.py"):
            names |= {node.id for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Name)}
    assert names & {"load_for_fitting", "load_texts_for_fitting"}
    assert not names & {"load_documents", "load_observations"}
