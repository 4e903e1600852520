"""The strongest fair baseline: the graph that the same fitting gives without any question to the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from n2g.graphs.trie import NeuronGraph
from n2g.method.fitting_data import FittingBlock
from n2g.method.graph import fit_unit

Key = tuple[int, str]


def fit_texts_only(block: FittingBlock, background: Mapping[Key, dict[int, float]]) -> dict[Key, NeuronGraph]:
    """(neuron, pole) -> graph of method "atlas" made of what the documents show, which hold no test document.

    block: of a run of any method. background: unit -> token -> its mean activation on train documents.
    """
    if block.settings.method == "paper":
        block = block.with_settings(replace(block.settings, method="atlas"))
    return {
        unit.key: fit_unit(block, unit, fired=[], alone={}, background=background.get(unit.key, {}))
        for unit in block.units
    }
