"""A finished run: its neurons as objects, its tables as DataFrames, and queries over all of it.

Questions about all neurons are answered from `patterns.parquet` and `similar.parquet`; only the rows of the tokens in
question are read.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from math import fsum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from n2g.compare.similar import TOP, Profiles
from n2g.errors import InputError
from n2g.graphs.patterns import (
    ANY,
    Pattern,
    accepted,
    loose,
    matches,
    profile,
    specificity,
    spell,
    verified,
    worded,
)
from n2g.graphs.trie import NeuronGraph
from n2g.ids import NeuronId
from n2g.queries.notebook import Picture, neuron_html
from n2g.queries.run_location import Origin, open_origin

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd


class Token(NamedTuple):
    """A token of a text and what a graph predicts for it; `fires` if that reaches the graph's decision threshold."""

    text: str
    predicted: float
    fires: bool


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


class Neuron:
    """One neuron of an atlas: `record`, `id`, `status`, `explanation`, its graph and its predictions."""

    def __init__(self, atlas: Atlas, neuron: NeuronId) -> None:
        self._atlas = atlas
        self.id = neuron
        self.record: dict[str, Any] = atlas.origin.record(neuron)
        self.status: str = self.record["status"]
        self.explanation: str = self.record["explanation"]

    @property
    def graph(self) -> nx.DiGraph | None:
        """The graph as `n2g.export.graphs.to_networkx` returns it; None if there is none."""
        from n2g.export.graphs import to_networkx

        return to_networkx(self.record, self._atlas.words) if self.record["graph"] else None

    def predict(self, text: str) -> list[Token]:
        """The graph's prediction for each token of a text, as if the text were the start of a document."""
        tokens = self._atlas.tokenise(text)
        graph = self.record["graph"]
        predicted = NeuronGraph.from_dict(graph).predict(tokens) if graph else [0.0] * len(tokens)
        threshold = graph["decision_threshold"] if graph else 0.0
        words = self._atlas.words
        return [Token(words[t], p, p > 0 and p >= threshold) for t, p in zip(tokens, predicted, strict=True)]

    def draw(self) -> Picture:
        """The drawing of the graph as SVG; empty if there is none."""
        return Picture(self._atlas.origin.picture(self.id))

    def __repr__(self) -> str:
        return f"<Neuron {self.id}: {self.status}. {self.explanation}>"

    def _repr_html_(self) -> str:
        return neuron_html(self.record, self.explanation, self._atlas.words, self.draw())


