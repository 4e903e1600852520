"""What the scripts that run the model share: their options, and an engine made from them."""

from __future__ import annotations

import argparse
import ctypes
import json
import os
from pathlib import Path

from n2g.errors import InputError
from n2g.files.tables import read_json, read_table
from n2g.model.devices import job_device
from n2g.model.engine import BATCH_TOKENS, Engine
from n2g.settings import Proposer, Settings, methods_of
from n2g.units.converted import load_encoder
from n2g.units.description import read_latents
from n2g.units.encoder import Encoder
from n2g.workflow.device_options import add_device_options


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add --checkpoint, --units, --device, --dtype and --threads."""
    parser.add_argument("--checkpoint", type=Path, required=True, help="the model's checkpoint.json")
    parser.add_argument(
        "--units", type=Path, help="units.json, where latents are described instead of neurons"
    )
    add_device_options(parser)


def add_block_options(parser: argparse.ArgumentParser) -> None:
    """Add --corpus, --block, --layer, --settings and --output."""
    parser.add_argument("--corpus", type=Path, required=True, help="folder of the tokenised corpus")
    parser.add_argument("--block", type=Path, required=True, help="folder {layer}/{block} of the run")
    parser.add_argument("--layer", type=int, required=True, help="the block's layer")
    parser.add_argument("--settings", type=json.loads, default={}, help="of the method, as JSON")
    parser.add_argument("--output", type=Path, required=True, help="file to write")


def methods(given: argparse.Namespace) -> list[Settings]:
    """The settings of every method that the run needs."""
    bos = read_json(given.corpus / "corpus.json")["bos"]
    return methods_of(Settings.from_options({**given.settings, "bos": bos}))


def open_proposer(given: argparse.Namespace, engine: Engine) -> Proposer:
    """The proposer of substitutes. Raises InputError where its model cannot be read."""
    from n2g.method.proposers import make_proposer

    vocabulary = read_table(given.corpus / "vocabulary.parquet", "vocabulary")
    bos = read_json(given.corpus / "corpus.json")["bos"]
    return make_proposer(given.proposer, engine.bridge, vocabulary, bos, given.masked_lm)


def open_encoders(
    given: argparse.Namespace, layers: list[int], latents: list[int], decoders: bool = False
) -> dict[int, Encoder]:
    """The encoders of some layers; none without --units, as then the units are neurons. decoders: are wanted, too.

    Raises:
        InputError: a layer has no latents, or not so many, or their files are damaged.
    """
    units = getattr(given, "units", None)  # some programs know neurons only
    if units is None:
        return {}
    known = read_latents(units)
    if max(latents) >= known.latents:
        raise InputError(
            f"neurons: {max(latents)} is out of range: each layer has latents 0-{known.latents - 1}."
        )
    return {layer: load_encoder(units, layer, decoder=decoders) for layer in sorted(set(layers))}


def open_engine(
    given: argparse.Namespace, layers: list[int], neurons: list[int], changes: bool = False
) -> Engine:
    """Load the model. changes: whether activations are changed, which takes the decoders of latents.

    Raises InputError where a layer or neuron is not in it, before the weights are read.
    """
    import torch

    from n2g.model.checkpoint import boot, read_description

    model = read_description(given.checkpoint)
    if max(layers) >= model.n_layers:
        raise InputError(
            f"layers: {max(layers)} is out of range: this model has layers 0-{model.n_layers - 1}."
        )
    encoders = open_encoders(given, layers, neurons, changes)
    if not encoders and max(neurons) >= model.d_mlp:
        raise InputError(
            f"neurons: {max(neurons)} is out of range: each layer has neurons 0-{model.d_mlp - 1}."
        )
    keep_freed_memory()
    torch.set_num_threads(given.threads or len(os.sched_getaffinity(0)))
    device = job_device(given.device)
    if device.type == "cuda":
        always_add_in_one_order()
        torch.cuda.set_device(device)  # else pinned memory, too, takes room on the first GPU
    bridge = boot(given.checkpoint, str(device), given.dtype)
    for layer, encoder in encoders.items():
        wanted = [encoder.hook, encoder.writes] if changes and encoder.can_be_changed else [encoder.hook]
        for hook in (hook for hook in wanted if hook not in bridge.hook_dict):
            raise InputError(
                f"units: {model.architecture} has no {hook}, which the latents of layer {layer} need: "
                "choose encoders of this model."
            )
    placed = {layer: encoder.to(device) for layer, encoder in encoders.items()}
    return Engine(bridge, model.hook, str(device), encoders=placed, batch_tokens=BATCH_TOKENS[device.type])


def always_add_in_one_order() -> None:
    """Make CUDA's kernels give the same bits each time, where PyTorch has such kernels. To be called before the first.

    Sums by index would otherwise be added in the order in which the GPU's threads happen to come.
    """
    import torch

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Every number is written before it is read.
    torch.utils.deterministic.fill_uninitialized_memory = False  # ty: ignore[missing-attribute]


def keep_freed_memory() -> None:
    """Make the C library keep the memory of freed tensors for the next ones, where it can (glibc).

    By default it returns large blocks to the system and requests new ones, whose pages the system then clears: that
    took 10 to 25 % of each stage's time on two cores.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        trim_threshold, map_threshold, bytes_kept = -1, -3, 1 << 30
        mallopt(map_threshold, bytes_kept)
        mallopt(trim_threshold, bytes_kept)
