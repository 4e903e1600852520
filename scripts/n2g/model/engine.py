"""The batching engine: asks a model for the activations of single neurons at the end of short prompts.

Questions of many neurons and examples are packed into full batches. Each prompt is a shared prefix, a
context and one last token; keys and values of prefixes and contexts are computed once, the model stops at
the layer, and only the last position of the last layer goes through the MLP.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from tqdm import tqdm

from n2g.model.gpu_memory import in_parts

# A batch is filled up to a multiple of this many rows. In fewer rows, or in the last few of an odd number, some
# kernels add in another order or take another exponential, so that an answer would depend on what is asked beside it.
ROWS = 8
# Suffixes are padded to the next of these lengths, whatever else is asked with them.
LENGTHS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)


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
    batch_tokens: int = 512
    tokens: int = 0
    prompts: int = 0
    caches: bool = field(init=False)
    _prefixes: dict = field(default_factory=dict)
    _points: dict = field(init=False)

    @torch.no_grad()
    def __post_init__(self) -> None:
        """See whether the model takes up where keys and values leave off; native TransformerLens models do not."""
        self._points = self.bridge.hook_dict
        self.caches = bool(self._keys(0, [(0, 0)] * ROWS, None))

    @torch.no_grad()
    def read(
        self, tokens: Int[torch.Tensor, "batch position"], layers: Sequence[int]
    ) -> dict[int, torch.Tensor]:
        """Activations [batch, position, neuron] of whole sequences at each of `layers`, in one pass."""
        found: dict[int, torch.Tensor] = {}

        def keep(layer: int) -> Callable:
            def hook(value: torch.Tensor, hook: Any) -> None:
                found[layer] = _rows_of(value, len(tokens))
                if layer == max(layers):
                    raise _Stop

            return hook

        self._forward(tokens, [(self.hook.format(layer=layer), keep(layer)) for layer in layers])
        return found

    @torch.no_grad()
    def ask(
        self, layer: int, prompts: Sequence[Prompt], neurons: Sequence[int], shared: bool = False
    ) -> Float[np.ndarray, " prompt"]:
        """Activation (float32) of `neurons[i]` at the last token of `prompts[i]`.

        shared: many prompts are the same but for their last token, so that contexts are worth computing once.
        """
        answers = np.zeros(len(prompts), dtype=np.float32)
        columns = sorted(set(neurons))
        column = {neuron: i for i, neuron in enumerate(columns)}
        askers: dict[Prompt, list[int]] = {}
        for i, prompt in enumerate(prompts):
            askers.setdefault(prompt, []).append(i)
        for chunk, values in (self.sweep if shared else self._whole)({layer: columns}, askers):
            rows = [(i, row, column[neurons[i]]) for row, prompt in enumerate(chunk) for i in askers[prompt]]
            to, row, col = np.array(rows).T
            answers[to] = values[layer][row, col]
        return answers

    def answers(
        self, layer: int, neurons: Sequence[int], signs: Sequence[int], shared: bool = False
    ) -> Callable:
        """What `drive` needs: steps i ask for the activation of neurons[i] times signs[i]."""

        def answer(asked: list[tuple[int, Prompt]]) -> np.ndarray:
            values = self.ask(layer, [prompt for _, prompt in asked], [neurons[i] for i, _ in asked], shared)
            return values * np.array([signs[i] for i, _ in asked], dtype=np.float32)

        return answer

    @torch.no_grad()
    def sweep(
        self, columns: Mapping[int, Sequence[int]], prompts: Iterable[Prompt]
    ) -> Generator[tuple[list[Prompt], dict[int, Float[np.ndarray, "prompt column"]]], None, None]:
        """Activations (float32) at the last token of every prompt, batch by batch: columns[layer] of each layer.

        The keys and values of everything before the last token are computed once for all prompts that share it.
        """
        contexts: dict[tuple[int, int], dict[Prompt, list[int]]] = {}
        for prefix, suffix in prompts:
            group = contexts.setdefault((len(prefix), len(suffix)), {})
            group.setdefault(Prompt(prefix, suffix[:-1]), []).append(suffix[-1])
        deepest = max(columns)
        for (_, length), group in sorted(contexts.items()):
            for some in _parts(sorted(group), self._rows(length)):
                cache, rows = self._prefixed(deepest, [prompt.prefix for prompt in some])
                known = (
                    (cache, rows)
                    if length == 1
                    else (self._extended(deepest, cache, rows, some), range(len(some)))
                )
                ends = [
                    (row, prompt, last)
                    for row, prompt in zip(known[1], some, strict=True)
                    for last in group[prompt]
                ]
                for part in _parts(ends, self._rows(1)):
                    tokens = [(last,) for *_, last in part]
                    values = self._last(columns, known[0], [row for row, *_ in part], tokens, 1)
                    yield [Prompt(p.prefix, (*p.suffix, last)) for _, p, last in part], values

    @torch.no_grad()
    def _whole(
        self, columns: Mapping[int, Sequence[int]], prompts: Iterable[Prompt]
    ) -> Generator[tuple[list[Prompt], dict[int, np.ndarray]], None, None]:
        """As `sweep`, each suffix in one go, right-padded to one of few lengths: the model looks only back."""
        groups: dict[tuple[int, int], list[Prompt]] = {}
        for prompt in prompts:
            begin, length = len(prompt.prefix), len(prompt.suffix)
            padded = next((size for size in LENGTHS if size >= length), length)
            padded = max(length, min(padded, self.bridge.cfg.n_ctx - begin))
            groups.setdefault((begin, padded), []).append(prompt)
        for (_, padded), group in sorted(groups.items()):
            for some in _parts(sorted(group), self._rows(padded)):
                cache, rows = self._prefixed(max(columns), [prompt.prefix for prompt in some])
                yield some, self._last(columns, cache, rows, [prompt.suffix for prompt in some], padded)

    def _in_parts(self, run: Callable[[int, int], Any], count: int) -> list:
        """What `in_parts` gives. Where there was no room, batches are smaller from now on."""
        parts = list(in_parts(run, count, ROWS))
        if len(parts) > 1:
            self.batch_tokens //= 2
        return parts

    def _rows(self, length: int) -> int:
        """Prompts of one forward pass, each of so many tokens."""
        return max(1, self.batch_tokens // (length * ROWS)) * ROWS

    def _prefixed(self, layer: int, prefixes: list[tuple[int, ...]]) -> tuple[list, list[int]]:
        """Keys and values of the distinct prefixes (all of one length), and the row of each of `prefixes`.

        Where the model keeps no keys and values, the token ids of the prefixes themselves.
        """
        distinct = sorted(set(prefixes))
        if not self.caches or not distinct[0]:
            known = distinct
        else:
            for prefix in distinct:
                if (prefix, layer) not in self._prefixes:
                    self._prefixes[prefix, layer] = self._keys(layer, [prefix] * ROWS, None)
            parts = [self._prefixes[prefix, layer] for prefix in distinct]
            known = _joined([[(k[:1], v[:1]) for k, v in part] for part in parts])
        row = {prefix: i for i, prefix in enumerate(distinct)}
        return known, [row[prefix] for prefix in prefixes]

    def _extended(self, layer: int, known: list, rows: list[int], prompts: list[Prompt]) -> list:
        """The same for prefix and suffix of each prompt (all of one length)."""
        if not self.caches or not known[0] or isinstance(known[0][0], int):
            return [(*prompt.prefix, *prompt.suffix) for prompt in prompts]
        suffixes = [prompt.suffix for prompt in prompts]
        whole = self._rows(len(suffixes[0]))
        rows, suffixes = filled(rows, whole, self.device), filled(suffixes, whole, self.device)

        def run(begin: int, end: int) -> list:
            return self._keys(layer, suffixes[begin:end], _select(known, rows[begin:end]))

        return _joined(self._in_parts(run, len(rows)))

    def _keys(self, layer: int, rows: list[tuple[int, ...]], cache: Any) -> list:
        def stop(value: torch.Tensor, hook: Any) -> None:
            raise _Stop

        cache = _cache([]) if cache is None else cache
        tokens = torch.tensor(rows, device=self.device)
        self._forward(tokens, [(f"blocks.{layer}.mlp.hook_in", stop)], cache)
        return [(part.keys, part.values) for part in cache.layers[: layer + 1]]

    def _last(
        self,
        columns: Mapping[int, Sequence[int]],
        known: list,
        rows: Sequence[int],
        suffixes: list,
        padded: int,
    ) -> dict[int, np.ndarray]:
        """Activations at the last token of each suffix after the prefixes `known[rows]`."""
        count, whole = len(suffixes), self._rows(padded)
        rows, suffixes = filled(list(rows), whole, self.device), filled(suffixes, whole, self.device)
        self.prompts += count
        parts = self._in_parts(
            lambda begin, end: self._pass(columns, known, rows[begin:end], suffixes[begin:end], padded),
            len(rows),
        )
        # A prompt after which the activation is no number is no evidence.
        return {
            layer: torch.nan_to_num(
                torch.cat([part[layer] for part in parts])[:count].float(), 0, 0, 0
            ).numpy()
            for layer in columns
        }

    def _pass(
        self,
        columns: Mapping[int, Sequence[int]],
        known: list,
        rows: Sequence[int],
        suffixes: list,
        padded: int,
    ) -> dict[int, torch.Tensor]:
        """The same in one forward pass."""
        cache, begin = None, 0
        if not known or not known[0] or isinstance(known[0][0], int):
            begin = len(known[rows[0]])
            if (begin + padded) % 2 and begin + padded < self.bridge.cfg.n_ctx:
                begin += 1  # odd numbers of tokens have the trouble that odd numbers of rows have
            suffixes = [(*known[row], *suffix) for row, suffix in zip(rows, suffixes, strict=True)]
        else:
            cache = _select(known, rows)
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
                value = _rows_of(value, len(tokens))
                at = value[:, 0] if layer == deepest else value[every, places]
                found[layer] = at.index_select(-1, pick[layer])
                if layer == deepest:
                    raise _Stop

            return hook

        hooks: list[tuple[str, Callable]] = [(f"blocks.{deepest}.mlp.hook_in", narrow)]
        hooks += [(self.hook.format(layer=layer), keep(layer)) for layer in pick]
        self._forward(tokens, hooks, cache)
        return {layer: value.cpu() for layer, value in found.items()}

    def _forward(self, tokens: torch.Tensor, hooks: list, cache: Any = None) -> None:
        self.tokens += tokens.numel()
        extra = {} if cache is None else {"past_key_values": cache, "use_cache": True}
        # The bridge's own run_with_hooks looks all names of the model up anew, which takes as long as a short pass.
        handles = [
            self._points[name].register_forward_hook(lambda point, _, value, hook=hook: hook(value, point))
            for name, hook in hooks
        ]
        try:
            with suppress(_Stop):
                self.bridge(tokens, return_type=None, **extra)
        finally:
            for handle in handles:
                handle.remove()


def _rows_of(value: torch.Tensor, rows: int) -> Float[torch.Tensor, "row position neuron"]:
    """A hook's value row by row; some models, such as OPT, string all rows' positions together."""
    return value.reshape(rows, -1, value.shape[-1])


def _parts(items: list, size: int) -> Iterator[list]:
    for begin in range(0, len(items), size):
        yield items[begin : begin + size]


def filled(rows: list, whole: int, device: str | torch.device) -> list:
    """Rows up to the next multiple of `ROWS`, the first one repeated; on a GPU up to `whole` of them.

    A GPU's kernels add in another order for almost any other number of rows.
    """
    return rows + rows[:1] * (-len(rows) % (ROWS if torch.device(device).type == "cpu" else whole))


def _cache(keys: list) -> Any:
    from transformers import DynamicCache

    cache = DynamicCache()
    for layer, (key, value) in enumerate(keys):
        cache.update(key, value, layer)
    return cache


def _joined(parts: list[list]) -> list:
    """The keys and values of several lots of rows, layer by layer."""
    if len(parts) == 1:
        return parts[0]
    return [
        (torch.cat([k for k, _ in pairs]), torch.cat([v for _, v in pairs]))
        for pairs in zip(*parts, strict=True)
    ]


def _select(keys: list, rows: Sequence[int]) -> Any:
    first, count = rows[0], len(rows)
    if set(rows) == {first}:  # one row for all: no copy
        one = slice(first, first + 1)
        return _cache([(k[one].expand(count, -1, -1, -1), v[one].expand(count, -1, -1, -1)) for k, v in keys])
    chosen = torch.tensor(rows, device=keys[0][0].device)
    return _cache([(key.index_select(0, chosen), value.index_select(0, chosen)) for key, value in keys])


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
            waiting[i] = next(steps[i]) if values is None else steps[i].send(values)
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
