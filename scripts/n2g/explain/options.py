"""The `explain` section of the configuration, and the models that it names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from n2g.errors import InputError
from n2g.explain.cache import Kept
from n2g.explain.chat import Model
from n2g.explain.neuron import Models
from n2g.workflow.endpoint_access import endpoint_key


@dataclass(frozen=True)
class Options:
    """What schemas/config.schema.yaml says of these keys."""

    base_url: str | None = None
    model: str | None = None
    simulator: str | None = None
    local: str | None = None
    key: str | None = None
    concurrency: int = 1
    budget: int | None = None
    input_price: float = 0.0
    output_price: float = 0.0

    @classmethod
    def from_options(cls, given: Mapping[str, Any]) -> Options:
        """Raises ValueError where a name is unknown."""
        unknown = set(given) - {field.name for field in fields(cls)}
        if unknown:
            raise ValueError(f"{sorted(unknown)} are no keys of explain")
        return cls(**given)

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Of so many tokens; prices are those of a million."""
        return (prompt_tokens * self.input_price + completion_tokens * self.output_price) / 1e6


def open_models(options: Options, answers: Path, device: str) -> Models:
    """Who explains and who simulates. The key goes from the environment to the client, and nowhere else.

    Args:
        options: who they are.
        answers: the folder where answers are kept.
        device: of a local model.

    Raises:
        InputError: no model is named, a local one cannot be read, or an endpoint cannot be reached as configured.
    """

    def open_model(key: str, name: str | None) -> Model:
        if options.local:
            from n2g.explain.local_model import open_local

            return Kept(open_local(Path(options.local), device), answers, key)
        from n2g.explain.endpoint import Endpoint

        if not (options.base_url and name):
            raise InputError("explain: names no model: set base_url and model, or local.")
        secret = endpoint_key(options.base_url, options.key)
        return Kept(Endpoint(options.base_url, name, secret), answers, key)

    first, second = "explain.local" if options.local else "explain.model", "explain.simulator"
    explainer = open_model(first, options.model)
    if not options.simulator:
        return Models(explainer, explainer, first)
    return Models(explainer, open_model(second, options.simulator), f"{first}, {second}")
