"""One pass over the corpus: what every later stage needs to know of every neuron, streamed.

Memory is bounded by neurons × kept documents, whatever the size of the corpus. Begin-of-sequence tokens
and padding never count.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from tqdm import tqdm

from n2g.method.collectors.firings import Firings
from n2g.method.collectors.moments import Moments
from n2g.method.collectors.random_pool import RandomPool
from n2g.method.collectors.token_means import TokenMeans
from n2g.method.collectors.top_documents import TopDocuments
from n2g.model.engine import ROWS, Engine
from n2g.model.halved_batches import in_parts
from n2g.texts.documents import SPLITS, Documents


@dataclass(frozen=True)
class Units:
    """Columns of a layer that are followed: neuron numbers and signs (+1 or -1, the pole), each [unit]."""

    neurons: np.ndarray
    signs: np.ndarray

    @classmethod
    def of(cls, neurons: Sequence[int], poles: Sequence[str]) -> Units:
        signs = [{"positive": 1, "negative": -1}[pole] for pole in poles]
        return cls(np.repeat(np.array(neurons, dtype=np.int64), len(signs)), np.tile(signs, len(neurons)))

    def __len__(self) -> int:
        return len(self.neurons)

    @property
    def poles(self) -> list[str]:
        return ["positive" if sign > 0 else "negative" for sign in self.signs]


@dataclass(frozen=True)
class Keep:
    """How much to keep: top documents and documents of the random pool of each split, the share of the maximum
    below which single activations are forgotten, at most how many of them a unit, after how many of all units they are
    sorted out, and of how many tokens the mean activation. Of validation documents, explanations need a few only."""

    top: Mapping[str, int] = field(default_factory=lambda: {"train": 20, "validation": 10, "test": 10})
    pool: Mapping[str, int] = field(default_factory=lambda: {"validation": 100, "test": 1000})
    floor: float = 0.25
    firings: int = 50_000
    pending: int = 20_000_000
    background: int = 1000


class Collector:
    """Everything that is collected about one layer's units."""

    def __init__(self, units: Units, documents: Documents, keep: Keep, device: str):
        self.units, self.documents, self.keep, self.device = units, documents, keep, device
        n, longest = len(units), int(documents.lengths.max())
        self.maximum = torch.zeros(n, device=device)  # of the train split
        self.nonfinite = torch.zeros(n, dtype=torch.int64, device=device)  # tokens
        self.moments = Moments(n, device)
        self.means = TokenMeans(n, int(documents.tokens.max()) + 1, device)
        self.top = {split: TopDocuments(n, k, longest, device) for split, k in keep.top.items()}
        self.pool = RandomPool(n, documents, keep.pool)
        self.firings = Firings(n, keep.floor, keep.firings, keep.pending)

    def add(
        self,
        batch: np.ndarray,
        tokens: Int[torch.Tensor, "document position"],
        values: Float[torch.Tensor, "document position unit"],
    ) -> None:
        """Add a batch of documents, right-padded: their numbers, token ids and activations."""
        lengths = torch.as_tensor(self.documents.lengths[batch], device=self.device)
        place = torch.arange(values.shape[1], device=self.device)
        real = (place > 0) & (place < lengths[:, None])
        if not torch.stack(values.aminmax()).isfinite().all():
            finite = torch.isfinite(values)
            self.nonfinite += (~finite & real[..., None]).sum((0, 1))
            values = torch.where(finite, values, 0)
        split = self.documents.split[batch]
        self.moments.add(values[real])
        masked = torch.where(real[..., None], values, -torch.inf)
        per_document = masked.amax(1)
        if (split == 0).any():
            train = torch.as_tensor(split == 0, device=self.device)
            self.maximum = torch.maximum(self.maximum, per_document[train].amax(0))
            counted = real & train[:, None]
            self.means.add(tokens[counted], values[counted])
        for name, top in self.top.items():
            rows = np.flatnonzero(split == SPLITS.index(name))
            if len(rows):
                top.add(batch[rows], per_document[rows].T, values[rows])
        self.pool.add(batch, values)
        offsets = torch.as_tensor(self.documents.offsets[batch], device=self.device)
        self.firings.add(offsets, masked, self.maximum, self.nonfinite > 0)

    def finish(self) -> dict[str, dict]:
        """Columns of the tables `statistics`, `firings`, `examples` and `background`, and the pools' arrays."""
        failed = self.nonfinite > 0
        self._forget(failed)
        unit, position, activation = self.firings.finish(self.maximum, failed)
        background = self.means.strongest(self.keep.background)
        return {
            "statistics": self._statistics(unit, activation),
            "firings": {**self._names(unit), "position": position, "activation": activation},
            "examples": self._examples(),
            "background": {**self._names(background.pop("unit")), **background},
            "pools": self.pool.arrays(),
        }

    def _forget(self, failed: Bool[torch.Tensor, " unit"]) -> None:
        """Units that have failed: everything seen of them is discarded."""
        self.maximum[failed] = 0
        self.moments.forget(failed)
        self.means.forget(failed)
        for top in self.top.values():
            top.peaks[failed] = -torch.inf
        self.pool.forget(failed.cpu().numpy())

    def _names(self, unit: np.ndarray) -> dict[str, np.ndarray]:
        """The columns that say which neuron and pole each row is about, from the numbers of its units."""
        poles = np.array(self.units.poles, dtype=object)
        return {"neuron": self.units.neurons.astype(np.int32)[unit], "pole": poles[unit]}

    def _statistics(self, unit: np.ndarray, activation: np.ndarray) -> dict[str, np.ndarray | list]:
        maximum = self.maximum.double().cpu().numpy()
        return {
            **self._names(np.arange(len(self.units))),
            **self.moments.columns(),
            "nonfinite": self.nonfinite.cpu().numpy(),
            "maximum": maximum,
            "firing": np.bincount(unit[activation >= 0.5 * maximum[unit]], minlength=len(self.units)),
            "floor": self.firings.floors.astype(np.float64),
        }

    def _examples(self) -> dict:
        names = self._names(np.arange(len(self.units)))
        rows: dict[str, list] = {
            k: []
            for k in ("neuron", "pole", "split", "rank", "document", "pivot", "activation", "activations")
        }
        tops = {split: top.rows() for split, top in self.top.items()}
        for unit in range(len(self.units)):
            for split, found in tops.items():
                for rank, (document, peak, values) in enumerate(found[unit]):
                    length = int(self.documents.lengths[document])
                    values = values[:length]
                    rows["neuron"].append(names["neuron"][unit])
                    rows["pole"].append(names["pole"][unit])
                    rows["split"].append(split)
                    rows["rank"].append(rank)
                    rows["document"].append(document)
                    rows["pivot"].append(1 + int(np.argmax(values[1:])))
                    rows["activation"].append(peak)
                    rows["activations"].append(values)
        return rows


