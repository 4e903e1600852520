"""Models in one form: a folder with config.json, safetensors weights and tokenizer.json.

``checkpoint.json`` in the folder describes the model (see :class:`Description`); every other stage depends on
that file. :mod:`n2g.model.conversion` writes such folders. Model libraries are imported inside the functions that
need them, because the workflow reads descriptions each time it starts.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from n2g.errors import InputError, first_line, why_not_written
from n2g.files.atomic import write_bytes
from n2g.ids import HOOKS, Block
from n2g.model.whole import WholeModel

if TYPE_CHECKING:
    import torch
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import PreTrainedModel

DESCRIPTION = "checkpoint.json"


@dataclass(frozen=True)
class Description:
    """What is known about a checkpoint without loading its weights.

    Attributes:
        format: ``transformers`` or ``native``.
        architecture: class name of the model.
        n_layers: number of layers.
        d_mlp: hidden MLP neurons in a layer.
        d_model: width of the residual stream.
        d_vocab: rows of the embedding matrix.
        n_ctx: longest sequence that the model takes, in tokens.
        gated: whether a neuron's activation is the product of a gate and a linear part.
        bos: begin-of-sequence token id, or None.
        eos: end-of-sequence token id, or None.
        files: file name -> SHA-256 in hexadecimal, of all files of the checkpoint.
        hook: name of the hook whose value is a layer's neurons, [batch, position, d_mlp], with `{layer}` in it.
        hooks: kind of hook, as :mod:`n2g.units.hooks` names it -> numbers of a token there, of all that every layer
            has; empty in descriptions of earlier versions.
    """

    format: str
    architecture: str
    n_layers: int
    d_mlp: int
    d_model: int
    d_vocab: int
    n_ctx: int
    gated: bool
    bos: int | None
    eos: int | None
    files: Mapping[str, str]
    hook: str
    hooks: Mapping[str, int]

    def check(self, layer: int, block: Block) -> None:
        """Raise :class:`InputError` unless the model has this layer and these neurons."""
        if layer >= self.n_layers:
            raise InputError(f"layers: {layer} is out of range: choose from 0-{self.n_layers - 1}, or all.")
        if block.last >= self.d_mlp:
            raise InputError(
                f"neurons: {block.last} is out of range: choose from 0-{self.d_mlp - 1}, or all."
            )

    @property
    def digest(self) -> str:
        """SHA-256 over the names and contents of the checkpoint's files."""
        return hashlib.sha256(json.dumps(dict(self.files), sort_keys=True).encode()).hexdigest()


def checkpoint_key(model: Mapping[str, Any]) -> str:
    """Folder name for a checkpoint, different for every different model section of the configuration."""
    named = {key: model[key] for key in ("source", "file", "sha256", "loader", "tokenizer")}
    if model.get("hook", "post") != "post":  # configurations of older runs have no such key
        named["hook"] = model["hook"]
    digest = hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()
    stem = Path(model["file"] or model["source"].split(":")[-1].split("@")[0]).stem
    return f"{''.join(c if c.isalnum() or c == '.' else '-' for c in stem).strip('-.')[:60]}-{digest[:12]}"


def model_size(path: Path | str) -> tuple[int, int] | None:
    """(layers, neurons a layer) of a checkpoint, or None where it is not there yet.

    Raises:
        InputError: its description is damaged.
    """
    if not Path(path).exists():
        return None
    model = read_description(path)
    return model.n_layers, model.d_mlp


def read_description(path: Path | str) -> Description:
    """Read a checkpoint's description.

    Args:
        path: the checkpoint's folder, or its ``checkpoint.json``.

    Raises:
        InputError: it is missing or damaged.
    """
    path = Path(path)
    file = path / DESCRIPTION if path.is_dir() else path
    try:
        content: dict[str, Any] = {"hook": HOOKS["post"], "hooks": {}}  # earlier versions knew no other
        content |= json.loads(file.read_bytes())
        return Description(**{field.name: content[field.name] for field in fields(Description)})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file} is missing or damaged: delete its folder and run again.") from error


