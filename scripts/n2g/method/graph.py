"""Graph: fits the graph of every neuron of a block, on train and validation documents (paper, section 3.5)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from n2g.graphs.trie import NeuronGraph
from n2g.method.candidates import Fired, Selection
from n2g.method.fit import build, choose
from n2g.method.fitting_data import FittingBlock, Unit
from n2g.method.paper import fit_paper
from n2g.method.stage_tables import load_known, load_paper
from n2g.method.token_classes import background_class

# The background stays below the decision threshold, at most at this share of it.
FAINTER = 0.95


def fit_block(folder: Path, block: FittingBlock) -> Iterator[tuple[Unit, str, str | None, NeuronGraph]]:
    """(unit, status, reason, graph) of every unit, with the block's method."""
    settings = block.settings
    if settings.method == "paper":
        examples = load_paper(folder, block)
        for unit in block.units:
            yield unit, *_judged(unit, fit_paper(examples[unit.key], unit.maximum, settings))
        return
    known = load_known(folder, block)
    for unit in block.units:
        yield unit, *_judged(unit, fit_unit(block, unit, *known[unit.key]))


def fit_unit(
    block: FittingBlock,
    unit: Unit,
    fired: list[Fired],
    alone: dict[int, float],
    background: dict[int, float],
    pairs: Mapping[tuple[int, int], float] = MappingProxyType({}),
) -> NeuronGraph:
    """The graph of one unit: precision and size chosen on validation documents by what training documents alone give,
    then fitted on both, so that what validation missed becomes a pattern of its own. `background` (token ->
    mean activation on training documents) is added last. pairs: (token before, token) -> what the sweep found."""
    train = Selection(block.evidence(unit, block.train), block.settings, pairs=pairs)
    held = block.evidence(unit, block.validation)
    top = [document for document, *_ in unit.top.get("validation", [])]
    choice = choose(train, fired, alone, held, top)
    both = Selection(block.evidence(unit, block.both), block.settings, pairs=pairs)
    graph = build(both, fired, alone, unit.maximum, choice)
    known = list(graph.patterns())
    if not known:
        return graph
    faint = background_class(known, background, FAINTER * graph.decision_threshold)
    return NeuronGraph(
        known + faint,
        decision_threshold=graph.decision_threshold,
        scale=graph.scale,
        bos=graph.bos,
        method=graph.method,
    )


def _judged(unit: Unit, graph: NeuronGraph) -> tuple[str, str | None, NeuronGraph]:
    if unit.nonfinite:
        return "failed", f"its activation is NaN or infinite at {unit.nonfinite} tokens of the texts", graph
    if unit.maximum <= 0:
        return "dead", "no training document activates it", graph
    if graph.trie.number_of_nodes() == 1:
        return "no-pattern", "no text could be verified to activate it", graph
    return "ok", None, graph
