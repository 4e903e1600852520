"""A block of neurons of one layer as the fitting stages see it: no test document is in it."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
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

    @property
    def top_documents(self) -> list[int]:
        """The documents with its largest activations, of every split."""
        return [document for documents in self.top.values() for document, *_ in documents]


class FittingBlock:
    """The units of a block that the method describes, and the training and validation documents."""

    def __init__(self, corpus: Path, folder: Path, settings: Settings):
        self.documents, observations = load_for_fitting(corpus, folder)
        self.settings = settings
        self.train = Texts.of(self.documents, "train")
        self.validation = Texts.of(self.documents, "validation")
        self.both = Texts.of(self.documents, "train", "validation")
        self.units = [unit for unit in _units(observations) if described(settings, unit.neuron)]

    @cached_property
    def halves(self) -> list[FittingBlock]:
        """The same units on the first and on the second half of the documents, which are in random order; [] where a
        half would have no document of one of the splits."""
        middle = self.both.numbers[len(self.both.numbers) // 2] if len(self.both.numbers) else 0
        found = []
        for first in (True, False):
            half = copy(self)
            for name in ("train", "validation", "both"):
                texts = getattr(self, name)
                numbers = texts.numbers[(texts.numbers < middle) == first]
                setattr(half, name, replace(texts, numbers=numbers, whole=False))
            found.append(half)
        return (
            found if all(len(half.train.numbers) and len(half.validation.numbers) for half in found) else []
        )

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
