"""Windows: the model itself, shown only the last tokens of a text. How well it then predicts a neuron is what a graph
that looks no further back could reach.

`window_k` sees k tokens after neutral text. In shallow layers it is a ceiling for patterns of k tokens; in deep layers
neutral text also damps activations, and it is a reference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from tqdm import tqdm

from n2g.graphs.matching import TokenIndex
from n2g.method.activations import Units
from n2g.method.observations import by_unit
from n2g.model.engine import Engine
from n2g.model.prompts import Prompt
from n2g.texts.documents import Documents, locate

LENGTHS = (1, 2, 3, 4)
FLOOR = 0.5  # share of the firing threshold from which an activation is kept


@dataclass(frozen=True)
class WindowPredictor:
    """What the model says of each held-out token when it sees a window only, behind the interface of the baselines.

    decision_threshold: the firing threshold, as for real text. predicted: float64 [token], 0 below `FLOOR` of it.
    """

    decision_threshold: float
    predicted: np.ndarray

    def predict(self, index: TokenIndex) -> np.ndarray:
        """float64 [token]."""
        return self.predicted


class Windows:
    """What `ask_windows` found for a block of neurons.

    documents: int64, numbers of those that were asked about. table: `windows`. lengths: those that were asked for.
    """

    def __init__(self, documents: np.ndarray, table: pa.Table, lengths: Sequence[int] = LENGTHS):
        self.documents, self.lengths = documents, lengths
        self._nothing, self._units = table.slice(0, 0), dict(by_unit(table))

    def predictors(
        self, key: tuple[int, str], origin: np.ndarray, threshold: float
    ) -> dict[str, WindowPredictor]:
        """`window_k` for each length k, of one (neuron, pole).

        origin: int64 [token], positions in the corpus of the held-out tokens. threshold: its firing threshold.
        """
        rows = self._units.get(key, self._nothing)
        lengths, positions, values = (rows[name].to_numpy() for name in ("length", "position", "activation"))
        found = {}
        for length in self.lengths:
            mine = lengths == length
            inside, at = locate(origin, positions[mine])
            predicted = np.zeros(len(origin))
            predicted[at] = values[mine][inside]
            found[f"window_{length}"] = WindowPredictor(threshold, predicted)
        return found


def sample(documents: Documents, budget: int) -> np.ndarray:
    """Numbers (int64) of the first test documents, as many as have `budget` tokens together, but at least one unless
    the budget is 0.

    Documents are numbered in random order, so these are a random sample, and the first of the random pool.
    """
    numbers = documents.of("test")
    count = int(np.searchsorted(np.cumsum(documents.lengths[numbers]), budget, side="right"))
    return numbers[: max(count, min(budget, 1))]


def ask_windows(
    engine: Engine,
    documents: Documents,
    numbers: Sequence[int],
    prefix: tuple[int, ...],
    units: Mapping[int, Units],
    floors: Mapping[int, np.ndarray],
    lengths: Sequence[int] = LENGTHS,
) -> dict[int, tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Ask for every token of some documents, seen through windows of each of `lengths`, all units of all layers at
    once.

    prefix: neutral text, left out where the window holds the whole text so far. units: layer -> its columns. floors:
    layer -> float [unit]. Gives layer -> (unit, length, position in the corpus, activation), four arrays ordered by
    unit, length and position: what reaches the floor.
    """
    columns = {layer: u.neurons.tolist() for layer, u in units.items()}
    found: dict[int, list[tuple]] = {layer: [] for layer in units}
    for length in tqdm(lengths, desc="windows", unit="length", mininterval=5):
        askers = _prompts(documents, numbers, length, prefix)
        for chunk, answers in engine.sweep(columns, askers):
            for layer, u in units.items():
                row, unit = np.nonzero(answers[layer] * u.signs >= floors[layer])
                values = (answers[layer] * u.signs)[row, unit]
                places = [askers[chunk[r]] for r in row]
                times = np.array([len(p) for p in places], dtype=np.int64)
                at = np.concatenate([np.zeros(0, np.int64), *places]).astype(np.int64)
                found[layer].append(
                    (np.repeat(unit, times), np.full(len(at), length), at, np.repeat(values, times))
                )
    return {layer: _ordered(parts) for layer, parts in found.items()}


def _prompts(
    documents: Documents, numbers: Sequence[int], length: int, prefix: tuple[int, ...]
) -> dict[Prompt, list[int]]:
    """Prompt -> positions in the corpus at which it is the window of this length."""
    askers: dict[Prompt, list[int]] = {}
    for number in numbers:
        ids, offset = documents.ids(int(number)).tolist(), int(documents.offsets[number])
        for at in range(1, len(ids)):
            begin = at + 1 - length
            before = prefix if begin > 1 else (ids[0],)
            prompt = Prompt(before, tuple(ids[max(begin, 1) : at + 1]))
            askers.setdefault(prompt, []).append(offset + at)
    return askers


def _ordered(parts: list[tuple]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    nothing = (np.zeros(0, np.int64),) * 3 + (np.zeros(0, np.float32),)
    unit, length, position, value = (np.concatenate(column) for column in zip(nothing, *parts, strict=True))
    order = np.lexsort((position, length, unit))
    return unit[order], length[order], position[order], value[order].astype(np.float32)
