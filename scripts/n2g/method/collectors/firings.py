"""Single activations near the maximum, and the floor below which they are not known."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

LEAST = 1e-30  # the floor of a unit that has no activation above 0


class Firings:
    """The tokens at which each unit is at or above its floor: a share of its maximum, or more where there are many.

    floor: the share of the maximum below which activations are forgotten. most: how many of a unit are kept at most.
    pending: after how many of all units they are sorted out.
    """

    def __init__(self, units: int, floor: float, most: int, pending: int):
        self._floor, self._most, self._most_pending = floor, most, pending
        self._parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []  # position, unit, activation
        self._pending = 0
        self.floors = np.full(
            units, LEAST, dtype=np.float32
        )  # below them single activations have been forgotten

    def add(
        self,
        offsets: Int[torch.Tensor, " document"],
        values: Float[torch.Tensor, "document position unit"],
        maximum: Float[torch.Tensor, " unit"],
        failed: Bool[torch.Tensor, " unit"],
    ) -> None:
        """Add a batch: where its documents begin in the corpus, and activations, -inf where they do not count.

        maximum: of each unit on train documents so far. failed: units of which nothing is kept.
        """
        floor = self._floor * maximum
        row, place, unit = torch.nonzero(values >= floor.clamp(min=LEAST), as_tuple=True)
        found = values[row, place, unit].float().cpu().numpy()
        self._parts.append(((offsets[row] + place).cpu().numpy(), unit.cpu().numpy().astype(np.int32), found))
        self._pending += len(found)
        if self._pending > self._most_pending:
            self._compact(maximum, failed)

    def _compact(self, maximum: torch.Tensor, failed: torch.Tensor) -> None:
        """Drop what lies below the floors, and all but the largest.

        Floors only rise, so it does not matter when something was dropped.
        """
        position, unit, value = (np.concatenate(part) for part in zip(*self._parts, strict=True))
        floors = np.maximum(self._floor * maximum.float().cpu().numpy(), self.floors).astype(np.float32)
        kept = (value >= floors[unit]) & ~failed.cpu().numpy()[unit]
        position, unit, value = position[kept], unit[kept], value[kept]
        order = np.lexsort((position, -value, unit))
        position, unit, value = position[order], unit[order], value[order]
        begins = np.searchsorted(unit, np.arange(len(self.floors)))
        rank = np.arange(len(unit)) - begins[unit]
        over = rank == self._most  # the first that is forgotten: everything from it on is unknown
        floors[unit[over]] = np.nextafter(value[over], np.inf)
        kept = value >= floors[unit]
        self._parts = [(position[kept], unit[kept], value[kept])]
        self._pending, self.floors = int(kept.sum()), floors

    def finish(
        self, maximum: Float[torch.Tensor, " unit"], failed: Bool[torch.Tensor, " unit"]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Unit, position in the corpus and activation of all that is kept, ordered by unit and position."""
        self.floors[failed.cpu().numpy()] = LEAST
        self._compact(maximum, failed)
        position, unit, value = self._parts[0]
        order = np.lexsort((position, unit))
        return unit[order], position[order], value[order]
