"""Forward passes that read activations on the way and stop at the last layer that is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int

from n2g.errors import InputError
from n2g.units.encoder import Encoder
from n2g.units.hooks import AFTER_MLP, parse_hook


class _Stop(Exception):
    """Raised by a hook when everything needed has been read."""


@dataclass
class ForwardPass:
    """Runs a `TransformerBridge` up to a layer and reads `hook` there.

    hook: template such as "blocks.{layer}.mlp.hook_post". tokens: how many have been run so far. encoders: where the
    units are latents, layer -> what reads them; what is said here of neurons then holds of latents.
    """

    bridge: Any
    hook: str = "blocks.{layer}.mlp.hook_post"
    device: str = "cpu"
    tokens: int = 0
    encoders: Mapping[int, Encoder] = field(default_factory=dict)
    _points: dict = field(init=False)

    def __post_init__(self) -> None:
        self._points = self.bridge.hook_dict

    @property
    def can_change(self) -> bool:
        """Whether the units that it reads can be set to values: neurons can, latents not always."""
        return all(encoder.can_be_changed for encoder in self.encoders.values())

    @torch.no_grad()
    def read(
        self, tokens: Int[torch.Tensor, "batch position"], layers: Sequence[int]
    ) -> dict[int, torch.Tensor]:
        """Activations [batch, position, neuron] of whole sequences at each of `layers`, in one pass."""
        found = self._states(tokens, layers)
        return (
            {layer: self.encoders[layer].encode(found[layer]) for layer in found} if self.encoders else found
        )

    @torch.no_grad()
    def read_columns(
        self,
        tokens: Int[torch.Tensor, "batch position"],
        columns: Mapping[int, Sequence[slice | Int[torch.Tensor, " column"]]],
    ) -> dict[int, list[torch.Tensor]]:
        """The same for some columns of each layer, in as many parts as they are given: [batch, position, column].

        A slice of neurons is read in place, without a copy.
        """
        found = self._states(tokens, sorted(columns))
        if not self.encoders:
            return {
                layer: [
                    found[layer][..., part]
                    if isinstance(part, slice)
                    else found[layer].index_select(-1, part)
                    for part in parts
                ]
                for layer, parts in columns.items()
            }
        read = {}
        for layer, parts in columns.items():
            numbers = [
                torch.arange(part.start, part.stop, device=tokens.device) if isinstance(part, slice) else part
                for part in parts
            ]
            values = self._units(layer, found[layer], torch.cat(numbers))
            read[layer] = list(values.split([len(part) for part in numbers], -1))
        return read

    def _states(
        self, tokens: Int[torch.Tensor, "batch position"], layers: Sequence[int]
    ) -> dict[int, torch.Tensor]:
        """What the hook of each layer gives: its neurons, or what its encoder reads."""
        found: dict[int, torch.Tensor] = {}

        def keep(layer: int) -> Callable:
            def hook(value: torch.Tensor, hook: Any) -> None:
                found[layer] = self._by_row(layer, value, *tokens.shape)
                if layer == max(layers):
                    raise _Stop

            return hook

        self._forward(tokens, [(self._hook(layer), keep(layer)) for layer in layers])
        return found

    def _hook(self, layer: int) -> str:
        return self.encoders[layer].hook if self.encoders else self.hook.format(layer=layer)

    def _by_row(
        self, layer: int, value: torch.Tensor, rows: int, positions: int
    ) -> Float[torch.Tensor, "row position number"]:
        """The value of a layer's hook row by row; heads of attention side by side.

        Raises:
            InputError: the layer's encoder reads another number of numbers.
        """
        if not self.encoders:
            return _rows_of(value, rows)
        encoder = self.encoders[layer]
        if value.numel() != rows * positions * encoder.width:
            raise InputError(
                f"units: the encoder of layer {layer} reads {encoder.width} numbers of a token, but {encoder.hook} of "
                f"the model has {value.numel() // (rows * positions)}: choose encoders of this model."
            )
        return value.reshape(rows, positions, encoder.width)

    def _units(self, layer: int, states: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
        """Some of a layer's units from what its hook gives."""
        if self.encoders:
            return self.encoders[layer].encode_columns(states, columns)
        return states.index_select(-1, columns)

    def logits(
        self, tokens: Int[torch.Tensor, "batch position"], layer: int, change: Callable
    ) -> Float[torch.Tensor, "batch position token"]:
        """Logits of whole sequences, where `change` makes new activations of a layer from those of the model.

        change: takes and gives [batch, position, neuron].
        """
        return self._forward(tokens, self._changing(tokens, {layer: change}), returns="logits")

    def last_logits(
        self, tokens: Int[torch.Tensor, "batch position"], changes: Mapping[int, Callable]
    ) -> Float[torch.Tensor, "batch token"]:
        """The same after the last token, with a change of its own for each of some layers."""

        def last(value: torch.Tensor, hook: Any) -> torch.Tensor:
            return value[:, -1:]

        hooks = [*self._changing(tokens, changes), ("unembed.hook_in", last)]
        return self._forward(tokens, hooks, returns="logits")[:, -1]

    def _changing(self, tokens: torch.Tensor, changes: Mapping[int, Callable]) -> list[tuple[str, Callable]]:
        """Hooks that change the activations of layers."""
        if self.encoders:
            return [
                hook
                for layer, change in changes.items()
                for hook in self._changing_latents(tokens, layer, change)
            ]

        def changed(change: Callable) -> Callable:
            def hook(value: torch.Tensor, hook: Any) -> torch.Tensor:
                return change(_rows_of(value, len(tokens))).reshape(value.shape)

            return hook

        return [(self.hook.format(layer=layer), changed(change)) for layer, change in changes.items()]

    def _changing_latents(
        self, tokens: torch.Tensor, layer: int, change: Callable
    ) -> list[tuple[str, Callable]]:
        """Hooks that read a layer's latents, and add what their change makes where they write."""
        encoder = self.encoders[layer]
        assert encoder.writes
        states: list[torch.Tensor] = []

        def keep(value: torch.Tensor, hook: Any) -> None:
            states[:] = [self._by_row(layer, value, *tokens.shape)]

        def add(value: torch.Tensor, hook: Any) -> torch.Tensor:
            own = encoder.encode(states[0])
            moved = encoder.shift(change(own) - own, states[0])
            return (value.reshape(*moved.shape) + moved).to(value.dtype).reshape(value.shape)

        return [(encoder.hook, keep), (encoder.writes, add)]

    def leaves(
        self, tokens: Int[torch.Tensor, "batch position"], layers: Sequence[int]
    ) -> tuple[Float[torch.Tensor, "batch position token"], list[torch.Tensor]]:
        """Logits of whole sequences, and what they can be derived by: what goes into the first layer, and the
        activations of `layers`, as the model has them in memory. To be called with gradients enabled."""
        found: list[torch.Tensor] = []

        def begin(value: torch.Tensor, hook: Any) -> torch.Tensor:
            found.append(value.detach().requires_grad_())
            return found[0]

        def keep(value: torch.Tensor, hook: Any) -> None:
            found.append(value)

        hooks = [("blocks.0.hook_in", begin), *((self.hook.format(layer=layer), keep) for layer in layers)]
        return self._forward(tokens, hooks, returns="logits"), found

    def next_logits(
        self,
        tokens: Int[torch.Tensor, "row position"],
        layer: int,
        change: Callable,
        cache: Any = None,
        seen: Int[torch.Tensor, "row key"] | None = None,
        place: int = -1,
    ) -> Float[torch.Tensor, "row token"]:
        """Logits (float32, in main memory) after a token of each row, with new activations as for `logits`.

        cache: keys and values to continue from. seen: which of these, and of the rows' own, are not masked.
        place: which token, the last by default.
        """
        mask = {} if seen is None else {"attention_mask": seen}
        found = self._forward(tokens, self._changing(tokens, {layer: change}), cache, "logits", **mask)
        return found[:, place].float().cpu()

    @torch.no_grad()
    def keys(self, rows: list[tuple[int, ...]], piece: int) -> list:
        """Keys and values of rows of tokens, in all layers; empty for a model without a cache.

        They are computed `piece` tokens at a time, so that the first ones do not depend on how long the rows are.
        """
        known: list = []
        for begin in range(0, len(rows[0]), piece):
            part = [row[begin : begin + piece] for row in rows]
            known = self._keys(self.bridge.cfg.n_layers - 1, part, _cache(known))
        return known

    def _keys(self, layer: int, rows: list[tuple[int, ...]], cache: Any) -> list:
        """Keys and values of rows of tokens, after those in the cache; empty for a model without a cache."""

        def stop(value: torch.Tensor, hook: Any) -> None:
            raise _Stop

        cache = _cache([]) if cache is None else cache
        tokens = torch.tensor(rows, device=self.device)
        self._forward(tokens, [(f"blocks.{layer}.mlp.hook_in", stop)], cache)
        return [(part.keys, part.values) for part in cache.layers[: layer + 1]]

    def _pass(
        self,
        columns: Mapping[int, Sequence[int]],
        known: list,
        rows: Sequence[int],
        suffixes: list,
        padded: int,
        throughout: bool = False,
    ) -> dict[int, torch.Tensor]:
        """Activations at the last token of each suffix after the prefixes `known[rows]`: keys and values, or tokens.

        throughout: at all tokens of the suffixes, which then are as long as `padded`: [suffix, token, column].
        """
        cache, begin, first = None, 0, 0
        if not known or not known[0] or isinstance(known[0][0], int):
            begin = first = len(known[rows[0]])
            if (begin + padded) % 2 and begin + padded < self.bridge.cfg.n_ctx:
                begin += 1  # odd numbers of tokens have the same problem as odd numbers of rows
            suffixes = [(*known[row], *suffix) for row, suffix in zip(rows, suffixes, strict=True)]
        else:
            cache = select(known, rows)
        tokens = torch.tensor([s + s[-1:] * (begin + padded - len(s)) for s in suffixes], device=self.device)
        places = torch.tensor([len(s) - 1 for s in suffixes], device=self.device)
        every, deepest = torch.arange(len(tokens), device=self.device), max(columns)
        pick = {layer: torch.as_tensor(chosen, device=self.device) for layer, chosen in columns.items()}
        found: dict[int, torch.Tensor] = {}

        def narrow(value: torch.Tensor, hook: Any) -> torch.Tensor:
            kept = _rows_of(value, len(tokens))[every, places]
            return kept[:, None] if value.ndim == 3 else kept

        def keep(layer: int) -> Callable:
            def hook(value: torch.Tensor, hook: Any) -> None:
                positions = 1 if narrows and layer == deepest else tokens.shape[1]
                value = self._by_row(layer, value, len(tokens), positions)
                if throughout:
                    at = value[:, first : first + padded]
                else:
                    at = value[:, 0] if value.shape[1] == 1 else value[every, places]
                found[layer] = self._units(layer, at, pick[layer])
                if layer == deepest:
                    raise _Stop

            return hook

        narrows = not throughout and self._narrows(deepest)
        hooks: list[tuple[str, Callable]] = [(f"blocks.{deepest}.mlp.hook_in", narrow)] if narrows else []
        hooks += [(self._hook(layer), keep(layer)) for layer in pick]
        self._forward(tokens, hooks, cache)
        return {layer: value.cpu() for layer, value in found.items()}

    def _narrows(self, layer: int) -> bool:
        """Whether the MLP of the deepest layer needs to see only the last tokens: what is read comes from it alone.

        Of latents in the residual stream it does not: some models cannot add the narrow output to the stream.
        """
        return not self.encoders or parse_hook(self.encoders[layer].hook)[1] in AFTER_MLP

    def _forward(
        self,
        tokens: torch.Tensor,
        hooks: list,
        cache: Any = None,
        returns: str | None = None,
        **extra: Any,
    ) -> Any:
        self.tokens += tokens.numel()
        if cache is not None:
            extra |= {"past_key_values": cache, "use_cache": True}
        # The bridge's own run_with_hooks looks up every name in the model at each call: as slow as a short pass.
        handles = [
            self._points[name].register_forward_hook(lambda point, _, value, hook=hook: hook(value, point))
            for name, hook in hooks
        ]
        try:
            with suppress(_Stop):
                return self.bridge(tokens, return_type=returns, **extra)
        finally:
            for handle in handles:
                handle.remove()


