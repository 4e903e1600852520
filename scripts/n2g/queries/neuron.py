"""One neuron of a finished run as an object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from n2g.graphs.token_display import whole_characters
from n2g.graphs.trie import NeuronGraph
from n2g.ids import NeuronId
from n2g.queries.notebook import Picture, neuron_html

if TYPE_CHECKING:
    import networkx as nx

    from n2g.queries.atlas import Atlas


class Token(NamedTuple):
    """A token of a text and what a graph predicts for it; `fires` if that reaches the graph's decision threshold."""

    text: str
    predicted: float
    fires: bool


class Neuron:
    """One neuron of an atlas: `record`, `id`, `status`, `explanation`, `rule`, its graph and its predictions."""

    def __init__(self, atlas: Atlas, neuron: NeuronId) -> None:
        self._atlas = atlas
        self.id = neuron
        self.record: dict[str, Any] = atlas.origin.record(neuron)
        self.status: str = self.record["status"]
        self.explanation: str = self.record["explanation"]
        self.rule: str = self.record.get("rule", "")

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
        texts = whole_characters([self._atlas.words[token] for token in tokens])
        return [Token(text, p, p > 0 and p >= threshold) for text, p in zip(texts, predicted, strict=True)]

    def draw(self) -> Picture:
        """The drawing of the graph as SVG; empty if there is none."""
        return Picture(self._atlas.origin.picture(self.id))

    def __repr__(self) -> str:
        return f"<Neuron {self.id}: {self.status}. {self.explanation}>"

    def _repr_html_(self) -> str:
        return neuron_html(self.record, self.explanation, self._atlas.words, self.draw())
