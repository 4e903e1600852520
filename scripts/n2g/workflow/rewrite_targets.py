"""Which layers to rewrite by their graphs, and from which files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from n2g.errors import ConfigError, exit_with_sentence
from n2g.ids import Block, parse_numbers
from n2g.workflow.config_mistakes import about_key
from n2g.workflow.paths import block_file

TABLES = ("rewrite.parquet", "rewrite_neurons.parquet")


def layers_asked(config: Mapping[str, Any], blocks: Sequence[tuple[int, Block]]) -> list[int]:
    """The layers that a configuration wants rewritten. blocks: the selected ones, which have graphs.

    Raises:
        ConfigError: it names none, or one that is not selected.
    """
    if config["layer"] is None:
        raise ConfigError("layer: is not set: name one or more layers, as in --config layer=3.")
    known = sorted({layer for layer, _ in blocks})
    with about_key("layer"):
        asked = known if config["layer"] == "all" else parse_numbers(config["layer"])
    if missing := sorted(set(asked) - set(known)):
        raise ConfigError(f"layer: {missing[0]} is not among the selected layers: add it to layers.")
    return asked


def tables_asked(run: Path, config: Mapping[str, Any], blocks: Sequence[tuple[int, Block]]) -> list[str]:
    """The tables of the layers to rewrite. Ends with a sentence where there are none."""
    with exit_with_sentence():
        return [str(run / str(layer) / name) for layer in layers_asked(config, blocks) for name in TABLES]


def tables_made(run: Path, blocks: Sequence[tuple[int, Block]]) -> list[str]:
    """The tables of those of the selected layers that have been rewritten before."""
    folders = [run / str(layer) for layer in sorted({layer for layer, _ in blocks})]
    return [str(folder / name) for folder in folders if (folder / TABLES[0]).exists() for name in TABLES]


def of_layer(blocks: Sequence[tuple[int, Block]], layer: str) -> list[tuple[int, Block]]:
    """Those of the blocks that are of a layer, whose number may come from a file name."""
    return [(number, block) for number, block in blocks if number == int(layer)]


def layer_files(run: str, blocks: Sequence[tuple[int, Block]], names: Sequence[str]) -> list[str]:
    """Files of some blocks of a run."""
    return [
        block_file(name).format(run=run, layer=layer, block=block)
        for name in names
        for layer, block in blocks
    ]
