"""An engine that times itself, and the bare model that it is compared with."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from n2g.model.engine import Engine
from n2g.model.prompts import Prompt


class _Stop(Exception):
    pass


def now(device: str) -> float:
    """Seconds on a monotonic clock, once the device has finished all queued work."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    return time.perf_counter()


def peak(device: str) -> int:
    """Peak bytes of tensors on the device since the last call; 0 without a GPU."""
    if not device.startswith("cuda"):
        return 0
    found = torch.cuda.max_memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    return found


class BareModel:
    """The Hugging Face model by itself: its decoder, without unembedding, stopped after a layer."""

    def __init__(self, folder: Path, device: str, dtype: str):
        from transformers import AutoModelForCausalLM

        model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype)).to(device).eval()
        self.decoder, self.device = model.get_decoder(), device
        self.vocabulary: int = model.config.vocab_size
        depth = model.config.num_hidden_layers
        stacks = [m for m in self.decoder.modules() if isinstance(m, torch.nn.ModuleList) and len(m) == depth]
        self.layers = stacks[0]
        self.memory = sum(one.nbytes for one in (*self.decoder.parameters(), *self.decoder.buffers()))

    @torch.no_grad()
    def seconds(self, batch: int, length: int, layer: int) -> float:
        """Seconds of one forward pass over random tokens [batch, length], up to and including `layer`."""

        def stop(*_: Any) -> None:
            raise _Stop

        tokens = torch.randint(self.vocabulary, (batch, length), device=self.device)
        handle = self.layers[layer].register_forward_hook(stop)
        begin = now(self.device)
        with suppress(_Stop):
            self.decoder(tokens, use_cache=False)
        seconds = now(self.device) - begin
        handle.remove()
        return seconds


@dataclass(frozen=True)
class Pass:
    """One forward pass: its tokens, padding included; seconds of the engine since the last pass; seconds of the
    bare model on the same shape (0 without one)."""

    tokens: int
    engine: float
    bare: float


@dataclass
class Meter(Engine):
    """An engine that records every forward pass and, right after it, has the bare model run one of the same shape.

    prompt_tokens: tokens of the distinct prompts, without padding. memory: peak bytes of tensors on the GPU, without
    those of the bare model.
    """

    bare: BareModel | None = None
    passes: list[Pass] = field(default_factory=list)
    prompt_tokens: int = 0
    memory: int = 0
    _clock: float | None = None

    def reset(self) -> None:
        """Forget everything that was recorded."""
        self.passes, self.tokens, self.prompts, self.prompt_tokens = [], 0, 0, 0
        self._prefixes.clear()
        self.memory = 0
        peak(self.device)

    def note_memory(self) -> None:
        """Update the peak memory."""
        held = self.bare.memory if self.bare else 0
        self.memory = max(self.memory, peak(self.device) - held)

    @property
    def bare_seconds(self) -> float:
        return sum(one.bare for one in self.passes)

    @property
    def engine_seconds(self) -> float:
        return sum(one.engine for one in self.passes)

    def _states(self, tokens: torch.Tensor, layers: Sequence[int]) -> dict[int, torch.Tensor]:
        self.prompt_tokens += tokens.numel()
        with self._timed():
            return super()._states(tokens, layers)

    def ask(self, layer: int, prompts: Sequence[Prompt], *rest: Any, **options: Any) -> np.ndarray:
        self._count(set(prompts))
        with self._timed():
            return super().ask(layer, prompts, *rest, **options)

    def sweep(self, columns: Mapping[int, Sequence[int]], prompts: Any) -> Iterator:
        if self._clock is not None:  # from `ask`
            yield from super().sweep(columns, prompts)
            return
        prompts = list(prompts)
        self._count(prompts)
        with self._timed():
            found = list(super().sweep(columns, prompts))
        yield from found

    def _count(self, prompts: Any) -> None:
        self.prompt_tokens += sum(len(prompt.prefix) + len(prompt.suffix) for prompt in prompts)

    @contextmanager
    def _timed(self) -> Iterator[None]:
        self._clock = now(self.device)
        yield
        rest, self._clock = now(self.device) - self._clock, None
        if self.passes:  # what comes after the last pass belongs to it
            last = self.passes.pop()
            self.passes.append(Pass(last.tokens, last.engine + rest, last.bare))

    def _forward(
        self, tokens: torch.Tensor, hooks: list, cache: Any = None, returns: str | None = None
    ) -> Any:
        found = super()._forward(tokens, hooks, cache, returns)
        if self._clock is None:
            return found
        seconds = now(self.device) - self._clock
        deepest = max(int(name.split(".")[1]) for name, _ in hooks)
        bare = 0.0
        if self.bare:
            self.note_memory()
            bare = self.bare.seconds(*tokens.shape, deepest)
            peak(self.device)  # the memory of that pass does not count
        self.passes.append(Pass(tokens.numel(), seconds, bare))
        self._clock = now(self.device)
        return found


@dataclass(frozen=True)
class Ratio:
    """Seconds of the bare model / seconds of the engine on the same shapes: median, minimum and maximum over parts."""

    median: float
    low: float
    high: float


def ratio(passes: Sequence[Pass], parts: int = 5) -> Ratio | None:
    """The ratio over `parts` runs of consecutive passes, about equal in tokens; None without a bare model."""
    if not sum(one.bare for one in passes):
        return None
    ends = np.cumsum([one.tokens for one in passes])
    part = np.minimum((ends - 1) * parts // ends[-1], parts - 1)
    engine = np.bincount(part, [one.engine for one in passes], parts)
    bare = np.bincount(part, [one.bare for one in passes], parts)
    ratios = [float(b / e) for b, e in zip(bare, engine, strict=True) if e and b]
    return Ratio(median(ratios), min(ratios), max(ratios))
