"""The pieces of text that a model is shown, and those on which its simulation is scored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from n2g.graphs.token_display import excerpt
from n2g.method.observations import Observations, by_unit, in_full
from n2g.texts.documents import Documents

SHOWN = 8  # training documents that the model explains
BEFORE, AFTER = 24, 4  # tokens of them around the activating one
TOP, RANDOM = 5, 5  # sequences of each kind to score on, as Bills et al. do
WIDTH = 64  # tokens of a sequence, at most


@dataclass(frozen=True)
class Excerpt:
    """Consecutive tokens of a document, BOS left out.

    Attributes:
        kind: top or random.
        document: its number.
        start: position in the document of the first token.
        tokens: token ids.
        activations: float64 [token], with the pole's sign.
    """

    kind: str
    document: int
    start: int
    tokens: tuple[int, ...]
    activations: np.ndarray


@dataclass(frozen=True)
class Evidence:
    """What is known of one (neuron, pole): `shown` from training documents, `held` from those to score on."""

    key: tuple[int, str]
    maximum: float
    shown: tuple[Excerpt, ...]
    held: tuple[Excerpt, ...]


def gather(documents: Documents, observations: Observations, split: str, seed: int) -> Iterator[Evidence]:
    """The evidence of every (neuron, pole) of a block, in the order of its table.

    Args:
        documents: the corpus.
        observations: what the pass over the corpus found for the block.
        split: validation or test, the documents of `held`: those with the largest activations, and some of the
            split's random pool.
        seed: of the choice of random documents, which differs from neuron to neuron.

    Raises:
        WithheldError: test documents are asked for and closed.
    """
    examples = dict(by_unit(observations.examples))
    pool = observations.pools[f"{split}_documents"]
    bounds = np.concatenate([[0], np.cumsum(documents.lengths[pool])]).astype(np.int64)
    for row, unit in enumerate(observations.statistics.select(["neuron", "pole", "maximum"]).to_pylist()):
        key = unit["neuron"], unit["pole"]
        rows = sorted(examples[key].to_pylist(), key=lambda one: one["rank"]) if key in examples else []
        train = [one for one in rows if one["split"] == "train" and one["activation"] > 0]
        shown = [_around(documents, one, BEFORE, AFTER) for one in train[:SHOWN]]
        top = [one for one in rows if one["split"] == split][:TOP]
        held = [_around(documents, one, 3 * WIDTH // 4, WIDTH // 4 - 1) for one in top]
        draw = np.random.default_rng([seed, key[0], key[1] == "negative", split == "test"])
        for at in draw.choice(len(pool), min(RANDOM, len(pool)), replace=False):
            values = in_full(observations.pools[split][row][bounds[at] : bounds[at + 1]])
            start = 1 + int(draw.integers(max(1, len(values) - WIDTH)))
            held.append(_cut(documents, "random", int(pool[at]), np.nan_to_num(values), start, start + WIDTH))
        yield Evidence(key, unit["maximum"], tuple(shown), tuple(held))


def _around(documents: Documents, row: Mapping[str, Any], before: int, after: int) -> Excerpt:
    """Some tokens around the largest activation of a document."""
    start, end = max(1, row["pivot"] - before), row["pivot"] + after + 1
    return _cut(documents, "top", row["document"], np.array(row["activations"], np.float64), start, end)


def _cut(documents: Documents, kind: str, document: int, values: np.ndarray, start: int, end: int) -> Excerpt:
    ids = documents.ids(document)[start:end].tolist()
    return Excerpt(kind, document, start, tuple(ids), values[start:end])


def shown(tokens: Sequence[int], words: Sequence[str]) -> list[str]:
    """Consecutive tokens as a language model is shown them; words: text of each token id."""
    return excerpt([words[token] for token in tokens])


def levels(activations: np.ndarray, maximum: float) -> Sequence[int]:
    """Activations as whole numbers from 0 (none, or negative) to 10 (the maximum, or more)."""
    return np.clip(np.rint(10 * activations / maximum), 0, 10).astype(int).tolist()
