"""A rule: a few patterns that say in one line when a neuron fires. The line itself is what is run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from n2g.graphs.elements import Element, End, Pattern, exactly, one_of
from n2g.graphs.trie import NeuronGraph

Elements = tuple[Element, ...]


@dataclass(frozen=True)
class Rule:
    """Patterns any of which makes the neuron fire, each from the activating token backwards, the most useful first.

    It is kept in one form: a class that is a whole pattern counts as a pattern for each of its tokens, weights are 1,
    and nothing stands twice.
    """

    patterns: tuple[Elements, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "patterns", tuple(dict.fromkeys(_single(self.patterns))))

    def graph(self, activation: float = 1.0, bos: int | None = None) -> NeuronGraph:
        """The graph that predicts `activation` where the rule matches, and 0 elsewhere."""
        ends = (Pattern(elements, End(activation)) for elements in self.patterns)
        return NeuronGraph(ends, decision_threshold=activation, scale=activation, bos=bos)

    def matches(self, tokens: Sequence[int], bos: int | None = None) -> list[bool]:
        """Whether it matches at each token of a text."""
        return [value > 0 for value in self.graph(bos=bos).predict(tokens)]


def _single(patterns: Iterable[Elements]) -> Iterable[Elements]:
    for elements in patterns:
        plain = tuple(one_of(one.tokens) if one.tokens else one for one in elements)
        if len(plain) == 1 and plain[0].tokens:
            yield from ((exactly(token),) for token in plain[0].tokens)
        else:
            yield plain
