"""The work of the published procedure in its plainest form: one prompt at a time, the whole model with its
unembedding, every hook cached (Foote et al. 2023, sections 3.2 to 3.4, and their code)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from meter import now

from n2g.method.prune import Example
from n2g.settings import Proposer

SUFFIXES = range(
    5, 31, 5
)  # lengths of the suffixes that are tried; the first that keeps the activation is taken
MASK = 1  # token id that replaces a masked token
IMPORTANT = 0.75  # importance from which substitutes are tried
KEEP = 0.5  # fraction of the activation that a suffix must keep
SUBSTITUTES = 5


@dataclass
class Published:
    """One neuron of a model, queried as the published code does; counts the prompts and their seconds."""

    bridge: Any
    hook: str
    neuron: int
    bos: tuple[int, ...]
    device: str
    prompts: int = 0
    seconds: float = 0.0

    @torch.no_grad()
    def ask(self, text: Sequence[int]) -> float:
        """The activation at the last token."""
        begin = now(self.device)
        tokens = torch.tensor([[*self.bos, *text]], device=self.device)
        _, cache = self.bridge.run_with_cache(tokens)
        activation = float(cache[self.hook][0, -1, self.neuron])
        self.prompts, self.seconds = self.prompts + 1, self.seconds + now(self.device) - begin
        return activation

    def example(self, example: Example, proposer: Proposer) -> None:
        """Prune an example, measure every token's importance, try substitutes for the important ones."""
        text = example.tokens[: example.pivot + 1]
        whole = self.ask(text)
        for size in SUFFIXES:
            kept = text[-size:]
            activation = self.ask(kept)
            if activation >= KEEP * whole or size >= len(text):
                break
        for place in range(len(kept)):
            masked = self.ask([*kept[:place], MASK, *kept[place + 1 :]])
            if activation > 0 and 1 - masked / activation >= IMPORTANT:
                (found,) = proposer.propose_many([(kept, place)], SUBSTITUTES)
                for token in found:
                    self.ask([*kept[:place], token, *kept[place + 1 :]])
