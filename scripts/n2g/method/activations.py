"""One pass over the corpus: what every later stage needs to know of every neuron, streamed.

Memory is bounded by neurons x kept documents, whatever the size of the corpus. Begin-of-sequence tokens
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

from n2g.method.histogram_bins import EDGES
from n2g.model.engine import ROWS, Engine
from n2g.model.gpu_memory import in_parts
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
    """How much to keep: top documents a split, documents of the random pool, the share of the maximum
    below which single activations are forgotten, at most how many of them a unit, after how many of all units they are
    sorted out, and of how many tokens the mean activation."""

    top: Mapping[str, int] = field(default_factory=lambda: {"train": 20, "validation": 10, "test": 10})
    pool: int = 1000
    floor: float = 0.25
    firings: int = 50_000
    pending: int = 20_000_000
    background: int = 1000


class Collector:
    """Statistics, top documents, firings and the random pool of one layer's units."""

    def __init__(self, units: Units, documents: Documents, keep: Keep, device: str):
        self.units, self.documents, self.keep, self.device = units, documents, keep, device
        n, longest = len(units), int(documents.lengths.max())
        self.moments = torch.zeros(n, 5, dtype=torch.float64, device=device)  # count, sums of x .. x^4
        self.histogram = torch.zeros(n, len(EDGES) + 1, dtype=torch.int64, device=device)
        self.edges = torch.tensor(EDGES, dtype=torch.float32, device=device)
        self.maximum = torch.zeros(n, device=device)  # of the train split
        self.nonfinite = torch.zeros(n, dtype=torch.int64, device=device)  # tokens
        vocabulary = int(documents.tokens.max()) + 1
        self.sums = torch.zeros(vocabulary, n, device=device)  # by token, over the train split
        self.counts = torch.zeros(vocabulary, dtype=torch.int64, device=device)
        self.top = {split: _Top(n, k, longest, device) for split, k in keep.top.items()}
        self.pools = {split: documents.pool(split, keep.pool) for split in ("validation", "test")}
        self.pool_begin, self.pool_values = {}, {}
        for split, pool in self.pools.items():
            ends = np.cumsum(documents.lengths[pool])
            self.pool_begin[split] = dict(
                zip(pool.tolist(), (ends - documents.lengths[pool]).tolist(), strict=True)
            )
            self.pool_values[split] = np.zeros((n, int(ends[-1]) if len(ends) else 0), dtype=np.float16)
        self.firings: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self.pending = 0
        self.floors = np.full(n, 1e-30, dtype=np.float32)  # below them single activations have been forgotten

    def add(
        self,
        batch: np.ndarray,
        tokens: Int[torch.Tensor, "document position"],
        values: Float[torch.Tensor, "document position unit"],
    ) -> None:
        """Take in a batch of documents, right-padded: their numbers, token ids and activations."""
        lengths = torch.as_tensor(self.documents.lengths[batch], device=self.device)
        place = torch.arange(values.shape[1], device=self.device)
        real = (place > 0) & (place < lengths[:, None])
        finite = torch.isfinite(values)
        if not finite.all():
            self.nonfinite += (~finite & real[..., None]).sum((0, 1))
            values = torch.where(finite, values, 0)
        split = self.documents.split[batch]
        self._moments(values[real])
        masked = torch.where(real[..., None], values, -torch.inf)
        per_document = masked.amax(1)
        if (split == 0).any():
            train = torch.as_tensor(split == 0, device=self.device)
            self.maximum = torch.maximum(self.maximum, per_document[train].amax(0))
            counted = real & train[:, None]
            self.sums.index_add_(0, tokens[counted], values[counted])
            self.counts.index_add_(0, tokens[counted], torch.ones_like(tokens[counted]))
        for name, top in self.top.items():
            rows = np.flatnonzero(split == SPLITS.index(name))
            if len(rows):
                top.add(batch[rows], per_document[rows].T, values[rows])
        for name, begins in self.pool_begin.items():
            rows = [row for row, document in enumerate(batch.tolist()) if document in begins]
            # one copy from the GPU, not one a document
            parts = values[rows].half().cpu().numpy() if rows else ()
            for row, part in zip(rows, parts, strict=True):
                begin, length = begins[batch[row]], self.documents.lengths[batch[row]]
                self.pool_values[name][:, begin : begin + length] = part[:length].T
        self._firings(batch, masked, real)

    def _moments(self, flat: Float[torch.Tensor, "token unit"]) -> None:
        # Summed along rows: so the order of adding does not depend on the number of units.
        columns = flat.T.contiguous()
        wide = columns.double()
        square = wide * wide
        sums = [torch.full_like(wide[:, 0], len(flat)), wide.sum(1), square.sum(1)]
        self.moments += torch.stack([*sums, (square * wide).sum(1), (square * square).sum(1)], 1)
        bins = torch.bucketize(columns, self.edges)
        self.histogram.scatter_add_(1, bins, torch.ones_like(bins))

    def _firings(
        self, batch: np.ndarray, masked: torch.Tensor, real: Bool[torch.Tensor, "document position"]
    ) -> None:
        floor = self.keep.floor * self.maximum
        row, place, unit = torch.nonzero(masked >= floor.clamp(min=1e-30), as_tuple=True)
        offsets = torch.as_tensor(self.documents.offsets[batch], device=self.device)
        values = masked[row, place, unit].float().cpu().numpy()
        self.firings.append(
            ((offsets[row] + place).cpu().numpy(), unit.cpu().numpy().astype(np.int32), values)
        )
        self.pending += len(values)
        if self.pending > self.keep.pending:
            self._compact()

    def _compact(self) -> None:
        """Forget what lies below the floors, and all but the largest.

        Floors only rise, so that it does not matter when something was forgotten.
        """
        position, unit, value = (np.concatenate(part) for part in zip(*self.firings, strict=True))
        maximum = self.maximum.float().cpu().numpy()
        floors = np.maximum(self.keep.floor * maximum, self.floors).astype(np.float32)
        kept = (value >= floors[unit]) & (self.nonfinite.cpu().numpy() == 0)[unit]
        position, unit, value = position[kept], unit[kept], value[kept]
        order = np.lexsort((position, -value, unit))
        position, unit, value = position[order], unit[order], value[order]
        begins = np.searchsorted(unit, np.arange(len(self.units)))
        rank = np.arange(len(unit)) - begins[unit]
        over = rank == self.keep.firings  # the first that is forgotten: everything from it on is unknown
        floors[unit[over]] = np.nextafter(value[over], np.inf)
        kept = value >= floors[unit]
        self.firings = [(position[kept], unit[kept], value[kept])]
        self.pending, self.floors = int(kept.sum()), floors

    def finish(self) -> dict[str, dict]:
        """Columns of the tables `statistics`, `firings` and `examples`, and the pools' arrays."""
        self._forget(self.nonfinite > 0)
        self._compact()
        position, unit, value = self.firings[0]
        order = np.lexsort((position, unit))
        names = {
            "neuron": self.units.neurons.astype(np.int32),
            "pole": np.array(self.units.poles, dtype=object),
        }
        firings = {
            "neuron": names["neuron"][unit[order]],
            "pole": names["pole"][unit[order]],
            "position": position[order],
            "activation": value[order],
        }
        return {
            "statistics": self._statistics(names),
            "firings": firings,
            "examples": self._examples(names),
            "background": self._background(names),
            "pools": {
                **self.pool_values,
                **{f"{k}_documents": v.astype(np.int32) for k, v in self.pools.items()},
            },
        }

    def _forget(self, units: Bool[torch.Tensor, " unit"]) -> None:
        """Units that have failed: whatever was seen of them counts as nothing."""
        for kept in (self.moments, self.histogram, self.maximum):
            kept[units] = 0
        self.sums[:, units] = 0
        self.floors[units.cpu().numpy()] = 1e-30
        for top in self.top.values():
            top.peaks[units] = -torch.inf
        for pool in self.pool_values.values():
            pool[units.cpu().numpy()] = 0

    def _statistics(self, names: dict) -> dict:
        count, *sums = self.moments.cpu().numpy().T
        m1, m2, m3, m4 = (total / np.maximum(count, 1) for total in sums)
        variance = np.maximum(m2 - m1**2, 0)
        std = np.sqrt(variance)
        third = m3 - 3 * m1 * m2 + 2 * m1**3
        fourth = m4 - 4 * m1 * m3 + 6 * m1**2 * m2 - 3 * m1**4
        safe = np.where(std > 0, std, 1)
        _, unit, value = self.firings[0]
        maximum = self.maximum.double().cpu().numpy()
        lower = np.concatenate([[-np.inf], EDGES])  # of each bin
        positive = self.histogram[:, torch.as_tensor(lower > 0)].sum(1).cpu().numpy()
        tokens = np.maximum(count, 1)
        return {
            **names,
            "tokens": count.astype(np.int64),
            "nonfinite": self.nonfinite.cpu().numpy(),
            "maximum": maximum,
            "mean": _rounded(m1),
            "std": _rounded(std),
            "skewness": _rounded(np.where(std > 0, third / safe**3, 0)),
            "kurtosis": _rounded(np.where(std > 0, fourth / safe**4, 0)),
            "density": _rounded(positive / tokens),
            "firing": np.bincount(unit[value >= 0.5 * maximum[unit]], minlength=len(self.units)),
            "floor": self.floors.astype(np.float64),
            "histogram": list(self.histogram.cpu().numpy()),
        }

    def _background(self, names: dict) -> dict:
        """The tokens that say most of a unit's activation on their own: largest mean x root of count."""
        mean = (self.sums / (self.counts[:, None] + 1)).cpu().numpy()  # one imagined occurrence at 0
        counts = self.counts.cpu().numpy()
        weight = mean * np.sqrt(counts)[:, None]
        size = min(self.keep.background, len(weight))
        rows = [
            np.sort(np.argsort(-weight[:, unit], kind="stable")[:size]) for unit in range(len(self.units))
        ]
        rows = [token[mean[token, unit] > 0] for unit, token in enumerate(rows)]
        owner = np.repeat(np.arange(len(rows)), [len(token) for token in rows])
        token = np.concatenate(rows) if rows else np.zeros(0, dtype=np.int64)
        return {
            "neuron": names["neuron"][owner],
            "pole": names["pole"][owner],
            "token": token,
            "count": counts[token],
            "mean": _rounded(mean[token, owner], 5),
        }

    def _examples(self, names: dict) -> dict:
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


