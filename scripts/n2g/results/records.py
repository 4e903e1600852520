"""Neuron records: everything that is known about one neuron, as one self-contained JSON document.

A record holds the text of every token id in it (those of the graph's background are in the run's vocabulary
table), the provenance of its numbers, and a digest over itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from n2g.files.canonical_json import digest_of
from n2g.graphs.drawing import activations, is_background
from n2g.graphs.sentence import explain
from n2g.ids import NeuronId
from n2g.results.stored_records import VERSION


@dataclass(frozen=True)
class Findings:
    """What the stages found for one neuron.

    Attributes:
        graph: the form of `NeuronGraph.to_dict()`, or None where no graph could be made.
        status: `ok`, `dead`, `no-pattern` or `failed`.
        reason: one sentence for a status other than `ok`, or None.
        statistics: moments and histogram of the training activations.
        metrics: test set -> predictor -> metric -> value.
        examples: excerpts with tokens, activations and the graph's predictions.
        logits: `promoted`, `suppressed` and `input_aligned`, each pairs of token id and value; empty where not
            computed.
        effects: set of places (`firing`, `false-positive`) -> figures, and the tokens `promoted` and `suppressed`
            there, as pairs of token id and value; empty where not measured.
        explanations: explainer (`graph`, `model`) -> its label and scores; empty where no language model was asked.
        top_tokens: (token id, mean activation, occurrences) on training documents, the largest mean first.
        rule: `line`, what the graph says in one line, as in `graph.jsonl`; None where there is none.
        tested: node at which a pattern ends -> test set -> how often the pattern decides that the neuron fires, and how
            often it then does.
    """

    graph: Mapping[str, Any] | None
    status: str
    reason: str | None = None
    statistics: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    examples: Iterable[Mapping[str, Any]] = ()
    logits: Mapping[str, Any] = field(default_factory=dict)
    effects: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    explanations: Mapping[str, Any] = field(default_factory=dict)
    top_tokens: Sequence[Sequence[float]] = ()
    tested: Mapping[int, Mapping[str, Sequence[int]]] = field(default_factory=dict)
    rule: Mapping[str, Any] | None = None


def record(
    neuron: NeuronId, findings: Findings, texts: Mapping[int, str], provenance: Mapping[str, Any]
) -> dict[str, Any]:
    """The record of one neuron.

    Args:
        neuron: which one.
        findings: what the stages found.
        texts: text of each token id that the findings hold.
        provenance: run, model, corpus, hook, settings, versions and the command that recomputes the record.

    Returns:
        A JSON-ready record; numbers have at most four significant digits, and what is not a number is null.
    """
    content = {
        "version": VERSION,
        "id": str(neuron),
        "layer": neuron.layer,
        "neuron": neuron.neuron,
        "pole": neuron.pole,
        "status": findings.status,
        "reason": findings.reason,
        "explanation": explain(findings.graph, texts) if findings.graph else "",
        "rule": findings.rule["line"] if findings.rule else "",
        "graph": findings.graph,
        "statistics": findings.statistics,
        "metrics": findings.metrics,
        "top_tokens": findings.top_tokens,
        "tested": {str(node): sets for node, sets in sorted(findings.tested.items())},
        "examples": list(findings.examples),
        "logits": findings.logits,
        "provenance": dict(provenance),
    }
    if findings.effects:
        content["effects"] = findings.effects
    if findings.explanations:
        content["explanations"] = findings.explanations
    content = _rounded(content)
    content["graph"] = findings.graph  # a graph predicts the same from its record
    content["vocabulary"] = {str(token): texts[token] for token in sorted(_tokens(findings))}
    content["digest"] = digest_of(content)
    return content


def _tokens(findings: Findings) -> set[int]:
    """Every token id in the findings, but for those that only the graph's background names."""
    found = {token for example in findings.examples for token in example["tokens"]}
    if findings.graph:
        strength = activations(findings.graph)
        for node in findings.graph["nodes"]:
            if not is_background(node, findings.graph, strength):
                found.update(node.get("tokens", ()))
    found.update(int(token) for token, *_ in findings.top_tokens)
    listed = [findings.logits, *findings.effects.values()]
    for pairs in (
        part.get(name, ()) for part in listed for name in ("promoted", "suppressed", "input_aligned")
    ):
        found.update(token for token, _ in pairs)
    return found


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}") if isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(inner) for inner in value]
    return value
