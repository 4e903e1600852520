"""The documents with the largest activations of each unit."""

from __future__ import annotations

import numpy as np
import torch


class TopDocuments:
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