class _Top:
    """The documents with the largest activations of each unit, with all their activations.

    Equal activations are ordered by document number, so the order of batches does not matter.
    """

    def __init__(self, units: int, size: int, longest: int, device: str):
        self.peaks = torch.full((units, size), -torch.inf, device=device)
        self.documents = torch.full((units, size), torch.iinfo(torch.int64).max, device=device)
        self.slots = torch.arange(size, device=device).repeat(units, 1)
        self.values = torch.zeros(units, size, longest, device=device)

    def add(self, documents: np.ndarray, peaks: torch.Tensor, values: torch.Tensor) -> None:
        """peaks: [unit, document]; values: [document, position, unit]."""
        size = self.peaks.shape[1]
        if not (peaks.amax(1) >= self.peaks[:, -1]).any():
            return
        numbers = torch.as_tensor(documents, device=peaks.device).expand(len(peaks), -1)
        all_peaks, all_documents = torch.cat([self.peaks, peaks], 1), torch.cat([self.documents, numbers], 1)
        order = torch.argsort(all_documents, dim=1, stable=True)
        order = order.gather(
            1, torch.argsort(all_peaks.gather(1, order), dim=1, descending=True, stable=True)
        )[:, :size]
        new = order >= size
        old_kept = torch.zeros_like(self.peaks, dtype=torch.bool)
        unit, rank = torch.nonzero(~new, as_tuple=True)
        old_kept[unit, order[unit, rank]] = True
        free_unit, free_rank = torch.nonzero(~old_kept, as_tuple=True)
        freed = self.slots[free_unit, free_rank]
        slots = self.slots.gather(1, order.clamp(max=size - 1))
        unit, rank = torch.nonzero(new, as_tuple=True)  # as many as were freed, both in order of units
        slots[unit, rank] = freed
        row = order[unit, rank] - size
        self.values[unit, freed] = 0
        self.values[unit, freed, : values.shape[1]] = values[row, :, unit].float()
        self.peaks, self.documents = all_peaks.gather(1, order), all_documents.gather(1, order)
        self.slots = slots

    def rows(self) -> list[list[tuple[int, float, np.ndarray]]]:
        """For each unit its (document, peak, activations [position]), the largest peak first."""
        values, slots = self.values.cpu().numpy(), self.slots.tolist()
        return [
            [(*pair, values[unit, slot]) for *pair, slot in zip(*row, strict=True) if np.isfinite(pair[1])]
            for unit, row in enumerate(zip(self.documents.tolist(), self.peaks.tolist(), slots, strict=True))
        ]