def _rows_of(value: torch.Tensor, rows: int) -> Float[torch.Tensor, "row position neuron"]:
    """A hook's value row by row; some models, such as OPT, flatten rows and positions into one axis."""
    return value.reshape(rows, -1, value.shape[-1])


def _cache(keys: list) -> Any:
    from transformers import DynamicCache

    cache = DynamicCache()
    for layer, (key, value) in enumerate(keys):
        cache.update(key, value, layer)
    return cache


def padded_to(keys: list, length: int) -> list:
    """Keys and values of the first `length` positions, or with zeros behind them."""
    from torch.nn.functional import pad

    return [
        tuple(pad(part[:, :, :length], (0, 0, 0, max(0, length - part.shape[2]))) for part in both)
        for both in keys
    ]


def joined(parts: list[list]) -> list:
    """The keys and values of several groups of rows, layer by layer."""
    if len(parts) == 1:
        return parts[0]
    return [
        (torch.cat([k for k, _ in pairs]), torch.cat([v for _, v in pairs]))
        for pairs in zip(*parts, strict=True)
    ]


def select(keys: list, rows: Sequence[int]) -> Any:
    """The keys and values of some rows, in the form that the model continues from."""
    first, count = rows[0], len(rows)
    if set(rows) == {first}:  # one row for all: no copy
        one = slice(first, first + 1)
        return _cache([(k[one].expand(count, -1, -1, -1), v[one].expand(count, -1, -1, -1)) for k, v in keys])
    chosen = torch.tensor(rows, device=keys[0][0].device)
    return _cache([(key.index_select(0, chosen), value.index_select(0, chosen)) for key, value in keys])
