"""Substitutes for a token of a text, from three sources: near in the embedding, likely to the subject model itself, or
likely to a masked language model (paper, section 3.4). All speak in the subject's token ids.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from n2g.errors import InputError
from n2g.method.causal_proposer import CausalProposer
from n2g.method.embedding_proposer import EmbeddingProposer
from n2g.method.masked_lm_proposer import MaskedLMProposer
from n2g.method.proposals import allowed_tokens
from n2g.settings import Proposer


def make_proposer(
    name: str, bridge: Any, vocabulary: pa.Table, bos: int, masked_lm: Path | None = None
) -> Proposer:
    """The proposer that the configuration names.

    Args:
        name: `embedding`, `causal` or `masked-lm`.
        bridge: the subject model.
        vocabulary: its `vocabulary` table.
        bos: the token that begins every sequence.
        masked_lm: folder of the masked language model, for `masked-lm`.

    Raises:
        InputError: there is no such proposer, or no masked language model in the folder.
    """
    texts, special = vocabulary["text"].to_pylist(), vocabulary["special"].to_pylist()
    allowed = allowed_tokens(texts, special, bridge.W_E.shape[0])
    if name == "embedding":
        return EmbeddingProposer(bridge.W_E, allowed)
    if name == "causal":
        return CausalProposer(bridge, allowed, bos)
    if name != "masked-lm":
        raise InputError(f"proposer: {name!r} is not a proposer: choose embedding, causal or masked-lm.")
    if masked_lm is None:
        raise InputError("masked_lm: is not set: set the folder of a masked language model.")
    return MaskedLMProposer(masked_lm, texts, allowed, device=str(bridge.W_E.device))
