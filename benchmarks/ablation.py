"""Refit the graphs of a finished run, each time without one ingredient of the method, and score them.

Writes benchmarks/ablation.md. The run itself is not changed, and no model is queried. Variants that query the model in
another way (such as prompts after BOS alone) need a run of their own with other settings.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from unittest import mock

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "scripts")]

import numpy as np  # noqa: E402
from tqdm import tqdm  # noqa: E402
from workload import Run  # noqa: E402

from n2g.files.tables import read_json  # noqa: E402
from n2g.graphs.trie import NeuronGraph  # noqa: E402
from n2g.method import candidates  # noqa: E402
from n2g.method.candidates import Fired  # noqa: E402
from n2g.method.fitting_data import FittingBlock  # noqa: E402
from n2g.method.graph import fit_unit  # noqa: E402
from n2g.method.observations import load_observations  # noqa: E402
from n2g.method.saliency import Salient  # noqa: E402
from n2g.method.stage_tables import load_known  # noqa: E402
from n2g.metrics import scores  # noqa: E402
from n2g.scores.evaluate import GraphPredictor, HeldOut, Truth, hold_out, truths  # noqa: E402
from n2g.settings import Settings  # noqa: E402
from n2g.texts.corpus_files import load_documents  # noqa: E402
from n2g.workflow.run_script import run_script  # noqa: E402

# By how much F1 has to differ for a neuron to count as better or worse.
CLEAR = 0.02
# Below every precision that a pattern can have: all that the model confirmed is taken.
NO_EVIDENCE = 1e-9
USUAL = Settings()

Examples = list[Fired]


@dataclass(frozen=True)
class Variant:
    """The method without an ingredient.

    examples: changes the examples of a neuron. settings: changed settings. literal: the longest literal
    text that is a candidate. alone, background: whether the sweep's tokens and the tokens below the decision threshold
    are used.
    """

    name: str
    examples: Callable[[Examples], Examples] = lambda found: found
    settings: Mapping = field(default_factory=dict)
    literal: int = candidates.LITERAL
    alone: bool = True
    background: bool = True


def changed(**values: object) -> Callable[[Examples], Examples]:
    """Every example with other values."""
    return lambda found: [replace(one, **values) for one in found]


def salient_changed(change: Callable[[Salient], Salient | None]) -> Callable[[Examples], Examples]:
    """Every example with another account of its tokens; without one where `change` gives None."""

    def apply(found: Examples) -> Examples:
        made = []
        for one in found:
            new = one.salient and change(one.salient)
            kept = one.substitutes if new and new.needed == one.salient.needed else ()
            made.append(replace(one, salient=new, substitutes=kept))
        return made

    return apply


def one_by_one(salient: Salient) -> Salient:
    """Needed is what is important when masked alone, as in the published rules; nothing is masked jointly."""
    size = len(salient.tokens)
    important = [value >= USUAL.importance_threshold for value in salient.importances]
    return replace(
        salient, needed=tuple(important[i] or i == size - 1 for i in range(size)), gaps=(0,) * size
    )


VARIANTS = [
    Variant("the whole method"),
    Variant("tokens masked one by one, patterns not verified as a whole", salient_changed(one_by_one)),
    Variant("no substitutes, so no classes", changed(substitutes=())),
    Variant("no gaps", salient_changed(lambda one: replace(one, gaps=(0,) * len(one.tokens)))),
    Variant("no start of the text", salient_changed(lambda one: None if one.start else one)),
    Variant("no sweep of the vocabulary", alone=False),
    Variant("no negative evidence", settings={"precisions": (NO_EVIDENCE,)}),
    Variant("precision not chosen by validation", settings={"precisions": USUAL.precisions[:1]}),
    Variant("decision threshold at the firing threshold", settings={"decision_threshold": 1.0}),
    Variant("no literal patterns for untested firing tokens", literal=1),
    Variant("at most 40 nodes", settings={"max_nodes": (40,)}),
    Variant("at most 10 nodes", settings={"max_nodes": (10,)}),
    Variant("no tokens below the decision threshold", background=False),
]


@dataclass(frozen=True)
class Layer:
    """All that fitting and scoring the units of a layer's block takes; `known` is unit -> what the stages before
    the fitting found of it."""

    block: FittingBlock
    known: Mapping
    texts: HeldOut
    truth: Mapping[tuple[int, str], Truth]

    @classmethod
    def load(cls, run: Run, layer: int) -> Layer:
        """Read the tables of the layer's block."""
        folder = run.blocks[layer]
        documents, observations = load_documents(run.corpus), load_observations(folder)
        options = {**json.loads(run.settings()), "bos": read_json(run.corpus / "corpus.json")["bos"]}
        block = FittingBlock(run.corpus, folder, Settings.from_options(options))
        known = load_known(folder, block)
        texts = hold_out(documents, observations)
        return cls(block, known, texts, dict(truths(texts, observations, block.settings.firing_threshold)))

    def scored(self, variant: Variant) -> Iterator[dict[str, dict[str, float]]]:
        """Test set -> scores, for each neuron in turn; a set in which it never fires is left out."""
        settings = replace(self.block.settings, **variant.settings)
        with (
            mock.patch.object(candidates, "LITERAL", variant.literal),
            mock.patch.object(self.block, "settings", settings),
        ):
            for unit in self.block.units:
                fired, alone, background, pairs = self.known[unit.key]
                graph = fit_unit(
                    self.block,
                    unit,
                    variant.examples(fired),
                    alone if variant.alone else {},
                    background if variant.background else {},
                    pairs,
                )
                yield self.score(unit.key, GraphPredictor(graph)) | {"graph": {"nodes": nodes_of(graph)}}

    def score(self, key: tuple[int, str], predictor: GraphPredictor) -> dict[str, dict[str, float]]:
        """Test set -> scores of one graph."""
        truth, predicted = self.truth[key], predictor.predict(self.texts.index)
        found = {}
        for name in ("top", "random"):
            at = self.texts.tokens_of(truth.sets[name].tolist())
            if truth.firing[at].any():
                found[name] = scores(
                    truth.activations[at], predicted[at], truth.firing[at], predictor.decision_threshold
                )
        return found


