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
    layers = range(engine.bridge.cfg.n_layers)
    ids = torch.tensor([list(tokens)], device=engine.device)
    with torch.enable_grad(), PROPAGATIONS[how](engine.bridge):
        logits, (start, *kept) = engine.leaves(ids, layers)
        last = logits[0, -1].float()
        if target is None and against == (target := int(last.argmax())):
            raise InputError("--against is the model's own prediction: name the --target, too.")
        value = last[target] - (0 if against is None else last[against])
        slopes = torch.autograd.grad(value, [start, *kept], materialize_grads=True)

    def stacked(values: Sequence[torch.Tensor]) -> np.ndarray:
        return np.stack([_shaped(value, len(tokens)) for value in values])

    return Attribution(
        target,
        float(value.detach()),
        last.detach().cpu().numpy(),
        stacked(kept),
        stacked(slopes[1:]),
        _shaped(start * slopes[0], len(tokens)).sum(-1),
    )


def _shaped(value: torch.Tensor, positions: int) -> np.ndarray:
    """Some models have rows and positions in one axis."""
    return value.detach().float().reshape(positions, -1).cpu().numpy()
