"""All activations of all units on randomly chosen documents."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Bool, Float

from n2g.texts.documents import Documents


class RandomPool:
    """Activations (float16 [unit, token]) of random documents: split -> how many, at most."""

    def __init__(self, units: int, documents: Documents, sizes: Mapping[str, int]):
        self._lengths = documents.lengths
        self._pools = {split: documents.pool(split, size) for split, size in sizes.items()}
        self._begins, self._values = {}, {}
        for split, pool in self._pools.items():
            ends = np.cumsum(documents.lengths[pool])
            self._begins[split] = dict(
                zip(pool.tolist(), (ends - documents.lengths[pool]).tolist(), strict=True)
            )
            self._values[split] = np.zeros((units, int(ends[-1]) if len(ends) else 0), dtype=np.float16)

    def add(self, batch: np.ndarray, values: Float[torch.Tensor, "document position unit"]) -> None:
        """Add those documents of a batch (their numbers, and activations) that belong to a pool."""
        for split, begins in self._begins.items():
            rows = [row for row, document in enumerate(batch.tolist()) if document in begins]
            # one copy from the GPU, not one a document
            parts = values[rows].half().cpu().numpy() if rows else ()
            for row, part in zip(rows, parts, strict=True):
                begin, length = begins[batch[row]], self._lengths[batch[row]]
                self._values[split][:, begin : begin + length] = part[:length].T

    def forget(self, units: Bool[np.ndarray, " unit"]) -> None:
        """Discard everything seen of these units."""
        for values in self._values.values():
            values[units] = 0

    def arrays(self) -> dict[str, np.ndarray]:
        """Name -> array, as in the file `pools.safetensors`."""
        return {
            **self._values,
            **{f"{split}_documents": pool.astype(np.int32) for split, pool in self._pools.items()},
        }