def collect(
    engine: Engine, documents: Documents, units: Mapping[int, Sequence[Units]], keep: Keep
) -> dict[int, list[dict[str, dict]]]:
    """Run the corpus once and collect for every block of units of every layer.

    units: layer -> the units of each block. Gives layer -> what `Collector.finish` gives, block by block. A unit
    with an activation that is not a finite number has failed: it is counted, and nothing else is kept of it.
    """
    collectors = {
        layer: [Collector(u, documents, keep, engine.device) for u in parts] for layer, parts in units.items()
    }
    columns = {
        layer: [
            (torch.as_tensor(u.neurons, device=engine.device), torch.as_tensor(u.signs, device=engine.device))
            for u in parts
        ]
        for layer, parts in units.items()
    }
    budget = 4 * engine.batch_tokens  # whole documents fill a batch with less overhead
    with tqdm(
        total=int(documents.lengths.sum()), desc="activations", unit="token", mininterval=5
    ) as progress:
        for batch, tokens in _loaded(documents, budget, engine.device):
            run = partial(_selected, engine, tokens, columns)
            for begin, end, values in in_parts(run, len(tokens), ROWS):
                for layer, parts in collectors.items():
                    for part in parts:
                        part.add(batch[begin:end], tokens[begin:end], values[layer].pop(0))
            progress.update(int(documents.lengths[batch].sum()))
    return {layer: [part.finish() for part in parts] for layer, parts in collectors.items()}


