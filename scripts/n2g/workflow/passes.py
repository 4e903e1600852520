"""The parts in which a stage works on a run: many blocks in one job, or any single block in a job of its own.

Both have the same members, so a rule that exists for both is written once, in a loop over them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from n2g.ids import Block, NeuronId
from n2g.workflow.paths import block_benchmark, block_file, block_log, run_benchmark, run_file, run_log


@dataclass(frozen=True)
class Part:
    """Blocks that a job works on together: some of the selected ones, or those of the neurons to reproduce.

    The files have no wildcards. So Snakemake finds the job of a file without comparing it with all others, and prefers
    it to the rule for any single block.

    Attributes:
        name: ``1``, ``2``, ... where a run has several parts, ``recomputed`` for the neurons to reproduce, else empty.
        run: the folder in ``results`` that holds the blocks.
        blocks: each with its layer.
        threads: of a job that all others wait for.
    """

    name: str
    run: str
    blocks: Sequence[tuple[int, Block]] = field(repr=False)
    threads: int = 1
    where: ClassVar[str] = ""  # in a message: many blocks have no short name

    def rule(self, stage: str) -> str:
        """Name of the rule by which a stage works on this part."""
        return f"{stage}_{self.name}" if self.name else stage

    def file(self, name: str) -> str:
        """Path of a file of the part's run."""
        return run_file(name).format(run=self.run)

    def files(self, *names: str) -> list[str]:
        """Paths of such files of every block."""
        return [self.file(f"{layer}/{block}/{name}") for name in names for layer, block in self.blocks]

    def log(self, stage: str) -> str:
        """Path of a stage's log for this part."""
        return (
            self.file(f"logs/{stage}/{self.name}.log") if self.name else run_log(stage).format(run=self.run)
        )

    def benchmark(self, stage: str) -> str:
        """Path of what a stage cost for this part."""
        if self.name:
            return self.file(f"benchmarks/{stage}/{self.name}.tsv")
        return run_benchmark(stage).format(run=self.run)


class AnyBlock:
    """Any block that is in no part, such as that of a single neuron: its files have wildcards."""

    threads = 1

    def __init__(self, kind: str = "neurons") -> None:
        self._kind = kind

    @property
    def where(self) -> str:
        return f" for layer {{wildcards.layer}}, {self._kind} {{wildcards.block}}"

    def rule(self, stage: str) -> str:
        return f"{stage}_of_block"

    def file(self, name: str) -> str:
        return run_file(name)

    def files(self, *names: str) -> list[str]:
        return [block_file(name) for name in names]

    def log(self, stage: str) -> str:
        return block_log(stage)

    def benchmark(self, stage: str) -> str:
        return block_benchmark(stage)


def share_out(blocks: Sequence[tuple[int, Block]], passes: int) -> list[list[tuple[int, Block]]]:
    """Blocks, in order, in at most so many shares of neighbouring layers, as many in each, give or take one. Where
    there are fewer layers, it is neighbouring blocks.

    >>> [len(share) for share in share_out([(layer, Block(0, 255)) for layer in range(5)], 2)]
    [3, 2]
    """
    layers = sorted({layer for layer, _ in blocks})
    places = [layers.index(layer) for layer, _ in blocks] if passes <= len(layers) else range(len(blocks))
    size = len(set(places))
    count = min(passes, size)
    shares: list[list[tuple[int, Block]]] = [[] for _ in range(count)]
    for place, block in zip(places, blocks, strict=True):
        shares[place * count // size].append(block)
    return shares


def parts_of(run: str, blocks: Sequence[tuple[int, Block]], passes: int = 1, threads: int = 1) -> list[Part]:
    """The parts of a run's selected blocks, at most `passes`: numbered from 1 where there are several."""
    shares = share_out(blocks, passes)
    names = [str(number) for number in range(1, len(shares) + 1)] if len(shares) > 1 else [""] * len(shares)
    return [Part(name, run, share, threads) for name, share in zip(names, shares, strict=True)]


def scratch_parts(run: str, neurons: Sequence[NeuronId], threads: int = 1) -> list[Part]:
    """The part of the neurons to reproduce, each layer and neuron in a block of its own; none without neurons."""
    blocks = sorted({(neuron.layer, neuron.block) for neuron in neurons})
    return [Part("recomputed", run, blocks, threads)] if blocks else []
