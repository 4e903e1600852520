"""The mean activation of each unit on each token: the table `background`."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from n2g.method.collectors.rounding import rounded


class TokenMeans:
    """Sums of the activations by token, over the train split."""

    def __init__(self, units: int, vocabulary: int, device: str):
        self._sums = torch.zeros(vocabulary, units, device=device)
        self._counts = torch.zeros(vocabulary, dtype=torch.int64, device=device)

    def add(self, tokens: Int[torch.Tensor, " token"], values: Float[torch.Tensor, "token unit"]) -> None:
        """Add some tokens of training documents."""
        self._sums.index_add_(0, tokens, values)
        self._counts.index_add_(0, tokens, torch.ones_like(tokens))

    def forget(self, units: Bool[torch.Tensor, " unit"]) -> None:
        """Discard everything seen of these units."""
        self._sums[:, units] = 0

    def strongest(self, most: int) -> dict[str, np.ndarray]:
        """The tokens that predict most of a unit's activation on their own: largest mean × √count.

        most: how many of a unit. Gives columns: `unit` (its number), `token`, `count`, `mean`.
        """
        mean = (self._sums / (self._counts[:, None] + 1)).cpu().numpy()  # one imagined occurrence at 0
        counts = self._counts.cpu().numpy()
        weight = mean * np.sqrt(counts)[:, None]
        size = min(most, len(weight))
        rows = [np.sort(np.argsort(-weight[:, unit], kind="stable")[:size]) for unit in range(mean.shape[1])]
        rows = [token[mean[token, unit] > 0] for unit, token in enumerate(rows)]
        owner = np.repeat(np.arange(len(rows)), [len(token) for token in rows])
        token = np.concatenate(rows) if rows else np.zeros(0, dtype=np.int64)
        return {"unit": owner, "token": token, "count": counts[token], "mean": rounded(mean[token, owner], 5)}
