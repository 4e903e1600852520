"""The provenance that a neuron's record states: configuration and pinned versions, apart from the neuron itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def origin(config: Mapping[str, Any], lock: Path) -> dict[str, Any]:
    """What a record says of its origin, apart from the neuron itself.

    Nothing in it tells the block, the machine or the time, so that a neuron has the same record wherever and with
    whichever others it is computed.

    Args:
        config: a complete configuration.
        lock: the file of pinned requirements.
    """
    pins = pinned(lock)
    versions = {name: pins[name] for name in ("torch", "transformer-lens", "transformers") if name in pins}
    keys = ("run", "model", "corpus", "method", "seed", "dtype", "settings")
    latents = {} if config["units"] == "neurons" else {"units": config["units"]}
    return {key: config[key] for key in keys} | latents | {"versions": versions}


def pinned(lock: Path) -> dict[str, str]:
    """Package -> version in a file of pinned requirements, on whichever system they are needed."""
    pins = (re.match(r"([\w.-]+)==([^\s;]+)", line) for line in lock.read_text(encoding="utf-8").splitlines())
    return {pin[1]: pin[2] for pin in pins if pin}
