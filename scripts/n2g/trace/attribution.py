"""How much of a prediction goes through each neuron: one forward and one backward pass for all neurons of a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from n2g.errors import InputError
from n2g.model.engine import Engine
from n2g.trace.propagation import frozen

# How derivatives are taken: of the model with what is not linear frozen, or (the simple control) as it is.
PROPAGATIONS: Mapping[str, Callable[[Any], AbstractContextManager]] = {
    "relevance": frozen,
    "gradient": nullcontext,
}


@dataclass(frozen=True)
class Attribution:
    """Relevances for a logit, or for the difference of two.

    target: whose logit. value: that logit or difference, at the last token. logits: float32 [token id], all of them.
    activations, slopes: float32 [layer, position, neuron], in the units of the hook, and of the logit by that.
    start: float32 [position], relevance of what goes into the first layer.
    """

    target: int
    value: float
    logits: np.ndarray
    activations: np.ndarray
    slopes: np.ndarray
    start: np.ndarray

    @property
    def relevance(self) -> np.ndarray:
        """float32 [layer, position, neuron], in units of the logit."""
        return self.activations * self.slopes


def attribute(
    engine: Engine,
    tokens: Sequence[int],
    target: int | None = None,
    against: int | None = None,
    how: str = "relevance",
) -> Attribution:
    """Relevance of every neuron at every position: its activation times the derivative of the logit by it.

    Args:
        engine: the model.
        tokens: of the prompt, BOS first.
        target: token id whose logit after the prompt is attributed; None for the likeliest.
        against: token id whose logit is subtracted, if any.
        how: one of `PROPAGATIONS`.

    Raises:
        InputError: relevance cannot be propagated through this model, or `against` is the likeliest token itself.
    """
    return attribute_many(engine, [tokens], [target], [against], how)[0]


def attribute_many(
    engine: Engine,
    prompts: Sequence[Sequence[int]],
    targets: Sequence[int | None],
    against: Sequence[int | None],
    how: str = "relevance",
) -> list[Attribution]:
    """The same of several prompts of one length in one pass."""
    layers = range(engine.bridge.cfg.n_layers)
    ids = torch.tensor([list(tokens) for tokens in prompts], device=engine.device)
    with torch.enable_grad(), PROPAGATIONS[how](engine.bridge):
        logits, leaves = engine.leaves(ids, layers)
        last = logits[:, -1].float()
        wanted = [int(row.argmax()) if one is None else one for row, one in zip(last, targets, strict=True)]
        if any(one == other for one, other in zip(wanted, against, strict=True)):
            raise InputError("--against is the model's own prediction: name the --target, too.")
        values = [
            row[one] - (0 if other is None else row[other])
            for row, one, other in zip(last, wanted, against, strict=True)
        ]
        # No prompt of a batch depends on another, so that the sum's derivatives are those of each.
        slopes = torch.autograd.grad(torch.stack(values).sum(), leaves, materialize_grads=True)

    def shaped(value: torch.Tensor) -> np.ndarray:
        """Some models have rows and positions in one axis."""
        return value.detach().float().reshape(*ids.shape, -1).cpu().numpy()

    start = shaped(leaves[0] * slopes[0]).sum(-1)
    activations = np.stack([shaped(one) for one in leaves[1:]], axis=1)
    derivatives = np.stack([shaped(one) for one in slopes[1:]], axis=1)
    shown = last.detach().cpu().numpy()
    columns = (wanted, [float(one.detach()) for one in values], shown, activations, derivatives, start)
    return [Attribution(*row) for row in zip(*columns, strict=True)]
