"""Settings of the N2G method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Protocol

SHARES = ("firing_threshold", "importance_threshold", "keep", "alone", "precisions", "decision_thresholds")


class Proposer(Protocol):
    """Whatever can name tokens that might stand in a place."""

    def propose_many(self, places: Sequence[tuple[tuple[int, ...], int]], count: int) -> list[list[int]]:
        """For each (tokens, place) at most `count` token ids, the best first, the token itself left out."""
        ...


@dataclass(frozen=True)
class Settings:
    """What the method needs to know. Activations are given as shares of the neuron's maximum on train documents.

    Raises ValueError, with a sentence that names the setting, on a value that makes no sense.

    Attributes:
        method: "atlas" (verified patterns) or "paper" (the published rules of Foote et al. 2023).
        bos: id of the token that begins every sequence, or None.
        seed: of the choice of neutral text.
        firing_threshold: a neuron fires from this share of its maximum on.
        importance_threshold: a token matters if masking it costs this share of the activation (paper, 3.3).
        keep: a shortened or masked text must keep this share of the activation (paper, 3.2).
        train_examples: firing tokens of train documents that are pruned, at most.
        validation_examples: the same for firing tokens of validation documents that no train example resembles.
        top_examples: so many of the examples are the strongest ones; with "paper" these are all.
        max_context: tokens up to which every suffix is tried when pruning; twice as many are tried at all.
        prefixes: neutral texts after which every prompt is asked; the median counts.
        prefix_length: tokens of a neutral text.
        gaps: distances (tokens put between two that matter) that are tried, in this order.
        proposer: names substitutes; without one, none are looked for.
        substitutes: substitutes proposed for a token with method "paper".
        candidates: substitutes proposed for a token with method "atlas", and as many from other examples.
        alone: share of the maximum from which the sweep notes a token that works without context.
        precisions: the least precisions of a pattern that validation chooses from; the first is the usual one.
        decision_thresholds: the decision thresholds to choose from, as shares of the firing threshold; the first is
            the default.
        trust: as how many matches the model's own word on a pattern counts.
        max_nodes: how many nodes a graph may have at most: the first, or another with which validation is clearly
            better; patterns with the least support go first.
        top_weight: weight, when validation chooses, of the documents with the largest activations against all.
    """

    method: str = "atlas"
    bos: int | None = None
    seed: int = 0
    firing_threshold: float = 0.5
    importance_threshold: float = 0.75
    keep: float = 0.5
    train_examples: int = 36
    validation_examples: int = 12
    top_examples: int = 10
    max_context: int = 8
    prefixes: int = 3
    prefix_length: int = 12
    gaps: tuple[int, ...] = (1, 3, 7, 15, 31)
    proposer: Proposer | None = None
    substitutes: int = 5
    candidates: int = 16
    alone: float = 0.35
    precisions: tuple[float, ...] = (0.2, 0.02, 0.1, 0.35, 0.5, 0.65)
    decision_thresholds: tuple[float, ...] = (0.2, 0.5, 0.8, 1.0)
    trust: float = 1.0
    max_nodes: tuple[int, ...] = (40, 120)
    top_weight: float = 2.0

    def __post_init__(self) -> None:
        if self.method not in ("atlas", "paper"):
            raise ValueError(f"settings.method: {self.method!r} is no method: write atlas or paper.")
        for field in fields(self):
            value, default = getattr(self, field.name), field.default
            if isinstance(default, str) or default is None or field.name == "seed":
                continue
            many = isinstance(default, tuple)
            numbers = value if many and isinstance(value, tuple) else [value]
            whole = isinstance(default[0] if many else default, int)
            if not numbers or not all(_is_number(number, whole) for number in numbers):
                kind = "whole numbers" if whole else "numbers"
                raise ValueError(f"settings.{field.name}: {value!r} must be {kind} above 0, as in {default}.")
            if field.name in SHARES and max(numbers) > 1:
                raise ValueError(f"settings.{field.name}: {value!r} is a share: write at most 1.")

        if self.firing_threshold < 0.25:
            raise ValueError(
                "settings.firing_threshold: activations are kept from a quarter of the maximum on: write 0.25 or more."
            )

    @classmethod
    def from_options(cls, options: dict) -> Settings:
        """Settings from configuration values. Raises ValueError on a name that is no setting, or a bad value."""
        known = {f.name for f in fields(cls)}
        for name in options:
            if name not in known:
                raise ValueError(
                    f"settings.{name}: is not a setting: choose from {', '.join(sorted(known))}."
                )
        many = {f.name for f in fields(cls) if isinstance(f.default, tuple)}
        listed = {k: tuple(v) if isinstance(v, list) else v for k, v in options.items()}
        return cls(**{k: (v,) if k in many and not isinstance(v, tuple) else v for k, v in listed.items()})


def _is_number(value: object, whole: bool) -> bool:
    kinds = (int,) if whole else (int, float)
    return isinstance(value, kinds) and not isinstance(value, bool) and 0 < value < float("inf")
