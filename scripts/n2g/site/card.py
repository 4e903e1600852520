"""The picture by which other sites show a link to the atlas (Open Graph): the map of its neurons as a PNG."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from n2g.graphs.colours import BLUES

WIDTH, HEIGHT = 1200, 630  # the usual size of such cards
MARGIN = 30
GAP = 2  # pixels between cells that are wide enough for it
BACKGROUND, NO_VALUE, FIRST = 0, 1, 2  # places in the palette; FIRST: of F1 below 0.1
PALETTE = ["#ffffff", "#d9dde3", "#f5f7f9", *BLUES]


def card(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """A PNG with a row for each layer and a cell for each of its neurons, coloured by F1 as on the home page.

    Args:
        rows: the neurons in order, each with `layer` and `f1` (None where it is not known).
    """
    lines = [[_place(row["f1"]) for row in cells] for _, cells in groupby(rows, key=lambda row: row["layer"])]
    cells = np.full((len(lines), max(map(len, lines))), BACKGROUND, dtype=np.uint8)
    for line, places in zip(cells, lines, strict=True):
        line[: len(places)] = places
    down, below = _along(HEIGHT - 2 * MARGIN, cells.shape[0])
    across, beside = _along(WIDTH - 2 * MARGIN, cells.shape[1])
    pixels = cells[np.ix_(down, across)]
    pixels[below] = BACKGROUND
    pixels[:, beside] = BACKGROUND
    return _png(np.pad(pixels, MARGIN, constant_values=BACKGROUND), PALETTE)


def _place(f1: float | None) -> int:
    return NO_VALUE if f1 is None else FIRST + min(9, max(0, int(10 * f1)))


def _along(pixels: int, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """For each pixel the cell that it shows, and whether it is between two cells."""
    places = np.arange(pixels) * cells
    cell = places // pixels
    wide = pixels >= 3 * GAP * cells
    return cell, np.array([wide and at >= GAP and cell[at] != cell[at - GAP] for at in range(pixels)])


def _png(pixels: np.ndarray, palette: Sequence[str]) -> bytes:
    """An image of places in a palette, as the PNG specification has it: https://www.w3.org/TR/png-3/"""
    height, width = pixels.shape
    lines = np.pad(pixels, ((0, 0), (1, 0)))  # each begins with its filter, which is none

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [
            chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            chunk(b"PLTE", bytes.fromhex("".join(colour.removeprefix("#") for colour in palette))),
            chunk(b"IDAT", zlib.compress(lines.tobytes(), 9)),
            chunk(b"IEND", b""),
        ]
    )
