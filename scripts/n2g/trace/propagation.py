"""Relevance propagation in one backward pass: the model's own forward pass, with what is not linear in it frozen.

While a model is frozen, a gradient is taken as if these were constants:

- the denominators of norms (LN-rule) and the attention patterns (AH-rule), Ali et al. 2022, arXiv:2202.07304;
- what a neuron's activation is to its pre-activation (identity rule), Jafari et al. 2025, arXiv:2508.21258. Of a gated
  neuron, whose activation is a product, either factor has half of it (half rule, as in LRP for gated units).

Then gradient × value is the relevance of a value. What is left is linear, so relevance is conserved: through any cut of
the model flows all of a logit, less what biases add after the cut. Arora et al. 2026 (arXiv:2601.22594) find circuits
of neurons with it. The forward pass stays what it is, up to rounding.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch

from n2g.errors import InputError


@contextmanager
def frozen(bridge: Any) -> Generator[None]:
    """Freeze a `TransformerBridge`.

    Raises:
        InputError: it lacks a hook that this takes.
    """
    points = bridge.hook_dict
    with ExitStack() as stack, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="A forward hook edited hook_scale")

        def change(name: str, new: Callable) -> None:
            if (point := points.get(name)) is None:
                raise InputError(
                    f"the model has no hook {name}, which relevance propagation takes: choose --attribution gradient."
                )
            # Norms look for this kind of hook, and leave their own derivative only where there is one.
            handle = point.add_hook(new)
            stack.callback(handle.hook.remove)
            stack.callback(point.fwd_hooks.remove, handle)

        for name in {
            id(point): name for name, point in points.items() if name.endswith(".hook_scale")
        }.values():
            change(name, _constant)
        for layer in range(bridge.cfg.n_layers):
            attention, mlp = f"blocks.{layer}.attn", f"blocks.{layer}.mlp"
            for name in (f"{attention}.q.hook_out", f"{attention}.k.hook_out"):
                change(name, _constant)
            # Before the norm of those models that have one between activation and neuron.
            after = f"{mlp}.ln.hook_in" if f"{mlp}.ln.hook_in" in points else f"{mlp}.out.hook_in"
            factors: list[torch.Tensor] = []
            for name in (f"{mlp}.gate.hook_out", f"{mlp}.in.hook_out"):
                if name in points:
                    change(name, partial(_keep, factors))
            change(after, partial(_shared, factors))
        yield


def _constant(value: torch.Tensor, hook: Any) -> torch.Tensor:
    return value.detach()


def _keep(factors: list[torch.Tensor], value: torch.Tensor, hook: Any) -> None:
    factors.append(value)


def _shared(factors: list[torch.Tensor], value: torch.Tensor, hook: Any) -> torch.Tensor:
    """The same activations, whose relevance goes to their factors in equal parts."""
    kept = value.detach()
    parts = torch.zeros_like(kept)
    for factor in factors:
        fixed = factor.detach()
        parts = parts + torch.where(fixed == 0, 0, kept / fixed) * (factor - fixed)
    whole = kept + parts / len(factors)
    factors.clear()
    return whole
