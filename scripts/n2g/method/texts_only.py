"""The strongest fair baseline: the graph that the same fitting yields without querying the model."""

from __future__ import annotations

from collections.abc import Mapping

from n2g.graphs.trie import NeuronGraph
from n2g.method.fitting_data import FittingBlock
from n2g.method.graph import fit_unit

Key = tuple[int, str]


def fit_texts_only(block: FittingBlock, background: Mapping[Key, dict[int, float]]) -> dict[Key, NeuronGraph]:
    """(neuron, pole) -> graph of method "atlas" made of what the documents show, which hold no test document.

    block: with settings of method "atlas", whatever the run's own method is. background: unit -> token -> its mean
    activation on training documents.
    """
    return {
        unit.key: fit_unit(block, unit, fired=[], alone={}, background=background.get(unit.key, {}))
        for unit in block.units
    }
