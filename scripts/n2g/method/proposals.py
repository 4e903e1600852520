"""What the proposers of substitutes share: which tokens may be proposed, and the best of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float

# A place in a text: its token ids (without BOS) and the position of the token to replace.
Query = tuple[tuple[int, ...], int]


def allowed_tokens(texts: Sequence[str], special: Sequence[bool], size: int) -> np.ndarray:
    """Which token ids may be proposed (bool [size]): those with a text that are no control tokens.

    texts, special: columns of the `vocabulary` table. size: rows of the model's embedding.
    """
    allowed = np.zeros(size, dtype=bool)
    for token, (text, control) in enumerate(zip(texts[:size], special[:size], strict=True)):
        allowed[token] = not control and text != f"<id {token}>"
    return allowed


def best_tokens(scores: Float[torch.Tensor, "row token"], count: int) -> list[list[tuple[int, float]]]:
    """The `count` tokens with the largest finite scores of each row, with these; ties by id."""
    values, tokens = scores.topk(min(count, scores.shape[1]), dim=1)
    found = []
    for row, least in enumerate(values[:, -1].tolist()):
        # All that tie with the last, so that which of them counts is decided here.
        chosen = tokens[row] if least == -torch.inf else torch.nonzero(scores[row] >= least)[:, 0]
        pairs = zip(chosen.tolist(), scores[row, chosen].tolist(), strict=True)
        finite = [(token, score) for token, score in pairs if score > -torch.inf]
        found.append(sorted(finite, key=lambda pair: (-pair[1], pair[0]))[:count])
    return found


def original_token(query: Query) -> int:
    tokens, place = query
    return tokens[place]
