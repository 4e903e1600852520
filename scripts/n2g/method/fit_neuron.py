"""One neuron, without a model: from a callable and example texts to its graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from n2g.graphs.matching import TokenIndex
from n2g.graphs.trie import NeuronGraph
from n2g.method.augment import Substitute, augment, candidates_for, propose_all
from n2g.method.candidates import Fired, Selection
from n2g.method.evidence import Evidence
from n2g.method.fit import build, usual
from n2g.method.neutral_text import from_examples, prefixes_for
from n2g.method.paper import PaperExample, fit_paper
from n2g.method.prune import Example, bare, prune
from n2g.method.saliency import Salient, saliency
from n2g.model.prompts import Prompt, drive
from n2g.settings import Settings

Activations = Callable[[list[list[int]]], Sequence[Sequence[float]]]


def fit_neuron(
    activations: Activations,
    examples: Sequence[tuple[Sequence[int], int]],
    settings: Settings = Settings(),  # noqa: B008 (frozen)
) -> NeuronGraph:
    """Fit the graph of one neuron.

    Args:
        activations: token-id sequences -> the activations of each, one per token.
        examples: (token ids, index of the pivot) pairs; if `settings.bos` is set, sequences may start with it, and
            it is never used as evidence.
        settings: without a proposer, no substitutes are tried and no vocabulary is needed.

    Returns:
        The graph; it has no patterns if no example fires.

    Raises:
        ValueError: a pivot is outside its text or on BOS, or an activation is not finite.
    """
    texts = [_without_bos(tokens, pivot, settings.bos) for tokens, pivot in examples]
    bos = bare(settings)
    sequences = [(*bos, *tokens) for tokens, _ in texts]
    values = [np.asarray(row, dtype=np.float64)[len(bos) :] for row in _ask(activations, sequences)]
    maximum = max((float(row.max()) for row in values if len(row)), default=0.0)
    if maximum <= 0:
        return NeuronGraph(bos=settings.bos, method=settings.method)
    threshold = settings.firing_threshold * maximum
    chosen = [
        (i, Example(tokens, pivot, float(values[i][pivot])))
        for i, (tokens, pivot) in enumerate(texts)
        if values[i][pivot] >= threshold
    ]
    studied = _study(activations, [example for _, example in chosen], threshold, settings)
    if settings.method == "paper":
        return fit_paper(_paper_examples(studied), maximum, settings)
    index = TokenIndex.of(sequences, settings.bos)
    dense = np.concatenate([np.concatenate([np.zeros(len(bos)), row]) for row in values]).astype(np.float32)
    starts = np.cumsum([0] + [len(s) for s in sequences])
    evidence = Evidence(index, np.arange(len(dense)), dense, threshold)
    fired = [
        Fired(
            int(starts[i]) + len(bos) + one.example.pivot,
            one.example.activation,
            one.salient,
            tuple((s.place, s.token, s.activation) for s in one.substitutes if s.kept),
        )
        for (i, _), one in zip(chosen, studied, strict=True)
    ]
    selection = Selection(evidence, settings, representative=False)
    return build(selection, fired, {}, maximum, usual(settings))


class _Studied(NamedTuple):
    """An example, its saliency (None where nothing kept the activation), and the substitutes that were tried."""

    example: Example
    salient: Salient | None
    substitutes: Sequence[Substitute]


def _study(
    activations: Activations, examples: Sequence[Example], threshold: float, settings: Settings
) -> list[_Studied]:
    """Prune the examples, measure their tokens' importance, and try substitutes."""
    neutral = from_examples(examples, settings)
    prefixes = prefixes_for(neutral, settings)
    fillers = neutral.fillers[: len(prefixes)]

    def answer(asked: list[tuple[int, Prompt]]) -> list[float]:
        rows = _ask(activations, [(*prompt.prefix, *prompt.suffix) for _, prompt in asked])
        return [float(row[-1]) for row in rows]

    pruned = drive([prune(example, prefixes, settings) for example in examples], answer)
    kept = [n for n, one in enumerate(pruned) if not one.failed]
    found = drive([saliency(pruned[n], prefixes, fillers, settings) for n in kept], answer)
    salients: dict[int, Salient] = dict(zip(kept, found, strict=True))
    proposed = propose_all(settings.proposer, found, settings)
    wanted = [candidates_for(one, found, proposed, settings) for one in found] if settings.proposer else []
    steps = [
        augment(one, w, prefixes, fillers, threshold, settings) for one, w in zip(found, wanted, strict=False)
    ]
    tried = dict(zip(kept, drive(steps, answer), strict=False))
    return [_Studied(example, salients.get(n), tried.get(n, ())) for n, example in enumerate(examples)]


def _paper_examples(studied: Sequence[_Studied]) -> list[PaperExample]:
    return [
        PaperExample(
            one.example.activation,
            one.salient,
            tuple((s.place, s.token, s.activation / one.salient.activation) for s in one.substitutes),
        )
        for one in studied
        if one.salient is not None
    ]


def _without_bos(tokens: Sequence[int], pivot: int, bos: int | None) -> tuple[tuple[int, ...], int]:
    skipped = int(bos is not None and len(tokens) > 0 and tokens[0] == bos)
    if not skipped <= pivot < len(tokens):
        raise ValueError(f"pivot {pivot} is not a token of its text of {len(tokens)} tokens")
    return tuple(int(token) for token in tokens[skipped:]), pivot - skipped


def _ask(activations: Activations, sequences: Sequence[Sequence[int]]) -> list[Sequence[float]]:
    if not sequences:
        return []
    rows = list(activations([list(sequence) for sequence in sequences]))
    for sequence, row in zip(sequences, rows, strict=True):
        if len(row) != len(sequence) or not np.isfinite(np.asarray(row, dtype=np.float64)).all():
            raise ValueError("the activations of a sequence must be one finite number per token")
    return rows
