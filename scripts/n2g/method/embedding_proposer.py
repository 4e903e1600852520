"""Substitutes that are near in the subject model's embedding (paper, section 3.4)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float

from n2g.method.proposals import Query, best_tokens, original_token
from n2g.model.engine import ROWS, filled


class EmbeddingProposer:
    """The tokens nearest in the embedding, by cosine; the context does not matter.

    embedding: float [token, dimension]. allowed: bool [token], what may be proposed.
    """

    def __init__(self, embedding: Float[torch.Tensor, "token dimension"], allowed: np.ndarray):
        self.allowed = torch.as_tensor(allowed, device=embedding.device)
        self._unit = torch.nn.functional.normalize(embedding.detach().float(), dim=1)
        self._known: dict[int, list[int]] = {}

    def propose(self, tokens: tuple[int, ...], place: int, count: int) -> list[int]:
        """At most `count` token ids, the nearest first; ties by id."""
        return self.propose_many([(tokens, place)], count)[0]

    def propose_many(self, queries: Sequence[Query], count: int) -> list[list[int]]:
        """The same for many places; repeated queries are cached."""
        wanted = [original_token(query) for query in queries]
        most = min(count, int(self.allowed.sum()))
        unknown = sorted({token for token in wanted if len(self._known.get(token, ())) < most})
        at_once, device = 8 * ROWS, self._unit.device
        for begin in range(0, len(unknown), at_once):
            part = unknown[begin : begin + at_once]
            rows = torch.tensor(filled(part, at_once, device), device=device)
            near = (self._unit[rows] @ self._unit.T)[: len(part)]
            near[:, ~self.allowed] = -torch.inf
            for token, ranking in zip(part, best_tokens(near, count + 1), strict=True):
                self._known[token] = [other for other, _ in ranking if other != token]
        return [self._known[token][:count] for token in wanted]