def boot(
    checkpoint: Path | str, device: str = "cpu", dtype: torch.dtype | str = "float32"
) -> TransformerBridge:
    """Load a checkpoint for inference.

    Args:
        checkpoint: the folder, or its ``checkpoint.json``.
        device: as :func:`pick_device` takes it.
        dtype: of the weights and the arithmetic.

    Returns:
        A TransformerLens bridge in evaluation mode, without gradients.

    Raises:
        InputError: a file is missing or damaged.
    """
    path = Path(checkpoint)
    folder = path if path.is_dir() else path.parent
    found = read_description(folder)
    for name in found.files:
        if not (folder / name).is_file():
            raise InputError(f"{folder / name} is missing: delete the folder {folder} and run again.")
    return load(folder, found.format, device, dtype)


def pick_device(name: str) -> torch.device:
    """The device meant by ``auto`` (CUDA where there is a GPU, else the CPU), ``cpu``, ``cuda`` or
    ``cuda:N``.

    Raises:
        InputError: the device is not there.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InputError(
            f"device: {name} is not available: this machine has {torch.cuda.device_count()} CUDA devices."
        )
    return device


def save_native(model: TransformerBridge, folder: Path, tokenizer: Path | None = None) -> None:
    """Write a TransformerLens native model as a folder that the ``native`` loader reads.

    Args:
        model: a bridge made by ``TransformerBridge.boot_native``.
        folder: where config.json and model.safetensors go.
        tokenizer: a tokenizer.json to put beside them.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    config = {key: value for key, value in model.cfg.to_dict().items() if _is_plain(value)}
    config.pop("device", None)
    write_bytes(folder / "config.json", (json.dumps(config, indent=1, sort_keys=True) + "\n").encode())
    weights = {name: value.detach().cpu().contiguous().clone() for name, value in model.state_dict().items()}
    save_file(dict(sorted(weights.items())), folder / "model.safetensors")
    if tokenizer:
        shutil.copyfile(tokenizer, folder / "tokenizer.json")


@contextmanager
def reading_model(path: Path) -> Generator[None]:
    """Turn any error of a library that cannot read a file into one sentence.

    Readers of model files raise errors of many kinds on damaged files, so all of them count here.
    """
    try:
        yield
    except (InputError, MemoryError):
        raise
    except Exception as error:
        if why_not_written(error):
            raise
        raise InputError(
            f"{path} cannot be read as a model ({first_sentence(error)}): check that it is complete and in a supported "
            "format."
        ) from error


def first_sentence(error: Exception) -> str:
    """The first sentence of an error; libraries append lists of thousands of characters."""
    return shorten(first_line(error).partition(". ")[0].rstrip("."), 300, placeholder=" …")


def load(
    folder: Path,
    form: str,
    device: str,
    dtype: torch.dtype | str,
    look: Callable[[PreTrainedModel], None] | None = None,
) -> TransformerBridge:
    """Load a folder of a known format, as :func:`boot` does, without asking for its description.

    A model of `transformers` is shown to `look` before the bridge is put around it.
    """
    import torch
    from transformer_lens.model_bridge import TransformerBridge

    number = getattr(torch, dtype) if isinstance(dtype, str) else dtype
    place = pick_device(device)
    with reading_model(folder):
        if form == "native":
            from safetensors.torch import load_file

            config = json.loads((folder / "config.json").read_bytes())
            model = TransformerBridge.boot_native(
                {**config, "init_weights": False}, device=place, dtype=number
            )
            model.load_state_dict(load_file(folder / "model.safetensors", device=str(place)))
        else:
            whole = WholeModel(_class_of(folder), look)
            model = TransformerBridge.boot_transformers(
                str(folder), device=place, dtype=number, model_class=whole
            )
    model.eval()
    model.requires_grad_(False)
    return model


def _class_of(folder: Path) -> type:
    """The class of `transformers` that the bridge takes for a model."""
    from transformer_lens.model_bridge.sources import transformers as source
    from transformers import AutoConfig

    architecture = source.determine_architecture_from_hf_config(
        AutoConfig.from_pretrained(folder, trust_remote_code=False)
    )
    return source.get_hf_model_class_for_architecture(architecture)


def _is_plain(value: object) -> bool:
    return (
        value is None
        or isinstance(value, bool | int | float | str)
        or (isinstance(value, list) and all(map(_is_plain, value)))
    )