def nodes_of(graph: NeuronGraph) -> int:
    """Nodes that are drawn, the root left out."""
    return graph.trie.number_of_nodes() - 1


def macro(layers: Sequence[Sequence[Mapping]], name: str, score: str) -> float:
    """Mean over the layers of the mean over the neurons."""
    return float(np.mean([np.mean([one[name][score] for one in layer if name in one]) for layer in layers]))


def changed_neurons(
    layers: Sequence[Sequence[Mapping]], whole: Sequence[Sequence[Mapping]]
) -> tuple[int, int]:
    """How many neurons score worse than with the whole method, and how many better: by `CLEAR`, F1 of both test sets
    averaged."""

    def f1(one: Mapping) -> float:
        return float(np.mean([one[name]["f1"] for name in ("top", "random") if name in one]))

    pairs = [pair for one, other in zip(layers, whole, strict=True) for pair in zip(one, other, strict=True)]
    gains = np.array([f1(one) - f1(other) for one, other in pairs if "top" in other or "random" in other])
    return int((gains <= -CLEAR).sum()), int((gains >= CLEAR).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--configfile", type=Path, default=Path("config.yaml"), help="names the run whose graphs are refitted"
    )
    parser.add_argument("--output", type=Path, default=HERE / "ablation.md", help="the table to write")
    given = parser.parse_args()

    run = Run.open(given.configfile)
    found: dict[str, list] = {variant.name: [] for variant in VARIANTS}
    for number in tqdm(run.blocks, unit="layer"):
        layer = Layer.load(run, number)
        for variant in tqdm(VARIANTS, desc=f"layer {number}", leave=False):
            found[variant.name].append(list(layer.scored(variant)))
    columns = [
        ("top", "f1"),
        ("random", "f1"),
        ("top", "correlation"),
        ("random", "correlation"),
        ("graph", "nodes"),
    ]
    lines = [
        "# What each ingredient is worth",
        "",
        f"The graphs of the run `{run.config['run']}` refitted, each time with one ingredient left out or changed,",
        "and scored on the test documents: mean over neurons, then over layers. The last columns count the neurons",
        f"whose F1, the mean of both sets, is lower or higher by {CLEAR} than with the whole method. Written by",
        "`python benchmarks/ablation.py`.",
        "",
        "| | F1 top | F1 random | r top | r random | nodes | worse | better |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    whole = found[VARIANTS[0].name]
    for name, layers in found.items():
        *cells, nodes = [macro(layers, *column) for column in columns]
        worse, better = changed_neurons(layers, whole)
        scored = " | ".join(f"{cell:.3f}" for cell in cells)
        lines.append(f"| {name} | {scored} | {nodes:.1f} | {worse} | {better} |")
    given.output.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"The table is in {os.path.relpath(given.output)}.")


if __name__ == "__main__":
    run_script(main)
