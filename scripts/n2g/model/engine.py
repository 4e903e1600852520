"""The batching engine: queries a model for the activations of single neurons at the end of short prompts.

Queries about many neurons and examples are packed into full batches. Each prompt is a shared prefix, a
context and one last token; keys and values of prefixes and contexts are computed once, the model stops at
the layer, and only the last position of the last layer goes through the MLP.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from n2g.model.forward_pass import ForwardPass, joined, select
from n2g.model.halved_batches import in_parts
from n2g.model.prompts import Prompt

# A batch is filled up to a multiple of this many rows. In fewer rows, or in the last few of an odd number, some
# kernels add in another order or take another exponential, so an answer would depend on what is asked alongside it.
ROWS = 8
# Suffixes are padded to the next of these lengths, whatever else is asked with them.
LENGTHS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)

# Tokens of one forward pass. A GPU needs many at a time to be busy; where its memory has no room, they are halved.
BATCH_TOKENS = {"cpu": 512, "cuda": 8192}


@dataclass
class Engine(ForwardPass):
    """Queries a model for single neurons at the end of prompts, in full batches.

    batch_tokens: tokens of one forward pass. prompts: how many have been run so far.
    """

    batch_tokens: int = BATCH_TOKENS["cpu"]
    prompts: int = 0
    caches: bool = field(init=False)
    _prefixes: dict = field(default_factory=dict)

    @torch.no_grad()
    def __post_init__(self) -> None:
        """Find out whether the model can continue from keys and values; native TransformerLens models cannot."""
        super().__post_init__()
        self.caches = bool(self._keys(0, [(0, 0)] * ROWS, None))

    @torch.no_grad()
    def ask(
        self, layer: int, prompts: Sequence[Prompt], neurons: Sequence[int], shared: bool = False
    ) -> Float[np.ndarray, " prompt"]:
        """Activation (float32) of `neurons[i]` at the last token of `prompts[i]`.

        shared: many prompts differ only in their last token, so that contexts are worth computing once.
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
    def spans(
        self, columns: Mapping[int, Sequence[int]], prompts: Iterable[Prompt]
    ) -> Generator[tuple[list[Prompt], dict[int, Float[np.ndarray, "prompt token column"]]], None, None]:
        """Activations (float32) at all tokens of every suffix, batch by batch: columns[layer] of each layer.

        All prompts of a batch are equally long. Asking for a text once gives what `sweep` gives for each of its
        beginnings, up to rounding.
        """
        groups: dict[tuple[int, int], list[Prompt]] = {}
        for prompt in prompts:
            groups.setdefault((len(prompt.prefix), len(prompt.suffix)), []).append(prompt)
        yield from self._grouped(columns, groups, throughout=True)

    @torch.no_grad()
    def _whole(
        self, columns: Mapping[int, Sequence[int]], prompts: Iterable[Prompt]
    ) -> Generator[tuple[list[Prompt], dict[int, np.ndarray]], None, None]:
        """Like `sweep`, but each suffix in one pass, right-padded to one of a few lengths: the model is causal."""
        groups: dict[tuple[int, int], list[Prompt]] = {}
        for prompt in prompts:
            begin, length = len(prompt.prefix), len(prompt.suffix)
            padded = next((size for size in LENGTHS if size >= length), length)
            padded = max(length, min(padded, self.bridge.cfg.n_ctx - begin))
            groups.setdefault((begin, padded), []).append(prompt)
        yield from self._grouped(columns, groups)

    def _grouped(
        self,
        columns: Mapping[int, Sequence[int]],
        groups: Mapping[tuple[int, int], list[Prompt]],
        throughout: bool = False,
    ) -> Generator[tuple[list[Prompt], dict[int, np.ndarray]], None, None]:
        """Answers to groups of prompts, by the lengths of their prefixes and of their padded suffixes."""
        for (_, padded), group in sorted(groups.items()):
            for some in _parts(sorted(group), self._rows(padded)):
                cache, rows = self._prefixed(max(columns), [prompt.prefix for prompt in some])
                suffixes = [prompt.suffix for prompt in some]
                yield some, self._last(columns, cache, rows, suffixes, padded, throughout)

    def _in_parts(self, run: Callable[[int, int], Any], count: int) -> list:
        """The result of `in_parts`. If memory was short, batches are smaller from now on."""
        parts = list(in_parts(run, count, ROWS))
        if len(parts) > 1:
            self.batch_tokens //= 2
        return parts

    def _rows(self, length: int) -> int:
        """Number of prompts of this length in one forward pass."""
        return max(1, self.batch_tokens // (length * ROWS)) * ROWS

    def _prefixed(self, layer: int, prefixes: list[tuple[int, ...]]) -> tuple[list, list[int]]:
        """Keys and values of the distinct prefixes (all of one length), and the row of each of `prefixes`.

        For a model without a cache, the token ids of the prefixes themselves.
        """
        distinct = sorted(set(prefixes))
        if not self.caches or not distinct[0]:
            known = distinct
        else:
            for prefix in distinct:
                if (prefix, layer) not in self._prefixes:
                    self._prefixes[prefix, layer] = self._keys(layer, [prefix] * ROWS, None)
            parts = [self._prefixes[prefix, layer] for prefix in distinct]
            known = joined([[(k[:1], v[:1]) for k, v in part] for part in parts])
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
            return self._keys(layer, suffixes[begin:end], select(known, rows[begin:end]))

        return joined(self._in_parts(run, len(rows)))

    def _last(
        self,
        columns: Mapping[int, Sequence[int]],
        known: list,
        rows: Sequence[int],
        suffixes: list,
        padded: int,
        throughout: bool = False,
    ) -> dict[int, np.ndarray]:
        """Activations at the last token of each suffix after the prefixes `known[rows]`, or at all of its tokens."""
        count, whole = len(suffixes), self._rows(padded)
        rows, suffixes = filled(list(rows), whole, self.device), filled(suffixes, whole, self.device)
        self.prompts += count
        parts = self._in_parts(
            lambda begin, end: self._pass(
                columns, known, rows[begin:end], suffixes[begin:end], padded, throughout
            ),
            len(rows),
        )
        # A prompt with a non-finite activation is not evidence.
        return {
            layer: torch.nan_to_num(
                torch.cat([part[layer] for part in parts])[:count].float(), 0, 0, 0
            ).numpy()
            for layer in columns
        }


def _parts(items: list, size: int) -> Iterator[list]:
    for begin in range(0, len(items), size):
        yield items[begin : begin + size]


def filled(rows: list, whole: int, device: str | torch.device) -> list:
    """Rows up to the next multiple of `ROWS`, the first one repeated; on a GPU up to `whole` of them.

    A GPU's kernels add in another order for almost any other number of rows.
    """
    return rows + rows[:1] * (-len(rows) % (ROWS if torch.device(device).type == "cpu" else whole))