def _loaded(
    documents: Documents, budget: int, device: str
) -> Iterator[tuple[np.ndarray, Int[torch.Tensor, "document position"]]]:
    """Batches of documents with their token ids, right-padded, on the device.

    Copies to a GPU are under way while it still works on the batch before.
    """
    pinned = torch.device(device).type == "cuda"
    ahead = None
    for batch in documents.batches(budget):
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
    engine: Engine, tokens: torch.Tensor, columns: Mapping[int, list[tuple]], begin: int, end: int
) -> tuple[int, int, dict[int, list[torch.Tensor]]]:
    """Activations [document, position, unit] of some rows of `tokens`, for every block of units of each layer."""
    read = engine.read(tokens[begin:end], sorted(columns))
    return (
        begin,
        end,
        {
            layer: [read[layer].index_select(-1, neurons).float() * signs for neurons, signs in parts]
            for layer, parts in columns.items()
        },
    )


def _rounded(values: np.ndarray, significant: int = 9) -> np.ndarray:
    """So many significant digits: sums over many tokens differ in the last bits with the shape of a block."""
    values = np.asarray(values, dtype=np.float64)
    with np.errstate(divide="ignore"):
        digits = (
            significant - 1 - np.floor(np.log10(np.abs(values), where=values != 0, out=np.zeros_like(values)))
        )
    scale = 10.0**digits
    return np.round(values * scale) / scale
