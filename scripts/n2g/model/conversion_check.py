"""What a model's own code makes of a short text, to compare with what the hooks around its parts read."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from n2g.errors import InputError

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import PreTrainedModel

_TOKENS = 8
_LOGITS = "its logits"
_SHARE = 0.1  # of the values' norm: far more than bfloat16 rounds, far less than where anything is wrong


class OwnCode:
    """The inputs of all parts of a model, and its logits, on a text of a few tokens.

    The neurons are the input of the part that projects them back. To be recorded before a bridge is put around the
    model's parts.
    """

    def __init__(self) -> None:
        self._seen: dict[str, torch.Tensor] = {}
        self._error: Exception | None = None

    @torch.no_grad()
    def record(self, model: PreTrainedModel) -> None:
        """Run the model as it was loaded. An error is kept for :meth:`compare`, as other checks may say more of it."""

        def keep(name: str, module: torch.nn.Module, inputs: tuple) -> None:
            if inputs and isinstance(inputs[0], torch.Tensor):
                self._seen[name] = inputs[0].detach().clone()

        try:
            self._tokens = _spread(model.get_input_embeddings().weight.shape[0])
            with ExitStack() as hooks:
                for name, module in model.named_modules():
                    hooks.callback(module.register_forward_pre_hook(partial(keep, name)).remove)
                self._seen[_LOGITS] = model.eval()(self._tokens).logits
        except Exception as error:  # whatever the many kinds of models raise
            self._error = error

    def compare(self, model: TransformerBridge) -> None:
        """Run the bridge on the same text. Raises InputError where a layer's neurons or the logits are others."""
        if not self._seen:
            return  # a native model, whose own code is the bridge's
        if self._error:
            raise InputError(
                f"{model.cfg.architecture} cannot be run as it is: choose another model."
            ) from self._error
        layers = range(model.cfg.n_layers)
        read: dict[int, torch.Tensor] = {}
        hooks = [
            (f"blocks.{layer}.mlp.hook_post", lambda value, hook, layer=layer: read.update({layer: value}))
            for layer in layers
        ]
        with torch.no_grad():
            logits: Any = model.run_with_hooks(self._tokens, fwd_hooks=hooks)
        pairs = [(_LOGITS, logits, self._seen[_LOGITS])]
        for layer in layers:
            part = model.adapter.translate_transformer_lens_path(f"blocks.{layer}.mlp.out")
            pairs.insert(layer, (f"the neurons of layer {layer}", read[layer], self._seen[part]))
        for name, found, own in pairs:
            distance = (found.float().flatten() - own.float().flatten()).norm()
            if distance > _SHARE * own.float().norm():
                raise InputError(
                    f"{model.cfg.architecture} does not give what its own code gives ({name} differ): choose another "
                    "model."
                )


def _spread(vocabulary: int) -> torch.Tensor:
    """A text of different tokens [1, token], from the whole vocabulary."""
    return torch.linspace(0, vocabulary - 1, _TOKENS).long()[None]
