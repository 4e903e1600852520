"""The published rules of Foote et al. (2023), on token ids: one path an example, unimportant tokens ignored,
ignored branches merged, the longest match predicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from n2g.graphs.elements import WILDCARD, Element, End, Pattern, exactly
from n2g.graphs.trie import NeuronGraph
from n2g.method.saliency import Salient
from n2g.settings import Settings


@dataclass(frozen=True)
class PaperExample:
    """A pruned example: its activation in the whole text, its saliency, and its substitutes as (place, token,
    activation relative to the unsubstituted text)."""

    activation: float
    salient: Salient
    substitutes: tuple[tuple[int, int, float], ...] = ()


def fit_paper(examples: Sequence[PaperExample], maximum: float, settings: Settings) -> NeuronGraph:
    """The graph of method "paper" (sections 3.2 to 3.5)."""
    patterns: list[Pattern] = []
    for example in examples:
        patterns.append(_path(example.salient, example.salient.tokens, example.activation))
        for place, token, share in example.substitutes:
            activation = share * example.activation
            if activation >= settings.firing_threshold * maximum:
                tokens = (*example.salient.tokens[:place], token, *example.salient.tokens[place + 1 :])
                patterns.append(_path(example.salient, tokens, activation))
    threshold = settings.firing_threshold * maximum
    return NeuronGraph(
        merge_ignored(patterns), decision_threshold=threshold, scale=maximum, bos=settings.bos, method="paper"
    )


def _path(salient: Salient, tokens: Sequence[int], activation: float) -> Pattern:
    """From the pivot back to the furthest important token; what is not important may be anything."""
    furthest = salient.needed.index(True)
    places = range(len(tokens) - 1, furthest - 1, -1)
    elements = tuple(exactly(tokens[i]) if salient.needed[i] else WILDCARD for i in places)
    return Pattern(elements, End(activation), tuple(salient.importances[i] for i in places))


def merge_ignored(patterns: Sequence[Pattern]) -> list[Pattern]:
    """Where a node has a wildcard child, what follows its other children follows the wildcard instead.

    A sibling that ends a pattern stays, with that end alone.
    """
    done, depth = list(patterns), 1
    while any(len(pattern.elements) > depth for pattern in done):
        wild = {p.elements[:depth] for p in done if len(p.elements) > depth and p.elements[depth] is WILDCARD}
        done = [
            Pattern(_wild_at(p.elements, depth), p.end, p.importances)
            if len(p.elements) > depth + 1 and p.elements[:depth] in wild
            else p
            for p in done
        ]
        depth += 1
    return done


def _wild_at(elements: tuple[Element, ...], depth: int) -> tuple[Element, ...]:
    return (*elements[:depth], WILDCARD, *elements[depth + 1 :])


def described(settings: Settings, neuron: int) -> bool:
    """Whether a neuron is one of those that the method of these settings describes."""
    return settings.method != "paper" or in_sample(settings, neuron)


def in_sample(settings: Settings, neuron: int) -> bool:
    """Whether a neuron is in the sample that is compared with the paper's method."""
    if settings.paper_share == 1.0:
        return True
    drawn = blake2b(f"{settings.seed}/{neuron}".encode(), digest_size=8).digest()
    return int.from_bytes(drawn, "big") < settings.paper_share * 2**64
