"""Substitutes that the subject model itself finds likely."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import torch

from n2g.method.proposals import Query, best_tokens, original_token
from n2g.model.engine import ROWS, filled


class CausalProposer:
    """Tokens that the subject model itself finds likely between the left and the right context.

    Ranked by log p(token | left) + log p(right | left, token). The second term is computed for the `pool`
    tokens with the largest first term, over the `ahead` tokens that follow: a place costs `pool` x `ahead`
    tokens of the whole model.

    bridge: gives logits [batch, position, token]. allowed: bool [token], what may be proposed. bos: the token
    that begins every sequence. batch_tokens: tokens of one forward pass.
    """

    def __init__(
        self,
        bridge: Any,
        allowed: np.ndarray,
        bos: int,
        *,
        pool: int = 64,
        ahead: int = 2,
        batch_tokens: int = 512,
    ):
        self.bridge, self.allowed, self.bos = bridge, torch.as_tensor(allowed), bos
        self.pool, self.ahead, self.batch_tokens = pool, ahead, batch_tokens
        self.device = next(bridge.parameters()).device

    def propose(self, tokens: tuple[int, ...], place: int, count: int) -> list[int]:
        """At most `count` token ids, the likeliest first."""
        return self.propose_many([(tokens, place)], count)[0]

    @torch.no_grad()
    def propose_many(self, queries: Sequence[Query], count: int) -> list[list[int]]:
        """The same for many places, in full batches; each left context is read once."""
        from transformers import DynamicCache

        asked: dict[tuple[int, ...], list[int]] = {}
        for i, (tokens, place) in enumerate(queries):
            asked.setdefault((self.bos, *tokens[:place]), []).append(i)
        found: list[list[int]] = [[] for _ in queries]
        for lefts in self._batches(asked):
            cache = DynamicCache()
            at_once = self._rows(len(lefts[0]))
            tokens = torch.tensor(filled(lefts, at_once, self.device), device=self.device)
            likely = self._log_probabilities(tokens, cache, 1)[: len(lefts), 0]
            likely[:, ~self.allowed] = -torch.inf
            first = dict(zip(lefts, best_tokens(likely, max(count, self.pool) + 1), strict=True))
            rows = [
                (at, i, *pair) for at, left in enumerate(lefts) for i in asked[left] for pair in first[left]
            ]
            rows = [row for row in rows if row[2] != original_token(queries[row[1]])]
            follow = [(at, token, self._right(queries[i])) for at, i, token, _ in rows]
            scores = self._rest(tokens, cache, follow)
            ranked: dict[int, list[tuple[float, int]]] = {}
            for (_, i, token, before), after in zip(rows, scores, strict=True):
                ranked.setdefault(i, []).append((-before - after, token))
            for i, pairs in ranked.items():
                found[i] = [token for _, token in sorted(pairs)[:count]]
        return found

    def _right(self, query: Query) -> tuple[int, ...]:
        tokens, place = query
        return tokens[place + 1 : place + 1 + self.ahead]

    def _batches(self, texts: Iterable[tuple[int, ...]]) -> Iterator[list[tuple[int, ...]]]:
        """Texts of equal length together, as many as fit a pass."""
        ordered = sorted(texts, key=lambda text: (len(text), text))
        for length, same in groupby(ordered, key=len):
            rows, at_once = list(same), self._rows(length)
            yield from (rows[begin : begin + at_once] for begin in range(0, len(rows), at_once))

    def _rows(self, length: int) -> int:
        return max(1, self.batch_tokens // (length * ROWS)) * ROWS

    def _rest(
        self, lefts: torch.Tensor, cache: Any, rows: Sequence[tuple[int, int, tuple[int, ...]]]
    ) -> list[float]:
        """Log probability of what follows: for each (row of `lefts`, token, what follows the token).

        cache: keys and values of `lefts`; empty for native TransformerLens models, which recompute these each time.
        """
        found = [0.0] * len(rows)
        for length in sorted({len(right) for _, _, right in rows} - {0}):
            chosen = [i for i, (_, _, right) in enumerate(rows) if len(right) == length]
            at_once = self._rows(length)
            for begin in range(0, len(chosen), at_once):
                part = filled([rows[i] for i in chosen[begin : begin + at_once]], at_once, self.device)
                texts = torch.tensor([(token, *right) for _, token, right in part], device=self.device)
                taken = torch.tensor([at for at, _, _ in part], device=self.device)
                before = texts[:, :-1] if cache.layers else torch.cat([lefts[taken], texts[:, :-1]], 1)
                scores = self._log_probabilities(before, _select(cache, taken), length)
                sums = scores.gather(2, texts[:, 1:, None].cpu()).sum((1, 2))
                for i, value in zip(chosen[begin : begin + at_once], sums.tolist(), strict=False):
                    found[i] = value
        return found

    def _log_probabilities(self, tokens: torch.Tensor, cache: Any, last: int) -> torch.Tensor:
        """[row, one of the `last` positions, token], after what the cache holds, which takes the tokens in."""
        logits = self.bridge(tokens, return_type="logits", past_key_values=cache, use_cache=True)
        return logits[:, -last:].float().log_softmax(-1).cpu()


def _select(cache: Any, rows: torch.Tensor) -> Any:
    """Keys and values of some rows of a cache, as a cache of their own."""
    from transformers import DynamicCache

    chosen = DynamicCache()
    for layer, part in enumerate(cache.layers):
        chosen.update(part.keys.index_select(0, rows), part.values.index_select(0, rows), layer)
    return chosen
