"""The batching engine: asks a model for the activations of single neurons at the end of short prompts.

Questions of many neurons and examples are packed into full batches. Each prompt is a shared prefix, a
context and one last token; keys and values of prefixes and contexts are computed once, the model stops at
the layer, and only the last position of the last layer goes through the MLP.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from tqdm import tqdm

# Below this many rows some matrix kernels add in another order, so that the result of a prompt would
# depend on its batch. Smaller batches are padded.
SMALLEST_BATCH = 8


class Prompt(NamedTuple):
    """Token ids of a prompt: `prefix` (BOS and neutral text, shared by many) and `suffix`, whose last
    token is the one that is read."""

    prefix: tuple[int, ...]
    suffix: tuple[int, ...]


# What a stage's steps look like: they yield lists of prompts and are sent the activations.
Steps = Generator[list[Prompt], Sequence[float], Any]


class _Stop(Exception):
    """Raised by a hook when everything needed has been read."""


@dataclass
class Engine:
    """Runs a `TransformerBridge` up to a layer and reads `hook` there.

    hook: template such as "blocks.{layer}.mlp.hook_post". batch_tokens: tokens of one forward pass.
    tokens, prompts: what has been run and asked so far.
    """

    bridge: Any
    hook: str = "blocks.{layer}.mlp.hook_post"
    device: str = "cpu"
    batch_tokens: int = 2048
    tokens: int = 0
    prompts: int = 0
    _prefixes: dict = field(default_factory=dict)

    @torch.no_grad()
    def read(self, tokens: Int[torch.Tensor, "batch position"], layers: Sequence[int]) -> dict[int, torch.Tensor]:
        """Activations [batch, position, neuron] of whole sequences at each of `layers`, in one pass."""
        found: dict[int, torch.Tensor] = {}

        def keep(layer: int) -> Callable:
            def hook(value: torch.Tensor, hook: Any) -> None:
                found[layer] = value
                if layer == max(layers):
                    raise _Stop

            return hook

        self._forward(tokens, max(layers), [(self.hook.format(layer=layer), keep(layer)) for layer in layers])
        return found

    @torch.no_grad()
    def ask(self, layer: int, prompts: Sequence[Prompt], neurons: Sequence[int]) -> Float[np.ndarray, " prompt"]:
        """Activation (float32) of `neurons[i]` at the last token of `prompts[i]`."""
        answers = np.zeros(len(prompts), dtype=np.float32)
        columns = sorted(set(neurons))
        column = {neuron: i for i, neuron in enumerate(columns)}
        askers: dict[Prompt, list[int]] = {}
        for i, prompt in enumerate(prompts):
            askers.setdefault(prompt, []).append(i)
        for chunk, values in self.sweep(layer, askers, columns):
            rows = [(i, row, column[neurons[i]]) for row, prompt in enumerate(chunk) for i in askers[prompt]]
            to, row, col = np.array(rows).T
            answers[to] = values[row, col]
        return answers

    @torch.no_grad()
    def sweep(
        self, layer: int, prompts: Iterable[Prompt], columns: Sequence[int]
    ) -> Generator[tuple[list[Prompt], Float[np.ndarray, "prompt column"]], None, None]:
        """Activations (float32) of all `columns` at the last token of every prompt, batch by batch."""
        pick = torch.as_tensor(columns, device=self.device)
        for prefix, contexts in self._plan(prompts):
            keys = self._context(layer, prefix, list(contexts))
            ends = [(row, c, last) for row, (c, lasts) in enumerate(contexts.items()) for last in lasts]
            for begin in range(0, len(ends), self.batch_tokens):
                part = ends[begin : begin + self.batch_tokens]
                rows = self._padded([row for row, _, _ in part])
                last = self._padded([last for _, _, last in part])
                cache = _select(keys, torch.tensor(rows, device=self.device))
                values = self._last(layer, torch.tensor(last, device=self.device)[:, None], cache, pick)
                self.prompts += len(part)
                yield (
                    [Prompt(prefix, (*context, token)) for _, context, token in part],
                    values[: len(part)].float().cpu().numpy(),
                )

    def _plan(self, prompts: Iterable[Prompt]) -> Generator[tuple[tuple[int, ...], dict], None, None]:
        """Prompts grouped by prefix and length of context, as many contexts at a time as fit a batch."""
        groups: dict[tuple, dict[tuple[int, ...], list[int]]] = {}
        for prefix, suffix in prompts:
            if not suffix:
                raise ValueError("a prompt needs at least one token after its prefix")
            group = groups.setdefault((prefix, len(suffix)), {})
            group.setdefault(suffix[:-1], []).append(suffix[-1])
        for (prefix, length), contexts in sorted(groups.items()):
            ordered = sorted(contexts)
            at_once = max(1, self.batch_tokens // length)
            for begin in range(0, len(ordered), at_once):
                yield prefix, {context: contexts[context] for context in ordered[begin : begin + at_once]}

    def _padded(self, rows: list) -> list:
        return rows + rows[:1] * (SMALLEST_BATCH - len(rows))

    def _context(self, layer: int, prefix: tuple[int, ...], contexts: list[tuple[int, ...]]) -> list:
        """Keys and values [context, head, position, dim] of each layer for prefix + context."""
        if (prefix, layer) not in self._prefixes:
            self._prefixes[prefix, layer] = self._keys(layer, [prefix] * SMALLEST_BATCH, None)
        keys = self._prefixes[prefix, layer]
        if not contexts[0]:
            return keys
        rows = self._padded(contexts)
        return self._keys(layer, rows, _select(keys, torch.zeros(len(rows), dtype=torch.long, device=self.device)))

    def _keys(self, layer: int, rows: list[tuple[int, ...]], cache: Any) -> list:
        def stop(value: torch.Tensor, hook: Any) -> None:
            raise _Stop

        cache = _cache([]) if cache is None else cache
        tokens = torch.tensor(rows, device=self.device)
        self._forward(tokens, layer, [(f"blocks.{layer}.mlp.hook_in", stop)], cache)
        return [(part.keys, part.values) for part in cache.layers[: layer + 1]]

    def _last(self, layer: int, tokens: torch.Tensor, cache: Any, pick: torch.Tensor) -> torch.Tensor:
        found = []

        def keep(value: torch.Tensor, hook: Any) -> None:
            found.append(value[:, -1].index_select(-1, pick))
            raise _Stop

        self._forward(tokens, layer, [(self.hook.format(layer=layer), keep)], cache)
        return found[0]

    def _forward(self, tokens: torch.Tensor, layer: int, hooks: list, cache: Any = None) -> None:
        self.tokens += tokens.numel()
        extra = {} if cache is None else {"past_key_values": cache, "use_cache": True}
        try:
            self.bridge.run_with_hooks(tokens, fwd_hooks=hooks, stop_at_layer=layer + 1, return_type=None, **extra)
        except _Stop:
            pass


def _cache(keys: list) -> Any:
    from transformers import DynamicCache

    cache = DynamicCache()
    for layer, (key, value) in enumerate(keys):
        cache.update(key, value, layer)
    return cache


def _select(keys: list, rows: torch.Tensor) -> Any:
    return _cache([(key.index_select(0, rows), value.index_select(0, rows)) for key, value in keys])


def drive(
    steps: Sequence[Steps], answer: Callable[[list[tuple[int, Prompt]]], Sequence[float]], label: str = ""
) -> list:
    """Run many stages' steps side by side and pack all their questions of a round into one call.

    answer: takes (index of the steps, prompt) pairs, gives one activation each. Returns the steps' results.
    """
    results: list[Any] = [None] * len(steps)
    waiting: dict[int, list[Prompt]] = {}

    def advance(i: int, values: Sequence[float] | None) -> None:
        try:
            waiting[i] = steps[i].send(values)
        except StopIteration as end:
            waiting.pop(i, None)
            results[i] = end.value

    for i in range(len(steps)):
        advance(i, None)
    with tqdm(total=len(steps), desc=label, disable=not label, mininterval=5) as progress:
        while waiting:
            before = len(waiting)
            asked = [(i, prompt) for i in sorted(waiting) for prompt in waiting[i]]
            values = list(answer(asked)) if asked else []
            begin = 0
            for i in sorted(waiting):
                count = len(waiting[i])
                advance(i, values[begin : begin + count])
                begin += count
            progress.update(before - len(waiting))
    return results