class Atlas:
    """A finished run; made by `load_atlas`."""

    def __init__(self, origin: Origin, tokenizer: Path | None = None) -> None:
        self.origin, self._tokenizer = origin, tokenizer

    @cached_property
    def words(self) -> list[str]:
        """The text of each token id."""
        return self.origin.words()

    @cached_property
    def _texts(self) -> dict[int, str]:
        return dict(enumerate(self.words))

    @cached_property
    def _patterns(self) -> pa.Table:
        """All patterns, for what no index leads to."""
        return pq.read_table(self.origin.file("patterns"), read_dictionary=["pole"]).combine_chunks()

    @cached_property
    def _firing(self) -> pa.Table:
        """The patterns that make a graph fire; `unit` is a number for each neuron and pole: layer times 2^32, plus
        twice the neuron, plus 1 for the negative pole."""
        activation = pc.field("activation")
        table = self._patterns.filter((activation > 0) & (activation >= pc.field("decision_threshold")))
        layer, neuron = (table[name].to_numpy().astype(np.int64) for name in ("layer", "neuron"))
        negative = pc.equal(table["pole"], "negative").to_numpy()
        return table.append_column("unit", pa.array((layer << 32) + 2 * neuron + negative))

    @cached_property
    def _encode(self) -> Callable:
        from n2g.texts.corpus import encoder

        path = self._tokenizer or self.origin.tokenizer()
        if not path.is_file():
            raise InputError(f"{path} does not exist: name the model's tokenizer.json.")
        return encoder(path)

    @cached_property
    def _names(self) -> list[NeuronId]:
        return self.origin.names()

    @cached_property
    def _paper(self) -> bool:
        """Whether the graphs are those of the method "paper", which rank patterns differently."""
        return self[self._names[0]].record["provenance"]["method"] == "paper"

    def tokenise(self, text: str) -> list[int]:
        """Token ids of a text, without special tokens."""
        return [int(token) for token in self._encode([text])[0]]

    def __getitem__(self, name: str | NeuronId) -> Neuron:
        """A neuron by its name, such as `L3.N42`.

        Raises:
            InputError: the name is none, or the neuron is not part of the run.
        """
        return Neuron(self, name if isinstance(name, NeuronId) else NeuronId.parse(name))

    def names(self) -> list[NeuronId]:
        """Every neuron of the run, in order."""
        return list(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def table(self, name: str) -> pd.DataFrame:
        """A table as a DataFrame: one of the run, such as `similar`, or one of all blocks, such as `statistics` or
        `evaluate`, with a column `layer`. docs/files.md describes them."""
        return self.origin.table(name).to_pandas()

    def similar(self, name: str, other: Atlas | None = None) -> list[dict[str, Any]]:
        """The neurons most similar to a neuron: kind, neuron, score; the best of each kind first.

        other: another run whose neurons are meant; they are compared by their patterns, by the texts of the tokens.
        """
        if other is not None:
            return self._similar_in(name, other)
        neuron = self[name].id
        wanted = [("layer", "=", neuron.layer), ("neuron", "=", neuron.neuron)]
        rows = _table(self.origin.file("similar"), wanted).to_pylist()
        return [
            {"kind": row["kind"], "neuron": _name(row, "other_"), "score": row["score"]}
            for row in rows
            if row["pole"] == neuron.pole
        ]

    def fires(self, text: str) -> list[Firing]:
        """Every neuron whose graph fires on a text, token by token, strongest first."""
        tokens = self.tokenise(text)
        known = [ANY, *sorted(set(tokens))]
        table = _table(self.origin.file("patterns"), [("token", "in", known)])
        table = table.filter(
            pa.array(_counts(table, lambda codes: (codes >= 0) & ~np.isin(codes, known)) == 0)
        )
        places: dict[int, list[int]] = {}
        for position, token in enumerate(tokens):
            places.setdefault(token, []).append(position)
        best: dict[tuple, tuple] = {}
        for row in table.to_pylist():
            pattern = tuple(row["pattern"])
            rank = specificity(pattern)[::-1] if self._paper else specificity(pattern)
            for position in places.get(row["token"], range(len(tokens)) if row["token"] == ANY else ()):
                key = (position, row["layer"], row["neuron"], row["pole"])
                found = (rank, row["activation"], row["decision_threshold"], row["scale"])
                if (key not in best or best[key][:2] < found[:2]) and matches(
                    pattern, tokens[: position + 1]
                ):
                    best[key] = found
        firings = [
            Firing(
                at,
                self.words[tokens[at]],
                str(NeuronId.of(layer, neuron, pole)),
                value,
                value / scale,
            )
            for (at, layer, neuron, pole), (_, value, threshold, scale) in best.items()
            if value > 0 and value >= threshold
        ]
        return sorted(firings, key=lambda one: (one.position, -one.share, NeuronId.parse(one.neuron)))

    def search(self, activating: str | None = None, context: str | None = None) -> list[Found]:
        """Patterns that make a neuron fire, searched by their tokens, strongest first.

        A word stands for every token of exactly this text; without a space at its beginning also for the token that
        has one.

        Args:
            activating: the token that the neuron fires on.
            context: a token before it.

        Raises:
            InputError: nothing is asked for, or no token is written so.
        """
        if activating is None and context is None:
            raise InputError("name an activating token, a token of the context, or both.")
        first, before = (None if word is None else self._tokens(word) for word in (activating, context))
        tokens = [("token", "in", sorted(first or ()))]
        table = self._patterns if first is None else _table(self.origin.file("patterns"), tokens)
        if before is not None:
            table = table.filter(pa.array(_counts(table, lambda codes: np.isin(codes, sorted(before))) > 0))
        found = [
            Found(
                _name(row),
                self.spell(row["pattern"]),
                row["activation"],
                row["activation"] / row["scale"],
                row["support"],
            )
            for row in table.to_pylist()
            if row["activation"] > 0 and row["activation"] >= row["decision_threshold"]
        ]
        return sorted(found, key=lambda one: (-one.share, NeuronId.parse(one.neuron), one.pattern))

    def compare(self, first: str, second: str, other: Atlas | None = None) -> dict[str, Any]:
        """Two neurons side by side: how similar they are, and the patterns that both or only one of them have.

        other: the second's run, where it is another; patterns are then compared by the texts of their tokens.
        """
        if other is not None:
            return compare(self._worded(first), other._worded(second), lambda pattern: spell(pattern, ()))
        return compare(self[first].record["graph"], self[second].record["graph"], self.spell)

    def _worded(self, name: str) -> dict[str, Any] | None:
        return worded(self[name].record["graph"], self._texts)

    def _similar_in(self, name: str, other: Atlas) -> list[dict[str, Any]]:
        """Those neurons of another run that share a pattern with a neuron, by the weighted Jaccard index."""
        own = profile(verified(self._worded(name)))
        pivots = {pattern[0] for pattern in own}
        tokens = [ANY, *(token for token, text in enumerate(other.words) if text in pivots)]
        firing = other._firing

        def rows(column: str, wanted: Iterable[int]) -> Iterator[tuple[int, Pattern, float]]:
            chosen = firing.filter(pa.array(np.isin(firing[column].to_numpy(), list(wanted))))
            columns = (chosen[name].to_pylist() for name in ("unit", "pattern", "activation"))
            for unit, pattern, activation in zip(*columns, strict=True):
                yield unit, tuple(code if code < 0 else other.words[code] for code in pattern), activation

        sharing = {unit for unit, pattern, _ in rows("token", tokens) if loose(pattern) in own}
        found: dict[int, dict[Pattern, float]] = {}
        for unit, pattern, activation in rows("unit", sharing):
            known = found.setdefault(unit, {})
            known[pattern] = max(activation, known.get(pattern, 0.0))
        scores = {
            str(NeuronId(unit >> 32, unit % 2**32 // 2, unit % 2 == 1)): _jaccard(own, profile(patterns))
            for unit, patterns in found.items()
        }
        best = sorted(scores, key=lambda one: (-scores[one], NeuronId.parse(one)))[:TOP]
        return [{"kind": "similar", "neuron": one, "score": scores[one]} for one in best]

    def spell(self, pattern: Sequence[int | str]) -> str:
        """A pattern in reading order, the activating token last."""
        return spell(pattern, self.words)

    def _tokens(self, word: str) -> set[int]:
        forms = {word} if word.startswith(" ") else {word, f" {word}"}
        found = {token for token, text in enumerate(self.words) if text in forms}
        if not found:
            raise InputError(f"no token is written {word!r}: name a single token of the model.")
        return found

    def __repr__(self) -> str:
        layers = ", ".join(map(str, sorted({name.layer for name in self._names})))
        return f"<Atlas {self.origin.name}: {len(self)} neurons of the layers {layers}>"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(repr(self)[1:-1])}</p>"


def load_atlas(place: str | Path, tokenizer: str | Path | None = None) -> Atlas:
    """A finished run.

    Args:
        place: its folder, such as `results/smollm2`; that of its site; or the address of the site.
        tokenizer: the model's tokenizer.json, where neither the checkout's `resources` nor the site has it.

    Raises:
        InputError: there is no finished run.
    """
    return Atlas(open_origin(place), None if tokenizer is None else Path(tokenizer))


def compare(
    first: Mapping[str, Any] | None, second: Mapping[str, Any] | None, spelled: Callable[[Pattern], str]
) -> dict[str, Any]:
    """Two graphs (in the form of `NeuronGraph.to_dict()`) side by side.

    Returns:
        `similarity`: weighted Jaccard index; `covered`: how much of the first the second covers, and the reverse;
        `duplicate`: whether both surely fire on the same texts; `both`, `first`, `second`: patterns with their
        weights, the share of the graph's largest activation.
    """
    profiles = [profile(verified(graph)) for graph in (first, second)]
    known = Profiles(profiles)
    one, other = profiles
    duplicate = bool(one and other) and accepted(first or {}) == accepted(second or {})

    def listed(keys: Iterable[Pattern], *weights: Mapping[Pattern, float]) -> list[dict[str, Any]]:
        rows = [{"pattern": spelled(key), "weights": [weight[key] for weight in weights]} for key in keys]
        return sorted(rows, key=lambda row: (-max(row["weights"]), row["pattern"]))

    return {
        "similarity": float(known.jaccard(0)[1]),
        "covered": [float(known.covered(0)[1]), float(known.covered(1)[0])],
        "duplicate": duplicate,
        "both": listed(one.keys() & other.keys(), one, other),
        "first": listed(one.keys() - other.keys(), one),
        "second": listed(other.keys() - one.keys(), other),
    }


def _jaccard(one: Mapping[Pattern, float], other: Mapping[Pattern, float]) -> float:
    """The weighted Jaccard index of two profiles that are not empty."""
    common = fsum(min(one[pattern], other[pattern]) for pattern in one.keys() & other.keys())
    return common / (fsum(one.values()) + fsum(other.values()) - common)


def _name(row: Mapping[str, Any], prefix: str = "") -> str:
    return str(NeuronId.of(*(row[f"{prefix}{key}"] for key in ("layer", "neuron", "pole"))))


def _table(path: Path, filters: list) -> pa.Table:
    return pq.read_table(path, filters=filters)


def _counts(table: pa.Table, test: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """int64 [row]: how many codes of each pattern, that of the activating token left out, pass a test."""
    lists = table["pattern"].combine_chunks()
    ends = lists.offsets.to_numpy()
    passed = test(lists.values.to_numpy())
    passed[ends[:-1]] = False
    sums = np.concatenate([[0], np.cumsum(passed)])
    return sums[ends[1:]] - sums[ends[:-1]]
