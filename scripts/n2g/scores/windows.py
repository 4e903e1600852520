"""Windows: the model itself, shown only the last tokens of a text. How well it then predicts a neuron is what a graph
that looks no further back could reach.

`window_k` sees k tokens after neutral text. In shallow layers it is a ceiling for patterns of k tokens; in deep layers
neutral text also damps activations, and it is a reference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from tqdm import tqdm

from n2g.graphs.matching import TokenIndex
from n2g.method.observations import by_unit
from n2g.model.prompts import Prompt
from n2g.texts.documents import Documents, locate

if TYPE_CHECKING:  # which would need a model's libraries where graphs are only scored
    from n2g.method.activations import Units
    from n2g.model.engine import Engine

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
    askers = _prompts(documents, numbers, max(lengths), prefix)
    asked = np.zeros(max(lengths) + 1, dtype=bool)
    asked[list(lengths)] = True
    for chunk, answers in tqdm(engine.spans(columns, askers), desc="windows", unit="batch", mininterval=5):
        for layer, u in units.items():
            values = answers[layer] * u.signs
            row, token, unit = np.nonzero(values >= floors[layer])
            for r, t, n in zip(row.tolist(), token.tolist(), unit.tolist(), strict=True):
                for position, whole in askers[chunk[r]]:
                    # At the start of a text longer windows hold no more than this one does.
                    ends = range(t + 1, (len(asked) if whole else t + 2))
                    found[layer] += [(n, k, position + t, values[r, t, n]) for k in ends if asked[k]]
    return {layer: _ordered(parts) for layer, parts in found.items()}


def _prompts(
    documents: Documents, numbers: Sequence[int], longest: int, prefix: tuple[int, ...]
) -> dict[Prompt, list[tuple[int, bool]]]:
    """The longest window from each token on: its tokens' activations are those of shorter windows, too.

    Gives prompt -> where in the corpus it begins, and whether that is the first token of a document.
    """
    askers: dict[Prompt, list[tuple[int, bool]]] = {}
    for number in numbers:
        ids, offset = documents.ids(int(number)).tolist(), int(documents.offsets[number])
        for begin in range(1, len(ids)):
            prompt = Prompt(prefix if begin > 1 else (ids[0],), tuple(ids[begin : begin + longest]))
            askers.setdefault(prompt, []).append((offset + begin, begin == 1))
    return askers


def _ordered(found: list[tuple]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    columns = zip(*found, strict=True) if found else [()] * 4
    kinds = (np.int64, np.int64, np.int64, np.float32)
    unit, length, position, value = (
        np.array(column, dtype=kind) for column, kind in zip(columns, kinds, strict=True)
    )
    order = np.lexsort((position, length, unit))
    return unit[order], length[order], position[order], value[order]
