"""Settings of the N2G method."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from n2g.augment import Proposer


@dataclass(frozen=True)
class Settings:
    """What the method needs to know. Shares are of the neuron's maximum training activation unless said.

    method: "atlas" (verified patterns) or "paper" (the published rules of Foote et al. 2023).
    """

    method: str = "atlas"
    bos: int | None = None
    seed: int = 0
    # what counts
    firing_threshold: float = 0.5
    importance_threshold: float = 0.75
    keep: float = 0.5
    # evidence
    train_examples: int = 48
    validation_examples: int = 16
    top_examples: int = 10
    max_context: int = 8
    # questions
    prefixes: int = 3
    prefix_length: int = 12
    gaps: tuple[int, ...] = (1, 3, 7, 15, 31)
    # generalisation
    proposer: Proposer | None = None
    substitutes: int = 5
    candidates: int = 24
    alone: float = 0.35
    min_precision: float = 0.35
    precisions: tuple[float, ...] = (0.02, 0.1, 0.2, 0.35, 0.5, 0.65)
    cuts: tuple[float, ...] = (0.1, 0.5, 0.8, 1.0)
    trust: float = 1.0
    max_nodes: int = 40

    @classmethod
    def from_options(cls, options: dict) -> Settings:
        """Settings from configuration values. Raises ValueError on a name that is no setting."""
        known = {f.name for f in fields(cls)}
        for name in options:
            if name not in known:
                raise ValueError(f"settings.{name} is unknown")
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in options.items()})
