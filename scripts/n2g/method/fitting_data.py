"""A block of neurons of one layer as the fitting stages see it: no test document is in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from n2g.method.evidence import Evidence, Texts
from n2g.method.observations import Observations, by_unit, load_for_fitting
from n2g.method.paper import described
from n2g.settings import Settings


@dataclass(frozen=True)
class Unit:
    """One pole of one neuron: where its activations reach the floor in the corpus, and its top documents."""

    neuron: int
    pole: str
    maximum: float
    positions: np.ndarray
    activations: np.ndarray
    top: dict[str, list[tuple[int, int, float]]]  # split -> (document, pivot, activation), strongest first
    nonfinite: int = 0  # tokens at which the activation is no finite number

    @property
    def sign(self) -> int:
        return 1 if self.pole == "positive" else -1

    @property
    def key(self) -> tuple[int, str]:
        return (self.neuron, self.pole)


class FittingBlock:
    """The units of a block that the method describes, and the training and validation documents."""

    def __init__(self, corpus: Path, folder: Path, settings: Settings):
        self.documents, observations = load_for_fitting(corpus, folder)
        self.settings = settings
        self.train = Texts.of(self.documents, "train")
        self.validation = Texts.of(self.documents, "validation")
        self.both = Texts.of(self.documents, "train", "validation")
        self.units = [unit for unit in _units(observations) if described(settings, unit.neuron)]

    def evidence(self, unit: Unit, texts: Texts) -> Evidence[Texts]:
        """One unit on some of the documents."""
        order = np.argsort(unit.positions, kind="stable")
        order = order[texts.rows(unit.positions[order]) >= 0]
        activations = unit.activations[order].astype(np.float32)
        threshold = max(self.settings.firing_threshold * unit.maximum, 1e-9)
        return Evidence(texts, unit.positions[order], activations, threshold)


def _units(observations: Observations) -> Iterator[Unit]:
    firings = {
        key: (table["position"].to_numpy(), table["activation"].to_numpy())
        for key, table in by_unit(observations.firings)
    }
    tops: dict[tuple[int, str], dict[str, list]] = {}
    columns = ["neuron", "pole", "split", "document", "pivot", "activation"]
    for row in observations.examples.select(columns).to_pylist():
        kept = tops.setdefault((row["neuron"], row["pole"]), {})
        kept.setdefault(row["split"], []).append((row["document"], row["pivot"], row["activation"]))
    nothing = (np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32))
    for row in observations.statistics.select(["neuron", "pole", "maximum", "nonfinite"]).to_pylist():
        key = (row["neuron"], row["pole"])
        yield Unit(*key, row["maximum"], *firings.get(key, nothing), tops.get(key, {}), row["nonfinite"])
