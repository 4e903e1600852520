"""Models in one form: a folder with config.json, safetensors weights and tokenizer.json.

``checkpoint.json`` in the folder, written last, describes the model (see :class:`Description`); everything else in
the workflow depends on that file. Model libraries are imported inside the functions that need them, because the
workflow reads descriptions each time it starts.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from n2g.errors import InputError
from n2g.ids import Block
from n2g.provenance import file_digest
from n2g.sources import write_bytes

if TYPE_CHECKING:
    import torch
    from transformer_lens.model_bridge import TransformerBridge

DESCRIPTION = "checkpoint.json"


@dataclass(frozen=True)
class Description:
    """What is known of a checkpoint without loading its weights.

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

    def hook(self, layer: int) -> str:
        """Name of the hook whose value is a layer's neurons, [batch, position, d_mlp]."""
        return f"blocks.{layer}.mlp.hook_post"

    def check(self, layer: int, block: Block) -> None:
        """Raise :class:`InputError` unless the model has this layer and these neurons."""
        if layer >= self.n_layers:
            raise InputError(f"layers: {layer} is out of range: choose from 0-{self.n_layers - 1}, or all.")
        if block.last >= self.d_mlp:
            raise InputError(f"neurons: {block.last} is out of range: choose from 0-{self.d_mlp - 1}, or all.")

    @property
    def digest(self) -> str:
        """SHA-256 over the names and contents of the checkpoint's files."""
        return hashlib.sha256(json.dumps(dict(self.files), sort_keys=True).encode()).hexdigest()


def checkpoint_key(model: Mapping[str, Any]) -> str:
    """Folder name for a model's checkpoint, different for every different model section of the configuration."""
    named = {key: model[key] for key in ("source", "file", "sha256", "loader", "tokenizer")}
    digest = hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()
    stem = Path(model["file"] or model["source"].split(":")[-1].split("@")[0]).stem
    return f"{''.join(c if c.isalnum() or c == '.' else '-' for c in stem).strip('-.')[:60]}-{digest[:12]}"


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
        content = json.loads(file.read_bytes())
        return Description(**{field.name: content[field.name] for field in fields(Description)})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file} is missing or damaged: delete its folder and run again.") from error


