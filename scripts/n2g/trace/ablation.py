"""What is left of a prediction if only some neurons do what they do, and all others have their mean activation.

So is the faithfulness of circuits measured (Marks et al. 2025, arXiv:2403.19647). A neuron that is kept has the
activation that follows from what is before it, where others are at their means already. At BOS nothing changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float

from n2g.model.engine import Engine
from n2g.scores.passage import Passage
from n2g.scores.passage_batches import Batch, batches, by_part
from n2g.texts.documents import Documents


@dataclass(frozen=True)
class Case:
    """A prompt, BOS first, with the token that is right after it and one that is wrong, all as token ids."""

    tokens: tuple[int, ...]
    target: int
    against: int


@torch.no_grad()
def mean_activations(engine: Engine, documents: Documents, budget: int) -> Float[np.ndarray, "layer neuron"]:
    """Mean activations of all neurons (float32) on the first training documents, as many as have `budget` tokens
    together, and at least one. BOS is left out. Documents are numbered in random order."""
    layers = range(engine.bridge.cfg.n_layers)
    numbers = documents.of("train")
    count = int(np.searchsorted(np.cumsum(documents.lengths[numbers]), budget, side="right"))
    passage = Passage.of(documents, numbers[: max(count, 1)])
    sums = np.zeros(0)
    seen = 0

    def summed(batch: Batch) -> np.ndarray:
        found = engine.read(batch.tokens, layers)
        text = batch.text[..., None]
        return np.stack(
            [torch.where(text, found[layer].double(), 0).sum((0, 1)).cpu().numpy() for layer in layers]
        )

    for batch in batches(engine, documents, passage, engine.batch_tokens):
        for part, found in by_part(summed, batch):
            sums = found + (sums if seen else 0)
            seen += int(part.text.sum())
    return (sums / max(seen, 1)).astype(np.float32)


@torch.no_grad()
def differences(
    engine: Engine,
    cases: Sequence[Case],
    kept: Sequence[Bool[np.ndarray, "layer position neuron"]] | None,
    means: Float[np.ndarray, "layer neuron"],
) -> Float[np.ndarray, " case"]:
    """Logit of the target less that of the other token after each prompt (float64).

    kept: which neurons keep doing what they do in each prompt, with one position for all if that is the same
        everywhere; None for all neurons.
    """
    found = np.zeros(len(cases))
    average = torch.from_numpy(means).to(engine.device)
    for rows in by_length(cases, engine.batch_tokens):
        tokens = torch.tensor([cases[row].tokens for row in rows], device=engine.device)
        changes = {}
        if kept is not None:
            changes = {
                layer: _Ablation(np.stack([kept[row][layer] for row in rows]), average[layer])
                for layer in range(len(means))
            }
        last = engine.last_logits(tokens, changes).double().cpu().numpy()
        found[rows] = [
            one[cases[row].target] - one[cases[row].against] for row, one in zip(rows, last, strict=True)
        ]
    return found


class _Ablation:
    """Sets the neurons of a layer that are not kept to their means, everywhere but at BOS."""

    def __init__(self, kept: Bool[np.ndarray, "case position neuron"], means: torch.Tensor) -> None:
        self.kept, self.means = kept, means

    def __call__(self, value: torch.Tensor) -> torch.Tensor:
        kept = torch.from_numpy(self.kept).to(value.device).expand_as(value)
        changed = torch.where(kept, value, self.means.to(value))
        return torch.cat([value[:, :1], changed[:, 1:]], dim=1)


def by_length(cases: Sequence[Case], budget: int) -> Iterator[list[int]]:
    """Numbers of cases of equal length, with at most `budget` tokens together where there are two or more."""
    groups: dict[int, list[int]] = {}
    for row, case in enumerate(cases):
        groups.setdefault(len(case.tokens), []).append(row)
    for length, rows in sorted(groups.items()):
        size = max(1, budget // length)
        yield from (rows[begin : begin + size] for begin in range(0, len(rows), size))
