"""Names of neurons, of where they are read, and of blocks of neurons.

A neuron is ``L3.N42`` (layer 3, neuron 42), its negative pole ``L3.N42-``; a latent of an encoder is ``L3.F42``. Where
latents are described, what is said of neurons holds of them. A block is an inclusive range of
neurons of one layer, written ``00000-00255``; a single neuron is the block ``00042-00042``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from n2g.errors import InputError

# The Snakefile's wildcard constraints; `Block.parse` accepts exactly what BLOCK_PATTERN matches, ends in
# order.
LAYER_PATTERN = r"\d+"
BLOCK_PATTERN = r"\d{5}-\d{5}"
LARGEST = 99_999

# Where neurons are read, by the configuration's `model.hook`; the second is `hook_mid` in older TransformerLens.
HOOKS = {"post": "blocks.{layer}.mlp.hook_post", "mid": "blocks.{layer}.mlp.ln.hook_in"}

# The letter in the names of each kind of unit.
LETTERS = {"neurons": "N", "latents": "F"}

_NEURON = re.compile(r"L(0|[1-9]\d{0,4})\.([NF])(0|[1-9]\d{0,4})(-?)")
# As written, or as in names of blocks; 010 is 8 to some, 10 to others.
_NUMBER = "(0|[1-9][0-9]{0,4}|[0-9]{5})"
_RANGE = re.compile(rf"{_NUMBER}(?:\s*-\s*{_NUMBER})?")


@dataclass(frozen=True, order=True)
class NeuronId:
    """One pole of one neuron.

    Attributes:
        layer: layer number, from 0.
        neuron: position in the layer's hidden MLP vector, or among the layer's latents, from 0.
        negative: True for the negative pole (the neuron's activation with its sign flipped).
        letter: N for a neuron, F for a latent.
    """

    layer: int
    neuron: int
    negative: bool = False
    letter: str = "N"

    @classmethod
    def parse(cls, text: str) -> NeuronId:
        """Read ``L3.N42`` or ``L3.N42-``, or with an F in place of the N.

        >>> NeuronId.parse("L3.N42-")
        NeuronId(layer=3, neuron=42, negative=True, letter='N')

        Raises:
            InputError: the text is not a neuron's name.
        """
        match = _NEURON.fullmatch(text)
        if not match:
            raise InputError(f"{text!r} is not a neuron: write its layer and number as in L3.N42.")
        return cls(int(match[1]), int(match[3]), bool(match[4]), match[2])

    @classmethod
    def of(cls, layer: int, neuron: int, pole: str, letter: str = "N") -> NeuronId:
        """The neuron that a row of a table names, or the latent where the run is about those.

        >>> str(NeuronId.of(3, 42, "negative"))
        'L3.N42-'
        """
        return cls(layer, neuron, pole == "negative", letter)

    def __str__(self) -> str:
        return f"L{self.layer}.{self.letter}{self.neuron}{'-' if self.negative else ''}"

    @property
    def pole(self) -> str:
        """``positive`` or ``negative``."""
        return "negative" if self.negative else "positive"

    @property
    def block(self) -> Block:
        """The block that holds this neuron alone."""
        return Block(self.neuron, self.neuron)


@dataclass(frozen=True, order=True)
class Block:
    """The neurons ``first`` to ``last`` (inclusive) of a layer."""

    first: int
    last: int

    @classmethod
    def parse(cls, text: str) -> Block:
        """Read ``00000-00255``.

        >>> len(Block.parse("00000-00255").neurons)
        256

        Raises:
            InputError: the text is not a block, or its ends are in the wrong order.
        """
        if not re.fullmatch(BLOCK_PATTERN, text) or text[:5] > text[6:]:
            raise InputError(f"{text!r} is not a block of neurons: write it as in 00000-00255.")
        return cls(int(text[:5]), int(text[6:]))

    def __str__(self) -> str:
        return f"{self.first:05d}-{self.last:05d}"

    @property
    def neurons(self) -> range:
        """The neurons of the block, in order."""
        return range(self.first, self.last + 1)


def parse_numbers(text: str | int, count: int | None = None) -> list[int]:
    """Read a selection such as ``0-31,100`` or ``all``.

    Args:
        text: single numbers and inclusive ranges, separated by commas, in any order and possibly overlapping.
        count: how many there are; numbers must be below it, and ``all`` needs it.

    Returns:
        The numbers, ascending, each once.

    >>> parse_numbers("5,0-2")
    [0, 1, 2, 5]

    Raises:
        InputError: the text is malformed, a number is out of range, or ``all`` is asked for without a count.
    """
    text = str(text).strip()
    if text == "all":
        if count is None:
            raise InputError("'all' can only be resolved once the model has been fetched.")
        return list(range(count))
    numbers: set[int] = set()
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        if not match:
            raise InputError(
                f"{text!r} is not a selection: write numbers and ranges such as 0-31,100, or all."
            )
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise InputError(f"the range {part.strip()!r} is empty: write the smaller number first.")
        numbers.update(range(first, last + 1))
    if count is not None and max(numbers) >= count:
        raise InputError(f"{max(numbers)} is out of range: choose from 0-{count - 1}, or all.")
    return sorted(numbers)


def name_blocks(blocks: Iterable[tuple[int, Block]]) -> list[str]:
    """Short names of blocks with their layers, for a command line: those of several layers share one.

    >>> name_blocks([(0, Block(0, 255)), (1, Block(0, 255)), (3, Block(0, 255)), (3, Block(256, 511))])
    ['0-1,3/00000-00255', '3/00256-00511']
    """
    layers: dict[Block, set[int]] = {}
    for layer, block in blocks:
        layers.setdefault(block, set()).add(layer)
    return [f"{_ranges(found)}/{block}" for block, found in layers.items()]


def parse_blocks(names: Iterable[str]) -> list[tuple[int, Block]]:
    """The blocks that `name_blocks` has named, each with its layer, in order.

    >>> [f"{layer}/{block}" for layer, block in parse_blocks(["0-1/00000-00255"])]
    ['0/00000-00255', '1/00000-00255']

    Raises:
        InputError: a name has the wrong form.
    """
    found = set()
    for name in names:
        layers, _, block = name.partition("/")
        found.update((layer, Block.parse(block)) for layer in parse_numbers(layers))
    return sorted(found)


def blocks_by_layer(names: Iterable[str]) -> dict[int, list[Block]]:
    """The same blocks, layer by layer."""
    found: dict[int, list[Block]] = {}
    for layer, block in parse_blocks(names):
        found.setdefault(layer, []).append(block)
    return found


def block_folder(run: Path, layer: int, block: Block) -> Path:
    """The folder with the results of a block."""
    return run / str(layer) / str(block)


def block_folders(run: Path, names: Iterable[str]) -> list[tuple[int, Path]]:
    """Layer and folder of the blocks that `name_blocks` has named, in order."""
    return [(layer, block_folder(run, layer, block)) for layer, block in parse_blocks(names)]


def _ranges(numbers: Iterable[int]) -> str:
    """Numbers in the form that `parse_numbers` reads."""
    ends: list[list[int]] = []
    for number in sorted(numbers):
        if ends and number == ends[-1][1] + 1:
            ends[-1][1] = number
        else:
            ends.append([number, number])
    return ",".join(f"{first}-{last}" if first < last else str(first) for first, last in ends)


def to_blocks(numbers: Iterable[int], size: int) -> list[Block]:
    """Divide a selection of neurons into blocks of consecutive neurons.

    A block ends where the selection has a gap and before every multiple of ``size``, so that the blocks in
    the middle of a range do not depend on where it begins.

    >>> [str(block) for block in to_blocks([0, 1, 2, 3, 100], 3)]
    ['00000-00002', '00003-00003', '00100-00100']
    """
    if size < 1:
        raise ValueError("a block holds at least one neuron")
    blocks: list[Block] = []
    for number in sorted(set(numbers)):
        if blocks and number == blocks[-1].last + 1 and number % size:
            blocks[-1] = Block(blocks[-1].first, number)
        else:
            blocks.append(Block(number, number))
    return blocks