def convert(files: list[Path], folder: Path, loader: str = "auto", tokenizer: list[Path] = []) -> Description:  # noqa: B006
    """Bring a model into the one form, in place of whatever the folder held.

    A GGUF file and the older TransformerLens format are converted to float32 safetensors; safetensors files are
    linked, not copied. The same input gives the same bytes.

    Args:
        files: the model's files: one .gguf file, or a folder's config.json, weights and tokenizer.
        folder: the checkpoint to write.
        loader: ``auto``, ``transformers``, ``tl_legacy`` or ``native``.
        tokenizer: files of a tokenizer that takes the place of the model's own.

    Returns:
        The description, which is also written to ``checkpoint.json``.

    Raises:
        InputError: the model is damaged, incomplete, or of a kind that has no neurons to read.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    kind = _format(files, loader)
    {"gguf": _from_gguf, "transformers": _from_folder, "native": _from_folder, "tl_legacy": _from_legacy}[
        kind
    ](files, folder)
    if tokenizer:
        for name in ("tokenizer.json", "tokenizer_config.json"):
            (folder / name).unlink(missing_ok=True)
        _link(tokenizer, folder)
    _complete_tokenizer(folder)
    for path in sorted(folder.glob("*.safetensors")):
        _check_safetensors(path)
    found = _describe(folder, "native" if kind in ("native", "tl_legacy") else "transformers")
    write_bytes(folder / DESCRIPTION, (json.dumps(asdict(found), indent=1, sort_keys=True) + "\n").encode())
    return found


def boot(
    checkpoint: Path | str, device: str = "cpu", dtype: torch.dtype | str = "float32"
) -> TransformerBridge:
    """Load a checkpoint for inference.

    Args:
        checkpoint: the folder, or its ``checkpoint.json``.
        device: as :func:`pick_device` takes it.
        dtype: of the weights and the arithmetic.

    Returns:
        A TransformerLens bridge in evaluation mode, without gradients; ``blocks.{layer}.mlp.hook_post`` is the
        neurons' hook, [batch, position, d_mlp].

    Raises:
        InputError: a file is missing or damaged.
    """
    path = Path(checkpoint)
    folder = path if path.is_dir() else path.parent
    found = read_description(folder)
    for name in found.files:
        if not (folder / name).is_file():
            raise InputError(f"{folder / name} is missing: delete the folder {folder} and run again.")
    return _boot(folder, found.format, device, dtype)


def pick_device(name: str) -> torch.device:
    """The device meant by ``auto`` (CUDA where there is a GPU, else the CPU), ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        InputError: the device is not there.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InputError(
            f"device: {name} is not there: this machine has {torch.cuda.device_count()} CUDA devices."
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


class _reading:
    """Turn whatever a library raises on a file it cannot read into one sentence.

    Readers of model files raise errors of many kinds on damaged files, so all of them count here.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, InputError | MemoryError):
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
            raise InputError(
                f"{self.path} cannot be read as a model ({reason}): check that the file is whole and of a supported "
                "kind."
            ) from error


def _format(files: list[Path], loader: str) -> str:
    names = {file.name for file in files}
    if any(file.suffix == ".gguf" for file in files):
        if len(files) > 1:
            raise InputError("the model has several .gguf files: name one in model.file.")
        return "gguf"
    if "config.json" not in names:
        raise InputError(
            f"the model has no config.json (found {', '.join(sorted(names))}): check model.source."
        )
    if loader != "auto":
        return loader
    config = _config(files)
    if "model_type" in config or "n_layers" not in config:
        return "transformers"
    return "tl_legacy" if any(file.suffix == ".pth" for file in files) else "native"


def _config(files: list[Path]) -> dict[str, Any]:
    file = next(file for file in files if file.name == "config.json")
    with _reading(file):
        return json.loads(file.read_bytes())


def _from_gguf(files: list[Path], folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    (file,) = files
    with _reading(file):
        _check_gguf(file)
        model = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    config = model.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    with torch.device("meta"):  # a plain model around the weights, which are no longer quantised
        plain = type(model)(config)
    plain.load_state_dict(model.state_dict(), assign=True)
    plain.tie_weights()
    plain.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _check_gguf(file: Path) -> None:
    """Raise ValueError unless all tensors that the header announces are there."""
    from gguf import GGUFReader

    with file.open("rb") as opened:
        if opened.read(4) != b"GGUF":
            raise ValueError("it does not begin as a GGUF file does")
    reader = GGUFReader(file)
    end = max((int(tensor.data_offset) + int(tensor.n_bytes) for tensor in reader.tensors), default=0)
    if file.stat().st_size < end:
        raise ValueError(f"it has {file.stat().st_size} of {end} bytes")


def _from_folder(files: list[Path], folder: Path) -> None:
    if not any(file.suffix == ".safetensors" for file in files):
        raise InputError(
            "the model has no .safetensors weights: convert it, for example with save_pretrained."
        )
    _link(files, folder)


def _from_legacy(files: list[Path], folder: Path) -> None:
    """Convert the older TransformerLens format, read from local files instead of a hub."""
    import torch
    from transformer_lens.model_bridge.sources import tl_legacy

    config_file = next(file for file in files if file.name == "config.json")
    weights = [file for file in files if file.suffix == ".pth"]
    if len(weights) != 1:
        raise InputError(
            f"the model has {len(weights)} .pth files where one is expected: check model.source."
        )
    raise NotImplementedError(torch, tl_legacy, config_file)


def _link(files: list[Path], folder: Path) -> None:
    for file in files:
        link = folder / file.name
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(file, folder.resolve()))


def _complete_tokenizer(folder: Path) -> None:
    """Make sure that there is a readable tokenizer.json."""
    from tokenizers import Tokenizer

    file = folder / "tokenizer.json"
    if not file.exists():
        from transformers import AutoTokenizer

        try:
            AutoTokenizer.from_pretrained(folder).backend_tokenizer.save(str(file))
        except Exception as error:  # whatever the many kinds of tokenizers raise
            raise InputError(
                "the model has no tokenizer that can be read: name one in model.tokenizer."
            ) from error
    with _reading(file):
        Tokenizer.from_file(str(file))


def _check_safetensors(path: Path) -> None:
    from safetensors import safe_open

    with _reading(path), safe_open(path, framework="numpy") as opened:
        opened.keys()


def _describe(folder: Path, form: str) -> Description:
    """Describe a checkpoint, with one short forward pass to see that its neurons can be read."""
    import torch

    with _reading(folder):
        model = _boot(folder, form, "cpu", "bfloat16")
    name = "blocks.0.mlp.hook_post"
    if name not in model.hook_dict:
        raise InputError(
            f"{model.cfg.architecture} has no MLP neurons to read (no {name}): choose another model."
        )
    seen: list[int] = []
    hooks = [(name, lambda value, hook: seen.append(value.shape[-1]))]
    with torch.no_grad(), _reading(folder):
        model.run_with_hooks(
            torch.zeros(1, 2, dtype=torch.long), fwd_hooks=hooks, stop_at_layer=1, return_type=None
        )
    names = sorted(path.name for path in folder.iterdir() if path.name != DESCRIPTION)
    return Description(
        format=form,
        architecture=str(model.cfg.architecture),
        n_layers=model.cfg.n_layers,
        d_mlp=seen[0],
        d_model=model.cfg.d_model,
        d_vocab=model.cfg.d_vocab,
        n_ctx=model.cfg.n_ctx,
        gated=bool(getattr(model.cfg, "gated_mlp", False)),
        bos=_special_token(folder, "bos_token"),
        eos=_special_token(folder, "eos_token"),
        files={name: file_digest(folder / name) for name in names},
    )


def _special_token(folder: Path, name: str) -> int | None:
    """Id of ``bos_token`` or ``eos_token``, from the model's configuration or else from its tokenizer's."""
    config = json.loads((folder / "config.json").read_bytes())
    found = config.get(f"{name}_id", config.get("text_config", {}).get(f"{name}_id"))
    if isinstance(found, list):
        found = found[0] if found else None
    if found is None and (folder / "tokenizer_config.json").exists():
        from tokenizers import Tokenizer

        token = json.loads((folder / "tokenizer_config.json").read_bytes()).get(name)
        token = token.get("content") if isinstance(token, dict) else token
        found = Tokenizer.from_file(str(folder / "tokenizer.json")).token_to_id(token) if token else None
    return found


def _boot(folder: Path, form: str, device: str, dtype: torch.dtype | str) -> TransformerBridge:
    import torch
    from transformer_lens.model_bridge import TransformerBridge

    number = getattr(torch, dtype) if isinstance(dtype, str) else dtype
    place = pick_device(device)
    with _reading(folder):
        if form == "native":
            from safetensors.torch import load_file

            config = json.loads((folder / "config.json").read_bytes())
            model = TransformerBridge.boot_native(
                {**config, "init_weights": False}, device=place, dtype=number
            )
            model.load_state_dict(load_file(folder / "model.safetensors", device=str(place)))
        else:
            model = TransformerBridge.boot_transformers(str(folder), device=place, dtype=number)
    model.eval()
    model.requires_grad_(False)
    return model


def _is_plain(value: object) -> bool:
    return (
        value is None
        or isinstance(value, bool | int | float | str)
        or (isinstance(value, list) and all(map(_is_plain, value)))
    )
