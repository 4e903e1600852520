"""Settings of the N2G method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol

SHARES = (
    "firing_threshold",
    "importance_threshold",
    "keep",
    "alone",
    "precisions",
    "decision_threshold",
    "paper_share",
)


class Proposer(Protocol):
    """Anything that proposes tokens for a place in a text."""

    def propose_many(self, queries: Sequence[tuple[tuple[int, ...], int]], count: int) -> list[list[int]]:
        """For each (tokens, place) at most `count` token ids, best first, excluding the token itself."""
        ...


@dataclass(frozen=True)
class Settings:
    """The settings of the method. Activations are given as fractions of the neuron's maximum on training documents.

    Raises ValueError, with a sentence that names the setting, if a value is invalid.

    Attributes:
        method: "atlas" (verified patterns) or "paper" (the procedure published by Foote et al. 2023).
        bos: id of the BOS token, or None.
        seed: seed for drawing neutral text.
        firing_threshold: a neuron fires at this fraction of its maximum and above.
        importance_threshold: a token is important if masking it costs this fraction of the activation (paper, 3.3).
        keep: a pruned or masked text must keep this fraction of the activation (paper, 3.2).
        train_examples: maximum number of firing training tokens that are pruned.
        top_examples: how many of the examples are those with the largest activations; with "paper", all of them.
        max_context: every suffix up to this length is tried in pruning, and some up to twice this length.
        prefixes: number of neutral prefixes for every prompt; the median over them is used.
        prefix_length: length of a neutral prefix in tokens.
        gaps: numbers of tokens to insert between two needed tokens, tried in this order.
        proposer: proposes substitutes; without one, none are tried.
        substitutes: substitutes per token with method "paper".
        candidates: substitutes per token with method "atlas", and as many from other examples.
        alone: fraction of the maximum at which the sweep keeps a token that works without context.
        precisions: minimum precisions of a pattern to choose from on validation; the first is the default.
        decision_threshold: a graph fires at this fraction of the firing threshold and above.
        trust: how many matches the model's own answer about a pattern counts as.
        max_nodes: maximum number of nodes in a graph: the first, or another that is clearly better on validation;
            patterns with the least support are dropped first.
        paper_share: fraction of the neurons for which method "atlas" is compared with "paper": pseudo-random, the same
            in every layer, and a subset of the sample of any larger fraction.
        top_weight: weight of the top validation documents against all validation documents in these choices.
    """

    method: str = "atlas"
    bos: int | None = None
    seed: int = 0
    firing_threshold: float = 0.5
    importance_threshold: float = 0.75
    keep: float = 0.5
    train_examples: int = 10
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
    decision_threshold: float = 0.2
    trust: float = 1.0
    max_nodes: tuple[int, ...] = (40, 120)
    top_weight: float = 2.0
    paper_share: float = 1.0

    def __post_init__(self) -> None:
        if self.method not in ("atlas", "paper"):
            raise ValueError(f"settings.method: {self.method!r} is not a method: choose atlas or paper.")
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
                raise ValueError(f"settings.{field.name}: {value!r} is a fraction: write at most 1.")

        if self.firing_threshold < 0.25:
            raise ValueError(
                "settings.firing_threshold: activations below a quarter of the maximum are not kept: "
                "choose 0.25 or more."
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
        given: dict[str, Any] = {
            k: (v,) if k in many and not isinstance(v, tuple) else v for k, v in listed.items()
        }
        return cls(**given)


def methods_of(settings: Settings) -> list[Settings]:
    """The methods that a run needs: its own, and "paper" to compare with."""
    if settings.method == "paper":
        return [replace(settings, paper_share=1.0)]
    return [settings, replace(settings, method="paper")]


def _is_number(value: object, whole: bool) -> bool:
    kinds = (int,) if whole else (int, float)
    return isinstance(value, kinds) and not isinstance(value, bool) and 0 < value < float("inf")
