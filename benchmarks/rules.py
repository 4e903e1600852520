"""How long do rules have to be? Length, F1 and stability for different costs of a character.

Writes benchmarks/rules.md for the run in results/ that is named, which has to be finished: for each cost the median
length of the rules, the F1 that they keep of the graphs' on test documents, and how much of a rule two disjoint halves
of the training and validation documents have in common.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "scripts")]

import numpy as np  # noqa: E402

from n2g.files.tables import read_json  # noqa: E402
from n2g.graphs.graph_file import read_graphs  # noqa: E402
from n2g.graphs.rule_grammar import Spelling  # noqa: E402
from n2g.method.fitting_data import FittingBlock  # noqa: E402
from n2g.method.observations import load_observations  # noqa: E402
from n2g.method.rule_choice import CHARACTER, choose_rule, half_graphs  # noqa: E402
from n2g.metrics import firing_scores  # noqa: E402
from n2g.scores.evaluate import GraphPredictor, graph_predictors, hold_out, truths  # noqa: E402
from n2g.scores.summary import rule_figures  # noqa: E402
from n2g.settings import Settings  # noqa: E402
from n2g.texts.corpus_files import load_documents, load_words  # noqa: E402
from n2g.workflow.run_script import run_script  # noqa: E402

COSTS = (0.0005, 0.001, 0.002, CHARACTER, 0.005, 0.01, 0.02, 0.04)
SETS = ("top", "random")


def measure(corpus: Path, folder: Path, settings: Settings, spelling: Spelling):
    """For every unit of a block and every cost (cost, rule as in `graph.jsonl`, {set: (F1 of the rule, of the
    graph)}); sets in which the unit does not fire are left out."""
    block = FittingBlock(corpus, folder, settings)
    documents, observations = load_documents(corpus), load_observations(folder)
    texts, graphs = hold_out(documents, observations), read_graphs(folder / "graph.jsonl")
    known = dict(truths(texts, observations, settings.firing_threshold))
    for unit in block.units:
        graph, held = graphs[unit.key]["atlas"]["graph"], block.evidence(unit, block.both)
        halves = list(half_graphs(block, unit))
        own = graph_predictors(graphs[unit.key])["graph"]
        fires = own.predict(texts.index) >= own.decision_threshold
        for cost in COSTS:
            rule = choose_rule(graph, held, unit.top_documents, spelling, cost)
            lines = [
                spelling.write(choose_rule(*half, unit.top_documents, spelling, cost)) for half in halves
            ]
            ruled = GraphPredictor(rule.graph(bos=settings.bos))
            matched = ruled.predict(texts.index) >= ruled.decision_threshold
            scores = {}
            for name in SETS:
                at = texts.tokens_of(known[unit.key].sets[name].tolist())
                firing = known[unit.key].firing[at]
                if firing.any():
                    scores[name] = tuple(
                        firing_scores(firing, predicted[at])["f1"] for predicted in (matched, fires)
                    )
            yield cost, {"line": spelling.write(rule), "halves": lines or None}, scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("results/smollm2"), help="a finished run")
    parser.add_argument("--output", type=Path, default=HERE / "rules.md")
    given = parser.parse_args()
    corpus = given.run / "corpus"
    settings = Settings(bos=read_json(corpus / "corpus.json")["bos"])
    spelling = Spelling(load_words(corpus))
    rules: dict[float, list] = {cost: [] for cost in COSTS}
    scores: dict[tuple, dict[str, list]] = {}
    for path in sorted(given.run.glob("*/*/graph.jsonl")):
        for cost, rule, found in measure(corpus, path.parent, settings, spelling):
            rules[cost].append({"rule": rule})
            for name, pair in found.items():
                scores.setdefault((cost, name), {}).setdefault(path.parent.parent.name, []).append(pair)
    head = (
        "| Cost of a character | Characters | F1 kept, top | F1 kept, random | Identical | Shared patterns |"
    )
    lines = [head, "| ---: " * 6 + "|"]
    for cost, known in rules.items():
        figures = rule_figures(known)
        kept = []
        for name in SETS:
            layers = [np.mean(pairs, axis=0) for pairs in scores[cost, name].values()]
            ours, graphs = np.mean(layers, axis=0)
            kept.append(ours / graphs)
        lines.append(
            f"| {cost} | {figures['characters']:.0f} | {kept[0]:.2f} | {kept[1]:.2f} "
            f"| {figures['identical']:.1%} | {figures['shared']:.1%} |"
        )
    doc = (__doc__ or "").split("\n\n")[0]
    given.output.write_text(f"# Rules\n\n{doc}\n\n" + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run_script(main)