def collect(
    engine: Engine, documents: Documents, units: Mapping[int, Sequence[Units]], keep: Keep
) -> dict[int, Iterator[dict[str, dict]]]:
    """Run the corpus once and collect for every block of units of every layer.

    units: layer -> the units of each block. Returns layer -> what `Collector.finish` returns, block by block, each made
    when it is asked for and its memory freed before the next. A unit with an activation that is not a finite number has
    failed: it is counted, and nothing else is kept of it.
    """
    collectors = {
        layer: [Collector(u, documents, keep, engine.device) for u in parts] for layer, parts in units.items()
    }
    columns = {layer: [_Columns.of(u, engine.device) for u in parts] for layer, parts in units.items()}
    budget = 4 * engine.batch_tokens  # whole documents fill a batch with less overhead
    with tqdm(
        total=int(documents.lengths.sum()), desc="activations", unit="token", mininterval=5
    ) as progress:
        for batch, tokens in padded_batches(documents, budget, engine.device):
            run = partial(_selected, engine, tokens, columns)
            for begin, end, values in in_parts(run, len(tokens), ROWS):
                for layer, parts in collectors.items():
                    for part in parts:
                        part.add(batch[begin:end], tokens[begin:end], values[layer].pop(0))
            progress.update(int(documents.lengths[batch].sum()))
    return {layer: _finished(parts) for layer, parts in collectors.items()}


@dataclass(frozen=True)
class _Columns:
    """What a block of units reads of a layer: those that lie side by side, positive only, need no copy."""

    where: slice | Int[torch.Tensor, " unit"]
    signs: Int[torch.Tensor, " unit"] | None

    @classmethod
    def of(cls, units: Units, device: str) -> _Columns:
        if (units.signs == 1).all() and (np.diff(units.neurons) == 1).all():
            return cls(slice(int(units.neurons[0]), int(units.neurons[-1]) + 1), None)
        return cls(torch.as_tensor(units.neurons, device=device), torch.as_tensor(units.signs, device=device))

    def signed(
        self, values: Float[torch.Tensor, "document position unit"]
    ) -> Float[torch.Tensor, "document position unit"]:
        """The activations of neurons as those of the units, float32."""
        return values.float() if self.signs is None else values.float() * self.signs


def _finished(collectors: list[Collector]) -> Iterator[dict[str, dict]]:
    while collectors:
        yield collectors.pop(0).finish()


def padded_batches(
    documents: Documents, budget: int, device: str, numbers: np.ndarray | None = None
) -> Iterator[tuple[np.ndarray, Int[torch.Tensor, "document position"]]]:
    """Batches of all documents, or of those with `numbers`, with their token ids, right-padded, on the device.

    Copies to a GPU are under way while it still works on the batch before.
    """
    pinned = torch.device(device).type == "cuda"
    ahead = None
    for batch in documents.batches(budget, numbers):
        tokens = torch.zeros(
            len(batch), int(documents.lengths[batch].max()), dtype=torch.long, pin_memory=pinned
        )
        for row, document in enumerate(batch):
            ids = torch.from_numpy(documents.ids(document).astype(np.int64))
            tokens[row, : len(ids)] = ids
        if ahead is not None:
            yield ahead
        ahead = batch, tokens.to(device, non_blocking=pinned)
    if ahead is not None:
        yield ahead


def _selected(
    engine: Engine, tokens: torch.Tensor, columns: Mapping[int, list[_Columns]], begin: int, end: int
) -> tuple[int, int, dict[int, list[torch.Tensor]]]:
    """Activations [document, position, unit] of some rows of `tokens`, for every block of units of each layer."""
    read = engine.read_columns(
        tokens[begin:end], {layer: [part.where for part in parts] for layer, parts in columns.items()}
    )
    return (
        begin,
        end,
        {
            layer: [part.signed(values) for part, values in zip(parts, read[layer], strict=True)]
            for layer, parts in columns.items()
        },
    )
