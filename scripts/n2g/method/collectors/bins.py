"""Bins of many numbers, by their leading bits instead of a search among the edges."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int


class Bins:
    """As `torch.bucketize` does: how many edges each number is above.

    The upper 16 bits of a float32 leave a range of 1/128 of its size open. It holds one edge at most, as edges are
    further apart, so that one comparison decides.
    """

    def __init__(self, edges: np.ndarray, device: str):
        keys = torch.arange(1 << 16, dtype=torch.int32) << 16
        ends = torch.stack([keys, keys | 0xFFFF]).view(torch.float32)
        ends = torch.where(ends.isnan(), torch.where(keys < 0, -torch.inf, torch.inf), ends)
        known = torch.tensor(edges, dtype=torch.float32)
        below, above = torch.bucketize(ends, known).sort(0).values
        if (above - below).max() > 1:
            raise ValueError("edges are closer than the leading bits of a float32 tell apart")
        self._below = below.to(torch.int64).to(device)
        self._edge = torch.cat([known, known.new_tensor([torch.inf])])[below].to(device)

    def of(self, values: Float[torch.Tensor, " *shape"]) -> Int[torch.Tensor, " *shape"]:
        """The bin (int64) of each finite number (float32)."""
        flat = values.reshape(-1)
        key = (flat.view(torch.int32) >> 16) & 0xFFFF
        bins = self._below.index_select(0, key) + (flat > self._edge.index_select(0, key))
        return bins.view(values.shape)
