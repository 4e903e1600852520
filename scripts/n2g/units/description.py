"""What a run can select of converted encoders: their description, `units.json`.

Every stage that reads latents depends on that file. The workflow reads it each time it starts, and stages without a
model read it too, so nothing here needs PyTorch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from n2g.errors import InputError
from n2g.files.atomic import write_bytes

DESCRIPTION = "units.json"


@dataclass(frozen=True)
class LayerOfLatents:
    """What is known of the encoder of a layer without its weights; see :class:`n2g.units.encoder.Encoder`.

    Attributes:
        file: of its weights, in the folder of the description; sha256: of that file, in hexadecimal.
        names: of the latents, where they have names.
    """

    hook: str
    writes: str | None
    activation: str
    k: int | None
    norm: str
    centred: bool
    model: str | None
    file: str
    sha256: str
    across: bool = False
    names: Sequence[str] = ()

    @property
    def summary(self) -> str:
        """What it is, in a few words."""
        known = {
            "linear": "Directions",
            "relu": "ReLU",
            "jumprelu": "JumpReLU",
            "topk": "TopK",
            "groupmax": "GroupMax",
        }
        kind = known.get(self.activation, self.activation) + (f" (k = {self.k})" if self.k else "")
        writes = f", writes {self.writes or 'where its files do not say'}" if self.writes != self.hook else ""
        return f"{kind}, reads {self.hook}{writes}{' and those of all later layers' if self.across else ''}"


@dataclass(frozen=True)
class Latents:
    """The latents that a run can select.

    Attributes:
        latents: how many each layer has.
        layers: layer -> its encoder.
    """

    latents: int
    layers: Mapping[int, LayerOfLatents]

    @property
    def numbers(self) -> list[int]:
        """The layers that have latents, ascending."""
        return sorted(self.layers)


def units_key(units: Mapping[str, Any], checkpoint: str) -> str:
    """Folder name for converted encoders, different for all that decides on them and for every model."""
    named = {key: units[key] for key in ("source", "file", "sha256", "hook", "model")}
    text = json.dumps([named, checkpoint], sort_keys=True)
    stem = Path(units["source"]).name
    name = "".join(c if c.isalnum() or c == "." else "-" for c in stem).strip("-.")[:60]
    return f"{name or 'units'}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def latents_size(path: Path | str) -> tuple[list[int], int] | None:
    """(layers that have latents, latents of each) of a `units.json`, or None where it is not there yet.

    Raises:
        InputError: it is damaged.
    """
    if not Path(path).exists():
        return None
    known = read_latents(path)
    return known.numbers, known.latents


def read_latents(path: Path | str) -> Latents:
    """Read `units.json`.

    Raises:
        InputError: it is missing or damaged.
    """
    path = Path(path)
    names = [field.name for field in fields(LayerOfLatents)]
    try:
        content = json.loads(path.read_bytes())
        layers = {
            int(number): LayerOfLatents(**{name: layer[name] for name in names if name in layer})
            for number, layer in content["layers"].items()
        }
        return Latents(int(content["latents"]), layers)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is missing or damaged: delete its folder and run again.") from error


def write_latents(path: Path, latents: Latents) -> None:
    """Write `units.json`."""
    layers = {str(number): asdict(layer) for number, layer in latents.layers.items()}
    content = {"latents": latents.latents, "layers": layers}
    write_bytes(path, (json.dumps(content, indent=1, sort_keys=True) + "\n").encode())
