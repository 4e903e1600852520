"""The documents of a passage as the model reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from n2g.method.activations import padded_batches
from n2g.model.engine import ROWS, Engine
from n2g.model.halved_batches import in_parts
from n2g.scores.passage import Passage
from n2g.texts.documents import Documents


@dataclass(frozen=True)
class Batch:
    """Some documents, right-padded.

    rows: int64 [document], which of the passage's documents. numbers: int64 [document], in the corpus. spans: where
    they lie in the passage. tokens, text: [document, position], token ids, and whether they count: not BOS or padding.
    """

    rows: np.ndarray
    numbers: np.ndarray
    spans: list[slice]
    tokens: Int[torch.Tensor, "document position"]
    text: Bool[torch.Tensor, "document position"]

    def part(self, begin: int, end: int) -> Batch:
        """Those of the documents from `begin` to `end`."""
        kept = slice(begin, end)
        return Batch(
            self.rows[kept], self.numbers[kept], self.spans[kept], self.tokens[kept], self.text[kept]
        )

    def padded(
        self, values: Float[np.ndarray, "token neuron"]
    ) -> Float[torch.Tensor, "document position neuron"]:
        """What `values` has of these documents, each filled up with zeros, in main memory."""
        new = torch.zeros(*self.tokens.shape, values.shape[1])
        for row, span in enumerate(self.spans):
            new[row, : span.stop - span.start] = torch.from_numpy(np.ascontiguousarray(values[span]))
        return new


def batches(engine: Engine, documents: Documents, passage: Passage, budget: int) -> Iterator[Batch]:
    """The documents of a passage, `budget` tokens at a time."""
    for numbers, tokens in padded_batches(documents, budget, engine.device, passage.numbers):
        lengths = torch.as_tensor(documents.lengths[numbers], device=engine.device)
        place = torch.arange(tokens.shape[1], device=engine.device)
        text = (place > 0) & (place < lengths[:, None])
        yield Batch(passage.rows(numbers), numbers, passage.spans(numbers), tokens, text)


Result = TypeVar("Result")


def by_part(run: Callable[[Batch], Result], batch: Batch) -> Iterator[tuple[Batch, Result]]:
    """What `run` gives of a batch, in parts if it does not fit into GPU memory, and of which documents."""

    def of(begin: int, end: int) -> tuple[Batch, Result]:
        part = batch.part(begin, end)
        return part, run(part)

    return in_parts(of, len(batch.rows), ROWS)


def by_document(
    run: Callable[[Batch], Mapping[str, np.ndarray]], batch: Batch, into: Mapping[str, np.ndarray]
) -> None:
    """Put what `run` gives of a batch, name -> [document, ...], into arrays of all documents of the passage."""
    for part, found in by_part(run, batch):
        for name, values in found.items():
            into[name][part.rows] = values
