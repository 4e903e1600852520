"""A finished run: its neurons as objects, its tables as DataFrames, and queries over all of it.

Queries about all neurons are answered from `patterns.parquet` and `similar.parquet`; only the rows of the tokens in
the query are read.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from n2g.errors import InputError
from n2g.graphs.patterns import Pattern, profile, specificity, spell, verified, worded
from n2g.graphs.rule_grammar import Spelling
from n2g.graphs.token_display import whole_characters
from n2g.ids import NeuronId
from n2g.queries.comparison import compare, similar_in
from n2g.queries.neuron import Neuron
from n2g.queries.pattern_search import Effect, Firing, Found, changing, firings, holding, row_name
from n2g.queries.run_reader import RunReader, open_run

if TYPE_CHECKING:
    import pandas as pd


class Matched(NamedTuple):
    """A token of a text, and whether a rule matches there."""

    text: str
    matches: bool


class Atlas:
    """A finished run; made by `load_atlas`."""

    def __init__(self, origin: RunReader, tokenizer: Path | None = None) -> None:
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
        """All patterns, for queries without an index."""
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
        from n2g.model.vocabulary import vocabulary
        from n2g.texts.corpus import encoder

        path = self._tokenizer or self.origin.tokenizer()
        if not path.is_file():
            raise InputError(f"{path} does not exist: name the model's tokenizer.json.")
        encode = encoder(path)
        if self._tokenizer and vocabulary(path, len(self.words))["text"] != self.words:
            raise InputError(f"{path} has other tokens than this run: name the tokenizer.json of its model.")
        return encode

    @cached_property
    def _names(self) -> list[NeuronId]:
        return self.origin.names()

    @property
    def _letter(self) -> str:
        """The letter in the names: of neurons or of latents."""
        return self._names[0].letter

    @cached_property
    def _paper(self) -> bool:
        """Whether the graphs are those of the method "paper", which rank patterns differently."""
        return self[self._names[0]].record["provenance"]["method"] == "paper"

    def _precedence(self, pattern: Pattern) -> tuple[int, int]:
        """Of several patterns of a graph that match, that with the largest decides."""
        return specificity(pattern)[::-1] if self._paper else specificity(pattern)

    def tokenise(self, text: str) -> list[int]:
        """Token ids of a text, without special tokens. Raises InputError where it holds what is no character."""
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InputError(
                f"the text {text!r} is not UTF-8 at character {error.start + 1}: correct it."
            ) from error
        return [int(token) for token in self._encode([text])[0]]

    def __getitem__(self, name: str | NeuronId) -> Neuron:
        """A neuron by its name, such as `L3.N42`.

        Raises:
            InputError: the name is malformed, or the neuron is not part of the run.
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
            own = profile(verified(self._worded(name)))
            return similar_in(own, other._firing, other.words, other._letter)
        neuron = self[name].id
        wanted = [("layer", "=", neuron.layer), ("neuron", "=", neuron.neuron)]
        rows = pq.read_table(self.origin.file("similar"), filters=wanted).to_pylist()
        return [
            {"kind": row["kind"], "neuron": row_name(row, "other_", self._letter), "score": row["score"]}
            for row in rows
            if row["pole"] == neuron.pole
        ]

    def fires(self, text: str) -> list[Firing]:
        """Every neuron whose graph fires on a text, token by token, strongest first."""
        tokens = self.tokenise(text)
        return firings(self.origin.file("patterns"), tokens, self.words, self._precedence, self._letter)

    def match(self, rule: str, text: str) -> list[Matched]:
        """Whether a rule, such as `Black|Red … Sea`, matches at each token of a text, as if the text were the start of
        a document. docs/rules.md describes rules. Raises InputError where the line is not one."""
        tokens = self.tokenise(text)
        found = Spelling(self.words).read(rule).matches(tokens)
        texts = whole_characters([self.words[token] for token in tokens])
        return [Matched(text, matches) for text, matches in zip(texts, found, strict=True)]

    def search(self, activating: str | None = None, context: str | None = None) -> list[Found]:
        """Patterns that make a neuron fire, searched by their tokens, strongest first.

        A word stands for every token of exactly this text; without a space at its beginning also for the token that
        has one.

        Args:
            activating: the token that the neuron fires on.
            context: a token before it.

        Raises:
            InputError: nothing is asked for, or there is no such token.
        """
        if activating is None and context is None:
            raise InputError("name an activating token, a token of the context, or both.")
        first, before = (None if word is None else self._tokens(word) for word in (activating, context))
        tokens = [("token", "in", sorted(first or ()))]
        table = (
            self._patterns if first is None else pq.read_table(self.origin.file("patterns"), filters=tokens)
        )
        return holding(table, before, self.spell, self._letter)

    def effects(self, promoted: str | None = None, suppressed: str | None = None) -> list[Effect]:
        """Neurons that promote or suppress a token where they fire, as measured: those that have it among their first
        ten. A word stands for tokens as in `search`.

        Raises:
            InputError: not exactly one of the two is asked for, there is no such token, or nothing was
                measured.
        """
        if (promoted is None) == (suppressed is None):
            raise InputError("name a promoted token or a suppressed one.")
        name, word = ("promoted", promoted) if suppressed is None else ("suppressed", suppressed)
        tokens = self._tokens(word or "")
        return changing(self.origin.table("effects"), name, tokens, self.words)

    def compare(self, first: str, second: str, other: Atlas | None = None) -> dict[str, Any]:
        """Two neurons side by side: how similar they are, and the patterns that both or only one of them have.

        other: the second's run, where it is another; patterns are then compared by the texts of their tokens.
        """
        if other is not None:
            return compare(self._worded(first), other._worded(second), lambda pattern: spell(pattern, ()))
        return compare(self[first].record["graph"], self[second].record["graph"], self.spell)

    def _worded(self, name: str) -> dict[str, Any] | None:
        return worded(self[name].record["graph"], self._texts)

    def spell(self, pattern: Sequence[int | str]) -> str:
        """A pattern in reading order, the activating token last."""
        return spell(pattern, self.words)

    def _tokens(self, word: str) -> set[int]:
        forms = {word} if word.startswith(" ") else {word, f" {word}"}
        found = {token for token, text in enumerate(self.words) if text in forms}
        if not found:
            raise InputError(f"{word!r} is not a token: name a single token of the model.")
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
    return Atlas(open_run(place), None if tokenizer is None else Path(tokenizer))
