"""Fit the graph of every neuron of a block from its examples, substitutes and sweep."""

import argparse
import json

from tqdm import tqdm

from n2g.files.atomic import replacing
from n2g.graphs.rule_grammar import Spelling
from n2g.ids import LETTERS, NeuronId
from n2g.method.evidence import Evidence, Texts
from n2g.method.fitting_data import FittingBlock, Unit
from n2g.method.graph import fit_block
from n2g.method.paper import in_sample
from n2g.method.rule_choice import choose_rule, half_rules, mean_activation
from n2g.scores.member_counts import member_counts
from n2g.scores.node_costs import node_costs, node_shares
from n2g.texts.corpus_files import load_words
from n2g.workflow.model_options import add_block_options, methods
from n2g.workflow.run_options import add_kind_option
from n2g.workflow.run_script import run_script


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_block_options(parser)
    add_kind_option(parser)
    given = parser.parse_args()

    lines = []
    spelling = Spelling(load_words(given.corpus))
    own, *others = methods(given)
    for settings in (own, *others):
        block = FittingBlock(given.corpus, given.block, settings)
        fitted = fit_block(given.block, block)
        for unit, status, reason, graph in tqdm(
            fitted, total=len(block.units), desc=settings.method, mininterval=5
        ):
            content = graph.to_dict()
            validation, held = block.evidence(unit, block.validation), block.evidence(unit, block.both)
            costs, shares = node_costs(graph, validation), node_shares(graph, validation)
            members = member_counts(graph, held)
            for node in content["nodes"][1:]:
                node["cost"] = round(costs[node["id"]], 4) if costs else None
                if node["id"] in shares:
                    node["share"] = round(shares[node["id"]], 4)
                if node["id"] in members:
                    node["counts"] = members[node["id"]]
            line = {
                "id": str(NeuronId.of(given.layer, *unit.key, LETTERS[given.kind])),
                "layer": given.layer,
                "neuron": unit.neuron,
                "pole": unit.pole,
                "method": settings.method,
                "status": status,
                "reason": reason,
                "graph": content,
            }
            if settings is own:
                line["rule"] = _rule(block, unit, content, held, spelling)
            lines.append(json.dumps(line, sort_keys=True, allow_nan=False))
    with replacing(given.output) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _rule(block: FittingBlock, unit: Unit, graph: dict, held: Evidence[Texts], spelling: Spelling) -> dict:
    """The one line of a neuron, the activation that it predicts, and the lines that halves of the documents give."""
    rule = choose_rule(graph, held, unit.top_documents, spelling)
    halves = half_rules(block, unit, spelling) if in_sample(block.settings, unit.neuron) else []
    return {
        "line": spelling.write(rule),
        "activation": round(mean_activation(rule, held), 4),
        "halves": [spelling.write(half) for half in halves] or None,
    }


if __name__ == "__main__":
    run_script(main)
