"""On what the model is run: options of every program that runs it."""

from __future__ import annotations

import argparse
import os


def add_device_options(parser: argparse.ArgumentParser) -> None:
    """Add --device, --dtype and --threads."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--dtype", default="float32", help="float32 or bfloat16")
    parser.add_argument(
        "--threads",
        type=int,
        default=os.environ.get("N2G_THREADS") or None,
        help="processor threads (default: N2G_THREADS, or all that the job may use)",
    )
