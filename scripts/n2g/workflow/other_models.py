"""Models that a run uses beside the one it describes. They are checked when the workflow starts.

Their own stages come after hours of others, and would find only then that a file lacks a tensor.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from n2g.errors import InputError

# So that nothing but the sentence is said.
_QUIET = {"TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "TQDM_DISABLE": "1"}


def check_other_models(config: Mapping[str, Any], program: Path) -> None:
    """Check `masked_lm` and `explain.local`, where they are used, by a program of its own: this process needs no torch.

    Where conda environments bring the packages, it may not be able to run here; then their stages check them.

    Args:
        config: the complete configuration.
        program: scripts/check_models.py.

    Raises:
        InputError: the program's sentence.
    """
    masked_lm = config["masked_lm"] if config["proposer"] == "masked-lm" else None
    folders = {"--masked-lm": masked_lm, "--local": config["explain"]["local"]}
    options = [f"{option}={folder}" for option, folder in folders.items() if folder]
    if options and find_spec("transformers"):
        command = [sys.executable, str(program), *options]
        done = subprocess.run(command, env=os.environ | _QUIET, capture_output=True, text=True, check=False)
        if done.returncode:
            raise InputError(done.stderr.strip())
