"""Sweep: short texts after neutral text, run once for all neurons: every token of the vocabulary, and the pairs of
tokens that natural text contains. They show what a neuron fires on without further context."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from tqdm import tqdm

from n2g.method.activations import Units
from n2g.model.engine import Engine
from n2g.model.prompts import Prompt

CHUNK = 4096  # texts at a time: bounds memory to CHUNK x units x prefixes numbers


def sweep(
    engine: Engine,
    texts: Sequence[tuple[int, ...]],
    prefixes: Sequence[tuple[int, ...]],
    units: Mapping[int, Units],
    floors: Mapping[int, np.ndarray],
) -> dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Ask for the last token of every text after each neutral prefix, all units of all layers at once.

    texts: token ids of each, distinct; those with a common beginning should stand together, as it is then
    computed once. units: layer -> its columns. floors: layer -> float [unit]. Texts at which no unit comes to half of
    its floor after the first prefix are not tried after the others. Gives layer -> (unit, number of the text,
    activation), three arrays of equal length ordered by unit and text: the median over the prefixes wherever it
    reaches the floor.
    """
    found: dict[int, list[tuple]] = {layer: [] for layer in units}
    for begin in tqdm(range(0, len(texts), CHUNK), desc="sweep", unit="chunk", mininterval=5):
        asked = list(range(begin, min(begin + CHUNK, len(texts))))
        values = [_after(engine, prefixes[0], [texts[number] for number in asked], units)]
        near = np.zeros(len(asked), dtype=bool)
        for layer in units:
            near |= (values[0][layer] >= 0.5 * floors[layer]).any(1)
        kept = [number for number, hit in zip(asked, near, strict=True) if hit]
        if not kept:
            continue
        values[0] = {layer: value[near] for layer, value in values[0].items()}
        remaining = [texts[number] for number in kept]
        values += [_after(engine, prefix, remaining, units) for prefix in prefixes[1:]]
        for layer in units:
            # each unit by its own first answer: what other units of the job fire on must not matter
            row, unit = np.nonzero(values[0][layer] >= 0.5 * floors[layer])
            median = np.median([value[layer][row, unit] for value in values], axis=0)
            fires = median >= floors[layer][unit]
            found[layer].append((unit[fires], np.array(kept, dtype=np.int64)[row[fires]], median[fires]))
    return {layer: _ordered(parts) for layer, parts in found.items()}


def _after(
    engine: Engine, prefix: tuple[int, ...], texts: Sequence[tuple[int, ...]], units: Mapping[int, Units]
) -> dict[int, np.ndarray]:
    """Activations [text, unit] of each layer at the last token of every text after `prefix`."""
    values = {layer: np.zeros((len(texts), len(u)), dtype=np.float32) for layer, u in units.items()}
    rows = {text: row for row, text in enumerate(texts)}
    columns = {layer: u.neurons.tolist() for layer, u in units.items()}
    for chunk, answers in engine.sweep(columns, [Prompt(prefix, text) for text in texts]):
        at = [rows[prompt.suffix] for prompt in chunk]
        for layer, u in units.items():
            values[layer][at] = answers[layer] * u.signs
    return values


def _ordered(parts: list[tuple]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if not parts:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32)
    unit, text, value = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((text, unit))
    return unit[order], text[order], value[order].astype(np.float32)
