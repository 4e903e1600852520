"""On which neurons the published method is compared."""

import pytest

from n2g.method.paper import described
from n2g.settings import Settings, methods_of


def compared(share: float, seed: int = 0) -> set[int]:
    """The neurons for which a run also fits the published method's graph."""
    _, paper = methods_of(Settings(paper_share=share, seed=seed))
    return {neuron for neuron in range(2000) if described(paper, neuron)}


def test_the_published_method_is_compared_on_a_sample() -> None:
    atlas, _ = methods_of(Settings(paper_share=0.1))
    assert all(described(atlas, neuron) for neuron in range(50)), "the run's own method takes all"
    assert len(compared(1.0)) == 2000
    assert len(compared(0.1)) == pytest.approx(200, abs=50)
    assert compared(0.1) < compared(0.3), "a smaller share is a part of a larger one"
    assert compared(0.1) != compared(0.1, seed=1)


def test_a_run_of_the_published_method_takes_all() -> None:
    (paper,) = methods_of(Settings(method="paper", paper_share=0.1))
    assert all(described(paper, neuron) for neuron in range(50))
