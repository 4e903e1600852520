"""Mean activations of a layer's neurons on training documents: overall, by token, and where a graph says nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from tqdm import tqdm

from n2g.method.activations import padded_batches
from n2g.model.engine import ROWS, Engine
from n2g.model.halved_batches import in_parts
from n2g.scores.layer_predictions import Graphs, Passage, predict_layer
from n2g.texts.documents import Documents
from n2g.texts.positions import parts


@dataclass(frozen=True)
class TrainingMeans:
    """Mean activations (float64, BOS left out) of some neurons of a layer on training documents.

    mean: [neuron]. tokens: int64, ascending, and by_token: [token, neuron], each with one imagined occurrence at the
    neuron's mean. background: name of a set of graphs -> [neuron], where no pattern of the neuron's graphs matches.
    """

    mean: np.ndarray
    tokens: np.ndarray
    by_token: np.ndarray
    background: Mapping[str, np.ndarray]

    def of_tokens(self, tokens: np.ndarray) -> np.ndarray:
        """float32 [token, neuron], for `tokens` (int64) that are among the known ones."""
        return self.by_token.astype(np.float32)[np.searchsorted(self.tokens, tokens)]


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
    with tqdm(total=int(documents.lengths[numbers].sum()), desc="means", unit="token", mininterval=5) as bar:
        for part in parts(documents.lengths[numbers]):
            passage = Passage.of(documents, numbers[part])
            decided = {
                name: predict_layer(found, neurons, passage.index)[1] for name, found in graphs.items()
            }
            for batch, ids in padded_batches(
                documents, 4 * engine.batch_tokens, engine.device, passage.numbers
            ):
                spans = passage.spans(batch)

                def run(begin: int, end: int, ids: torch.Tensor = ids) -> tuple[int, int, torch.Tensor]:
                    read = engine.read(ids[begin:end], [layer])[layer]
                    return begin, end, read.index_select(-1, columns).double()

                for begin, end, values in in_parts(run, len(ids), ROWS):
                    for row in range(begin, end):
                        span = slice(spans[row].start + 1, spans[row].stop)
                        length = span.stop - span.start
                        sums.add(
                            passage.index.tokens[span],
                            torch.nan_to_num(values[row - begin, 1 : 1 + length], 0, 0, 0),
                            {name: mask[span] for name, mask in decided.items()},
                        )
                bar.update(sum(span.stop - span.start for span in spans))
    return sums.means()


class _Sums:
    """Sums of activations, in double precision, so that the order of the texts does not show."""

    def __init__(self, neurons: int, tokens: np.ndarray, names: Mapping[str, object], device: str):
        self.tokens, self.device = tokens, device
        self.total, self.seen = torch.zeros(neurons, dtype=torch.float64, device=device), 0
        self.by_token = torch.zeros(len(tokens), neurons, dtype=torch.float64, device=device)
        self.counts = np.zeros(len(tokens), dtype=np.int64)
        self.rest = {name: torch.zeros(neurons, dtype=torch.float64, device=device) for name in names}
        self.quiet = {name: np.zeros(neurons, dtype=np.int64) for name in names}

    def add(self, ids: np.ndarray, values: torch.Tensor, decided: Mapping[str, np.ndarray]) -> None:
        """Add a document: token ids (int64 [token]), activations [token, neuron], and where graphs decide."""
        self.total += values.sum(0)
        self.seen += len(ids)
        at = np.minimum(np.searchsorted(self.tokens, ids), len(self.tokens) - 1)
        known = np.flatnonzero(self.tokens[at] == ids)
        rows = torch.as_tensor(at[known], device=self.device)
        self.by_token.index_add_(0, rows, values[torch.as_tensor(known, device=self.device)])
        self.counts += np.bincount(at[known], minlength=len(self.tokens))
        for name, mask in decided.items():
            free = ~np.ascontiguousarray(mask)
            self.rest[name] += (values * torch.as_tensor(free, device=self.device)).sum(0)
            self.quiet[name] += free.sum(0)

    def means(self) -> TrainingMeans:
        mean = self.total.cpu().numpy() / max(self.seen, 1)
        by_token = (self.by_token.cpu().numpy() + mean) / (self.counts[:, None] + 1)
        background = {
            name: np.where(count > 0, self.rest[name].cpu().numpy() / np.maximum(count, 1), mean)
            for name, count in self.quiet.items()
        }
        return TrainingMeans(mean, self.tokens, by_token, background)
