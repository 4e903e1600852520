"""A corpus of random tokens with neurons of known rules, as the pass over the corpus would describe them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa

from n2g.files.tables import CONTRACTS, write_array, write_arrays, write_table
from n2g.method.histogram_bins import EDGES
from n2g.method.observations import Observations
from n2g.texts.corpus_files import write_places
from n2g.texts.documents import SPLITS, Documents

BOS = 0
FLOOR = 0.25
Rule = Callable[[Sequence[int]], Sequence[float]]


def corpus(texts: Sequence[Sequence[int]], splits: Sequence[str]) -> Documents:
    """Documents of the given tokens, BOS put in front of each."""
    whole = [[BOS, *text] for text in texts]
    lengths = np.array([len(text) for text in whole], dtype=np.int64)
    return Documents(
        tokens=np.array([token for text in whole for token in text], dtype=np.int32),
        offsets=np.cumsum(lengths) - lengths,
        lengths=lengths,
        split=np.array([SPLITS.index(split) for split in splits], dtype=np.int8),
    )


def random_corpus(count: int = 120, length: int = 40, vocabulary: int = 12, seed: int = 0) -> Documents:
    """Random texts; of every six documents four are train, one validation, one test."""
    random = np.random.default_rng(seed)
    texts = random.integers(1, vocabulary, size=(count, length)).tolist()
    return corpus(texts, ["train", "train", "validation", "train", "test", "train"] * (count // 6))


def after(first: int, second: int, value: float = 2.0) -> Rule:
    """Fires on `second` right after `first`."""

    def rule(ids: Sequence[int]) -> list[float]:
        return [0.0] + [value * (a == first and b == second) for a, b in pairwise(ids)]

    return rule


def on(values: dict[int, float]) -> Rule:
    """Has one activation for each token, 0 for those not named."""
    return lambda ids: [values.get(int(token), 0.0) for token in ids]


def observations(documents: Documents, rules: Sequence[Rule], top: int = 4, pool: int = 1000) -> Observations:
    """What the pass over the corpus finds of neurons 0, 1, ... that follow the rules."""
    rows: dict[str, list[dict]] = {"statistics": [], "firings": [], "examples": []}
    numbers = {split: documents.pool(split, pool) for split in ("validation", "test")}
    pools: dict[str, list] = {split: [] for split in numbers}
    for neuron, rule in enumerate(rules):
        known = [np.array(rule(documents.ids(d).tolist()), dtype=np.float32) for d in range(len(documents))]
        trained = [known[d][1:].max() for d in documents.of("train")]
        maximum = max(0.0, float(max(trained)))
        unit = {"neuron": neuron, "pole": "positive"}
        floor = max(FLOOR * maximum, 1e-30)
        for document, values in enumerate(known):
            places = np.flatnonzero(values >= floor)
            rows["firings"] += [
                unit | {"position": int(documents.offsets[document] + place), "activation": values[place]}
                for place in places[places > 0]
            ]
        for split in SPLITS:
            best = sorted(documents.of(split), key=lambda d: (-known[d][1:].max(), d))[:top]
            rows["examples"] += [
                unit
                | {
                    "split": split,
                    "rank": rank,
                    "document": int(d),
                    "pivot": 1 + int(known[d][1:].argmax()),
                    "activation": known[d][1:].max(),
                    "activations": known[d],
                }
                for rank, d in enumerate(best)
            ]
        for split, chosen in numbers.items():
            parts = [known[d] for d in chosen]
            pools[split].append(
                np.concatenate(parts).astype(np.float16) if parts else np.zeros(0, np.float16)
            )
        moments = dict.fromkeys(("lowest", "highest", "mean", "std", "skewness", "kurtosis", "density"), 0.0)
        bins = [0] * (len(EDGES) + 1)
        rows["statistics"].append(
            unit
            | moments
            | {
                "tokens": 0,
                "nonfinite": 0,
                "maximum": maximum,
                "firing": 0,
                "floor": floor,
                "histogram": bins,
            }
        )
    tables = {name: pa.Table.from_pylist(part, schema=CONTRACTS[name].schema) for name, part in rows.items()}
    arrays = {split: np.stack(part) for split, part in pools.items()}
    arrays |= {f"{split}_documents": chosen.astype(np.int32) for split, chosen in numbers.items()}
    return Observations(**tables, pools=arrays)


def save(folder: Path, documents: Documents, observed: Observations) -> tuple[Path, Path]:
    """Write both as the workflow does; gives the folders of the corpus and of the block."""
    corpus_folder, block = folder / "corpus", folder / "3" / "00000-00031"
    write_array(corpus_folder / "tokens.npy", documents.tokens)
    count = len(documents)
    table = {
        "document": np.arange(count),
        "text": np.arange(count),
        "piece": np.zeros(count, dtype=int),
        "title": [f"Text {d}" for d in range(count)],
        "split": [SPLITS[split] for split in documents.split],
        "offset": documents.offsets,
        "length": documents.lengths,
        "sha256": ["0" * 64] * count,
    }
    write_table(corpus_folder / "documents.parquet", "documents", table)
    write_places(corpus_folder, documents)
    for name in ("statistics", "firings", "examples"):
        write_table(block / f"{name}.parquet", name, getattr(observed, name))
    write_arrays(block / "pools.safetensors", observed.pools)
    write_table(block / "background.parquet", "background", CONTRACTS["background"].schema.empty_table())
    return corpus_folder, block
