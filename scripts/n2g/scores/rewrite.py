"""Rewriting a layer: the model's next-token loss when every neuron does what its graph predicts.

    recovered = (loss with mean activations - loss with graphs) / (loss with mean activations - loss of the model)

A rewritten neuron has its graph's prediction where a pattern matches, and elsewhere its background: its mean activation
on those tokens of training documents at which none does. Every token of test documents but BOS is rewritten, at BOS
the model's own activations stay; what counts is the loss of the token after each rewritten one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from tqdm import tqdm

from n2g.method.activations import padded_batches
from n2g.model.engine import ROWS, Engine
from n2g.model.halved_batches import in_parts
from n2g.scores.layer_predictions import Passage
from n2g.texts.documents import Documents

# Resamplings of the documents, and the ends of a 95 % interval.
SAMPLES, ENDS = 2000, (2.5, 97.5)


@torch.no_grad()
def document_losses(
    engine: Engine,
    documents: Documents,
    passage: Passage,
    layer: int,
    neurons: Sequence[int],
    values: Float[np.ndarray, "token neuron"] | None,
) -> Float[np.ndarray, " document"]:
    """Next-token loss, in nats, summed over each document of the passage, with neurons of a layer set to `values`."""
    found = np.zeros(len(passage.numbers))
    row_of = {number: row for row, number in enumerate(passage.numbers.tolist())}
    columns = torch.as_tensor(np.array(neurons, dtype=np.int64), device=engine.device)
    budget = 2 * engine.batch_tokens  # logits take more room than activations
    for batch, tokens in padded_batches(documents, budget, engine.device, passage.numbers):
        lengths = torch.as_tensor(documents.lengths[batch], device=engine.device)
        place = torch.arange(tokens.shape[1], device=engine.device)
        text = (place > 0) & (place < lengths[:, None])
        spans = passage.spans(batch)

        def run(
            begin: int,
            end: int,
            tokens: torch.Tensor = tokens,
            text: torch.Tensor = text,
            spans: list[slice] = spans,
        ) -> torch.Tensor:
            def change(value: torch.Tensor) -> torch.Tensor:
                if values is None:
                    return value
                new = padded(values, spans[begin:end], value.shape[1]).to(value)
                kept = value.index_select(-1, columns)
                return value.index_copy(-1, columns, torch.where(text[begin:end, :, None], new, kept))

            logits = engine.logits(tokens[begin:end], layer, change)
            loss = torch.nn.functional.cross_entropy(
                logits[:, 1:-1].flatten(0, 1).float(), tokens[begin:end, 2:].flatten(), reduction="none"
            )
            return (loss.view(end - begin, -1) * text[begin:end, 2:]).double().sum(1).cpu()

        sums = torch.cat(list(in_parts(run, len(tokens), ROWS))).tolist()
        for number, loss in zip(batch.tolist(), sums, strict=True):
            found[row_of[number]] = loss
    return found


def padded(
    values: Float[np.ndarray, "token neuron"], spans: Sequence[slice], longest: int
) -> Float[torch.Tensor, "document position neuron"]:
    """The rows of some documents, each filled up with zeros."""
    new = torch.zeros(len(spans), longest, values.shape[1])
    for row, span in enumerate(spans):
        new[row, : span.stop - span.start] = torch.from_numpy(np.ascontiguousarray(values[span]))
    return new


def predicted_tokens(documents: Documents, passage: Passage) -> np.ndarray:
    """How many tokens (int64 [document]) follow a rewritten one: all but BOS and the one after it."""
    return np.maximum(documents.lengths[passage.numbers] - 2, 0)


def losses_of_all(
    engine: Engine,
    documents: Documents,
    passage: Passage,
    layer: int,
    neurons: Sequence[int],
    values: Iterator[tuple[str, np.ndarray | None]],
) -> dict[str, np.ndarray]:
    """What `document_losses` gives of each of the conditions, in one pass each."""
    return {
        name: document_losses(engine, documents, passage, layer, neurons, given)
        for name, given in tqdm(values, desc="rewrite", unit="pass", mininterval=5)
    }


def loss_rows(
    losses: Mapping[str, np.ndarray], tokens: np.ndarray, *, seed: int = 0
) -> Iterator[dict[str, Any]]:
    """For each condition the loss and what it recovers, with 95 % intervals from a bootstrap over documents.

    Args:
        losses: condition -> float64 [document], sums; `model` and `mean` among them.
        tokens: int64 [document], of how many tokens.
        seed: of the resampling, which is the same for all conditions.

    Yields:
        Columns of the `rewrite` table. `recovered` is NaN where setting the neurons to their means does not clearly
        raise the loss, so that there is nothing to recover.
    """
    documents = len(tokens)
    drawn = np.random.default_rng(seed).multinomial(documents, np.full(documents, 1 / documents), SAMPLES)
    count = _dot(drawn, tokens)
    mean = {name: sums.sum() / max(tokens.sum(), 1) for name, sums in losses.items()}
    resampled = {name: _dot(drawn, sums) / np.maximum(count, 1) for name, sums in losses.items()}
    gap = mean["mean"] - mean["model"]
    gaps = resampled["mean"] - resampled["model"]
    clear = np.percentile(gaps, ENDS[0]) > 0
    gaps = np.where(gaps > 0, gaps, np.nan)
    for name in losses:
        low, high = np.percentile(resampled[name], ENDS)
        again = (resampled["mean"] - resampled[name]) / gaps
        least, most = np.nanpercentile(again, ENDS) if clear else (np.nan, np.nan)
        yield {
            "condition": name,
            "documents": documents,
            "tokens": int(tokens.sum()),
            **{"loss": _short(mean[name]), "loss_low": _short(low), "loss_high": _short(high)},
            "recovered": _short((mean["mean"] - mean[name]) / gap) if clear else np.nan,
            **{"recovered_low": _short(least), "recovered_high": _short(most)},
        }


def _dot(drawn: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Not with `@`, whose threads decide on its last digits."""
    return np.sum(drawn * values.astype(np.float64), axis=1)


def _short(value: float) -> float:
    return round(float(value), 6) + 0.0  # no -0.0
