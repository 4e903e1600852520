"""What the scripts that run the model share: their options, and an engine made from them."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from n2g.engine import Engine
from n2g.errors import InputError


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add --checkpoint, --device, --dtype and --threads."""
    parser.add_argument("--checkpoint", type=Path, required=True, help="the model's checkpoint.json")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--dtype", default="float32", help="float32 or bfloat16")
    parser.add_argument("--threads", type=int, help="processor threads (default: all that the job may use)")


def open_engine(given: argparse.Namespace, layers: list[int], neurons: list[int]) -> Engine:
    """Load the model. Raises InputError where a layer or neuron is not in it, before the weights are read."""
    import torch

    from n2g.checkpoint import boot, pick_device, read_description

    model = read_description(given.checkpoint)
    if max(layers) >= model.n_layers:
        raise InputError(f"layers: {max(layers)} is out of range: this model has layers 0-{model.n_layers - 1}.")
    if max(neurons) >= model.d_mlp:
        raise InputError(f"neurons: {max(neurons)} is out of range: each layer has neurons 0-{model.d_mlp - 1}.")
    torch.set_num_threads(given.threads or len(os.sched_getaffinity(0)))
    device = pick_device(given.device)
    return Engine(boot(given.checkpoint, given.device, given.dtype), device=str(device))
