"""Rewriting a layer: the model's next-token loss when every neuron does what its graph predicts.

    recovered = (loss with mean activations - loss with graphs) / (loss with mean activations - loss of the model)

A rewritten neuron has its graph's prediction where a pattern matches, and elsewhere its background: its mean activation
on those tokens of training documents at which none does. Every token of test documents but BOS is rewritten, at BOS
the model's own activations stay; what counts is the loss of the token after each rewritten one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from n2g.model.engine import Engine
from n2g.scores.passage import Passage
from n2g.scores.passage_batches import Batch, batches, by_document
from n2g.texts.documents import Documents

# Resamplings of the documents, and the ends of a 95 % interval.
SAMPLES, ENDS = 2000, (2.5, 97.5)


@dataclass(frozen=True)
class Outcome:
    """What a condition does to the predictions of some documents, summed over the tokens of each (float64 [document]).

    losses: next-token loss; divergences: Kullback-Leibler divergence from the model's own predictions; both in nats.
    """

    losses: np.ndarray
    divergences: np.ndarray

    @classmethod
    def joined(cls, parts: Sequence[Outcome]) -> Outcome:
        """Of several groups of documents, one after the other."""
        return cls(
            np.concatenate([one.losses for one in parts]), np.concatenate([one.divergences for one in parts])
        )


@torch.no_grad()
def outcomes(
    engine: Engine,
    documents: Documents,
    passage: Passage,
    layer: int,
    neurons: Sequence[int],
    values: Mapping[str, Float[np.ndarray, "token neuron"]],
) -> dict[str, Outcome]:
    """Run the documents of a passage once as they are (`model`), and once with neurons of a layer set to each of
    `values`."""
    found = {name: np.zeros((len(passage.numbers), 2)) for name in ("model", *values)}
    columns = torch.as_tensor(np.array(neurons, dtype=np.int64), device=engine.device)
    for batch in batches(engine, documents, passage, engine.batch_tokens):
        by_document(partial(_sums, engine, layer, columns, values), batch, found)
    return {name: Outcome(*both.T) for name, both in found.items()}


def _sums(
    engine: Engine,
    layer: int,
    columns: Int[torch.Tensor, " neuron"],
    values: Mapping[str, Float[np.ndarray, "token neuron"]],
    batch: Batch,
) -> dict[str, Float[np.ndarray, "document 2"]]:
    """Loss and divergence of some documents."""

    def predictions(given: np.ndarray | None) -> torch.Tensor:
        def change(value: torch.Tensor) -> torch.Tensor:
            if given is None:
                return value
            kept = value.index_select(-1, columns)
            new = torch.where(batch.text[..., None], batch.padded(given).to(value), kept)
            return value.index_copy(-1, columns, new)

        return engine.logits(batch.tokens, layer, change)[:, 1:-1].float().log_softmax(-1)

    def sums(likely: torch.Tensor) -> np.ndarray:
        loss = -likely.gather(-1, batch.tokens[:, 2:, None])[..., 0]
        divergence = (before.exp() * (before - likely)).sum(-1)
        counted = torch.stack([loss, divergence]) * batch.text[:, 2:]
        return counted.double().sum(-1).T.cpu().numpy()

    before = predictions(None)
    changed = {name: sums(predictions(given)) for name, given in values.items()}
    return {"model": sums(before), **changed}


def predicted_tokens(documents: Documents, passage: Passage) -> np.ndarray:
    """How many tokens (int64 [document]) follow a rewritten one: all but BOS and the one after it."""
    return np.maximum(documents.lengths[passage.numbers] - 2, 0)


def outcome_rows(
    found: Mapping[str, Outcome], tokens: np.ndarray, *, seed: int = 0
) -> Iterator[dict[str, Any]]:
    """For each condition the loss and what it recovers, and the divergence and what is kept, with 95 % intervals from a
    bootstrap over documents.

    Args:
        found: condition -> its outcome; `model` and `mean` among them.
        tokens: int64 [document], of how many tokens.
        seed: of the resampling, which is the same for all conditions.

    Yields:
        Columns of the `rewrite` table. `kept` is 1 - divergence / divergence of `mean`. `recovered` is NaN where
        setting the neurons to their means does not clearly raise the loss, so that there is nothing to recover.
    """
    documents = len(tokens)
    drawn = resampled(documents, seed)
    count = _dot(drawn, tokens)
    again = {name: _dot(drawn, one.losses) / np.maximum(count, 1) for name, one in found.items()}
    gaps = again["mean"] - again["model"]
    losses = {name: one.losses.sum() / max(tokens.sum(), 1) for name, one in found.items()}
    gap = losses["mean"] - losses["model"] if np.percentile(gaps, ENDS[0]) > 0 else 0.0
    apart = {name: _dot(drawn, one.divergences) for name, one in found.items()}
    effect = {name: one.divergences.sum() for name, one in found.items()}
    for name in found:
        low, high = np.percentile(again[name], ENDS)
        yield {
            "condition": name,
            "documents": documents,
            "tokens": int(tokens.sum()),
            **{"loss": _short(losses[name]), "loss_low": _short(low), "loss_high": _short(high)},
            **_share("recovered", losses["mean"] - losses[name], gap, again["mean"] - again[name], gaps),
            "divergence": _short(effect[name] / max(tokens.sum(), 1)),
            **_share(
                "kept",
                effect["mean"] - effect[name],
                effect["mean"],
                apart["mean"] - apart[name],
                apart["mean"],
            ),
        }


def _share(name: str, part: float, whole: float, parts: np.ndarray, wholes: np.ndarray) -> dict[str, float]:
    """part / whole with the interval of the same in resamplings; NaN where the whole is not above 0."""
    if not whole > 0:
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"), np.nan)
    low, high = np.percentile(parts[wholes > 0] / wholes[wholes > 0], ENDS)
    return {name: _short(part / whole), f"{name}_low": _short(low), f"{name}_high": _short(high)}


def resampled(documents: int, seed: int) -> np.ndarray:
    """How often each document is in each of `SAMPLES` resamplings: int64 [resampling, document]."""
    return np.random.default_rng(seed).multinomial(documents, np.full(documents, 1 / documents), SAMPLES)


def _dot(drawn: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Not with `@`, whose threads decide on its last digits."""
    return np.sum(drawn * values.astype(np.float64), axis=1)


def _short(value: float) -> float:
    return round(float(value), 6) + 0.0  # no -0.0
