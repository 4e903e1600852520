"""Queries to all patterns of a run: which fire on a text, and which contain a token."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from n2g.graphs.patterns import ANY, Pattern, matches
from n2g.graphs.token_display import whole_characters
from n2g.ids import NeuronId


class Firing(NamedTuple):
    """A neuron whose graph fires on a token of a text. `share` is relative to its largest activation on training
    documents."""

    position: int
    text: str
    neuron: str
    predicted: float
    share: float


class Found(NamedTuple):
    """A pattern found by a search."""

    neuron: str
    pattern: str
    activation: float
    share: float
    support: int


class Effect(NamedTuple):
    """A neuron that changes the probability of a token where it fires, as measured on held-out documents.

    probability: the mean change. rank: among the tokens that the neuron promotes or suppresses, 1 for the first.
    places: at how many tokens. loss: the change of the next-token loss there, in nats.
    """

    neuron: str
    text: str
    probability: float
    rank: int
    places: int
    loss: float


def firings(
    path: Path,
    tokens: Sequence[int],
    words: Sequence[str],
    precedence: Callable[[Pattern], tuple],
    letter: str = "N",
) -> list[Firing]:
    """Every neuron that fires on a text by its graph, token by token, the strongest first.

    Args:
        path: the table `patterns`; only the rows of the text's tokens are read.
        tokens: of the text.
        words: text of each token id.
        precedence: which of several patterns of a graph decides: that with the largest.
        letter: in the names, as in `n2g.ids.LETTERS`.
    """
    known = [ANY, *sorted(set(tokens))]
    table = pq.read_table(path, filters=[("token", "in", known)])
    table = table.filter(pa.array(_counts(table, lambda codes: (codes >= 0) & ~np.isin(codes, known)) == 0))
    places: dict[int, list[int]] = {}
    for position, token in enumerate(tokens):
        places.setdefault(token, []).append(position)
    best: dict[tuple, tuple] = {}
    for row in table.to_pylist():
        pattern = tuple(row["pattern"])
        rank = precedence(pattern)
        for position in places.get(row["token"], range(len(tokens)) if row["token"] == ANY else ()):
            key = (position, row["layer"], row["neuron"], row["pole"])
            this = (rank, row["activation"], row["decision_threshold"], row["scale"])
            if (key not in best or best[key][:2] < this[:2]) and matches(pattern, tokens[: position + 1]):
                best[key] = this
    texts = whole_characters([words[token] for token in tokens])
    found = [
        Firing(
            at,
            texts[at],
            str(NeuronId.of(layer, neuron, pole, letter)),
            value,
            value / scale,
        )
        for (at, layer, neuron, pole), (_, value, threshold, scale) in best.items()
        if value > 0 and value >= threshold
    ]
    return sorted(found, key=lambda one: (one.position, -one.share, NeuronId.parse(one.neuron)))


def holding(
    table: pa.Table,
    before: Collection[int] | None,
    spelled: Callable[[Sequence[int | str]], str],
    letter: str = "N",
) -> list[Found]:
    """Those patterns of a table that make a neuron fire and have one of the tokens `before` the activating one, the
    strongest first. None stands for any pattern."""
    if before is not None:
        table = table.filter(pa.array(_counts(table, lambda codes: np.isin(codes, sorted(before))) > 0))
    found = [
        Found(
            row_name(row, letter=letter),
            spelled(row["pattern"]),
            row["activation"],
            row["activation"] / row["scale"],
            row["support"],
        )
        for row in table.to_pylist()
        if row["activation"] > 0 and row["activation"] >= row["decision_threshold"]
    ]
    return sorted(found, key=lambda one: (-one.share, NeuronId.parse(one.neuron), one.pattern))


def changing(table: pa.Table, name: str, tokens: Collection[int], words: Sequence[str]) -> list[Effect]:
    """Neurons that have one of the tokens among those that they promote or suppress where they fire, the largest change
    first.

    table: `effects` of all blocks. name: `promoted` or `suppressed`.
    """
    found = [
        Effect(row_name(row), words[token], value, rank, row["places"], row["loss"])
        for row in table.to_pylist()
        if row["set"] == "firing"
        for rank, (token, value) in enumerate(zip(row[name], row[f"{name}_by"], strict=True), 1)
        if token in tokens
    ]
    return sorted(found, key=lambda one: (-abs(one.probability), NeuronId.parse(one.neuron), one.text))


def row_name(row: Mapping[str, Any], prefix: str = "", letter: str = "N") -> str:
    """The name of the neuron that a row of a table is about."""
    return str(NeuronId.of(*(row[f"{prefix}{key}"] for key in ("layer", "neuron", "pole")), letter))


def _counts(table: pa.Table, test: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """int64 [row]: how many codes of each pattern, that of the activating token left out, pass a test."""
    lists = table["pattern"].combine_chunks()
    ends = lists.offsets.to_numpy()
    passed = test(lists.values.to_numpy())
    passed[ends[:-1]] = False
    sums = np.concatenate([[0], np.cumsum(passed)])
    return sums[ends[1:]] - sums[ends[:-1]]
