"""Mean activations of a layer's neurons on training documents: overall, by token, and where a graph says nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Int
from tqdm import tqdm

from n2g.model.engine import Engine
from n2g.scores.layer_predictions import Graphs, predict_layer
from n2g.scores.passage import Passage
from n2g.scores.passage_batches import Batch, batches, by_part
from n2g.texts.documents import Documents
from n2g.texts.positions import parts

BY_TOKEN = ("graph",)  # sets of graphs whose background is also wanted by token


@dataclass(frozen=True)
class TrainingMeans:
    """Mean activations (float64, BOS left out) of some neurons of a layer on training documents.

    mean: [neuron]. tokens: int64, ascending, and by_token: [token, neuron], each with one imagined occurrence at the
    neuron's mean. background: name of a set of graphs -> [neuron], where no pattern of the neuron's graphs matches.
    background_by_token: the same -> [token, neuron], with one imagined occurrence at the background.
    """

    mean: np.ndarray
    tokens: np.ndarray
    by_token: np.ndarray
    background: Mapping[str, np.ndarray]
    background_by_token: Mapping[str, np.ndarray]

    def of_tokens(self, tokens: np.ndarray) -> np.ndarray:
        """float32 [token, neuron], for `tokens` (int64) that are among the known ones."""
        return self.by_token.astype(np.float32)[np.searchsorted(self.tokens, tokens)]

    def background_of_tokens(self, name: str, tokens: np.ndarray) -> np.ndarray:
        """The same, of the background of a set of graphs."""
        return self.background_by_token[name].astype(np.float32)[np.searchsorted(self.tokens, tokens)]


def training_means(
    engine: Engine,
    documents: Documents,
    layer: int,
    neurons: Sequence[int],
    tokens: np.ndarray,
    graphs: Mapping[str, Graphs],
    budget: int,
) -> TrainingMeans:
    """Run the model up to a layer over the first training documents, as many as have `budget` tokens together.

    Documents are numbered in random order. Memory is bounded by neurons × `tokens`, and by a part of the texts.

    Args:
        engine: the model.
        documents: the corpus without test documents.
        layer, neurons: whose activations.
        tokens: int64, the token ids of which the means are wanted.
        graphs: sets of graphs, by name.
        budget: tokens, BOS included; at least one document is read.
    """
    tokens, numbers = np.unique(tokens), documents.of("train")
    count = int(np.searchsorted(np.cumsum(documents.lengths[numbers]), budget, side="right"))
    numbers = numbers[: max(count, 1)]
    sums = _Sums(len(neurons), tokens, graphs, engine.device)
    columns = torch.as_tensor(np.array(neurons, dtype=np.int64), device=engine.device)
    read = partial(_activations, engine, layer, columns)
    with tqdm(total=int(documents.lengths[numbers].sum()), desc="means", unit="token", mininterval=5) as bar:
        for part in parts(documents.lengths[numbers]):
            passage = Passage.of(documents, numbers[part])
            decided = {
                name: predict_layer(found, neurons, passage.index)[1] for name, found in graphs.items()
            }
            for batch in batches(engine, documents, passage, 4 * engine.batch_tokens):
                for piece, values in by_part(read, batch):
                    for row, whole in enumerate(piece.spans):
                        span = slice(whole.start + 1, whole.stop)
                        sums.add(
                            passage.index.tokens[span],
                            torch.nan_to_num(values[row, 1 : 1 + span.stop - span.start], 0, 0, 0),
                            {name: mask[span] for name, mask in decided.items()},
                        )
                bar.update(sum(span.stop - span.start for span in batch.spans))
    return sums.means()


def _activations(
    engine: Engine, layer: int, columns: Int[torch.Tensor, " neuron"], batch: Batch
) -> Float[torch.Tensor, "document position neuron"]:
    return engine.read_columns(batch.tokens, {layer: [columns]})[layer][0].double()


class _Sums:
    """Sums of activations, in double precision, so that the order of the texts does not show."""

    def __init__(self, neurons: int, tokens: np.ndarray, names: Iterable[str], device: str):
        def zeros(*shape: int) -> torch.Tensor:
            return torch.zeros(shape, dtype=torch.float64, device=device)

        self.tokens, self.device = tokens, device
        self.total, self.seen = zeros(neurons), 0
        self.by_token, self.counts = zeros(len(tokens), neurons), zeros(len(tokens))
        # Where no pattern matches: by set of graphs, of all tokens, and of each.
        self.rest = {name: (zeros(neurons), zeros(neurons)) for name in names}
        self.rest_by_token = {
            name: (zeros(len(tokens), neurons), zeros(len(tokens), neurons))
            for name in self.rest
            if name in BY_TOKEN
        }

    def add(self, ids: np.ndarray, values: torch.Tensor, decided: Mapping[str, np.ndarray]) -> None:
        """Add a document: token ids (int64 [token]), activations [token, neuron], and where graphs decide."""
        self.total += values.sum(0)
        self.seen += len(ids)
        at = np.minimum(np.searchsorted(self.tokens, ids), len(self.tokens) - 1)
        found = np.flatnonzero(self.tokens[at] == ids)
        known, rows = (torch.as_tensor(one, device=self.device) for one in (found, at[found]))
        self.by_token.index_add_(0, rows, values[known])
        self.counts.index_add_(0, rows, torch.ones_like(rows, dtype=torch.float64))
        for name, (sums, counts) in self.rest.items():
            free = torch.as_tensor(~np.ascontiguousarray(decided[name]), device=self.device).double()
            sums += (values * free).sum(0)
            counts += free.sum(0)
            if name in self.rest_by_token:
                sums_of, counts_of = self.rest_by_token[name]
                sums_of.index_add_(0, rows, (values * free)[known])
                counts_of.index_add_(0, rows, free[known])

    def means(self) -> TrainingMeans:
        mean = self.total / max(self.seen, 1)
        background = {
            name: torch.where(counts > 0, sums / counts.clamp(min=1), mean)
            for name, (sums, counts) in self.rest.items()
        }
        by_token = (self.by_token + mean) / (self.counts[:, None] + 1)
        rest = {
            name: (sums + background[name]) / (counts + 1)
            for name, (sums, counts) in self.rest_by_token.items()
        }
        return TrainingMeans(
            mean.cpu().numpy(),
            self.tokens,
            by_token.cpu().numpy(),
            {name: one.cpu().numpy() for name, one in background.items()},
            {name: one.cpu().numpy() for name, one in rest.items()},
        )
