"""A traced prediction as JSON and as a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from n2g.graphs.patterns import spell
from n2g.graphs.token_display import visible, whole_characters
from n2g.ids import NeuronId
from n2g.results.effects import LISTS, effect_at
from n2g.trace.neurons import Strong, verdict
from n2g.trace.question import Question

if TYPE_CHECKING:
    from n2g.trace.attribution import Attribution

PREDICTED = 5  # likely next tokens that are listed
HEAD = ("neuron", "share", "logit", "token", "activation", "fires", "graph", "pattern")

# A neuron's record, or None where it is not in the run.
Records = Callable[[NeuronId], Mapping[str, Any] | None]


def report(
    found: Attribution,
    question: Question,
    how: str,
    neurons: Sequence[Strong],
    words: Sequence[str],
    records: Records,
) -> dict[str, Any]:
    """What `python -m n2g --json trace` prints; docs/trace.md describes it.

    Args:
        found: the attribution of the question, whose target is known.
        question: its tokens and the tokens that may follow.
        how: how derivatives were taken, one of `PROPAGATIONS`.
        neurons: those to report, from `strongest`.
        words: text of each token id.
        records: of the neurons of the run.
    """
    logits = found.logits.astype(np.float64)
    likely = np.exp(logits - logits.max())
    likely /= likely.sum()

    def next_token(token: int | None) -> dict[str, Any] | None:
        if token is None:
            return None
        known = {"logit": _short(logits[token]), "probability": _short(likely[token])}
        return {"token": int(token), "text": words[token], **known}

    texts = whole_characters([words[token] for token in question.tokens])
    return {
        "attribution": how,
        "prompt": [
            {"token": token, "text": text} for token, text in zip(question.tokens, texts, strict=True)
        ],
        "target": next_token(question.target),
        "against": next_token(question.against),
        "value": _short(found.value),
        "predicted": [next_token(token) for token in np.argsort(-logits, kind="stable")[:PREDICTED]],
        "layers": [_short(one) for one in found.relevance[:, 1:].sum((1, 2), dtype=np.float64)],
        "positions": [_short(one) for one in found.relevance.sum((0, 2), dtype=np.float64)],
        "neurons": [
            _neuron(one, abs(found.value) or 1.0, question, texts, words, records) for one in neurons
        ],
    }


def _neuron(
    one: Strong,
    whole: float,
    question: Question,
    texts: Sequence[str],
    words: Sequence[str],
    records: Records,
) -> dict[str, Any]:
    record = records(one.neuron)
    return {
        "neuron": str(one.neuron),
        "layer": one.neuron.layer,
        "relevance": _short(one.relevance),
        "share": _short(one.relevance / whole),
        "places": [
            {
                "position": place.position,
                "text": texts[place.position],
                "activation": _short(place.activation),
                "relevance": _short(place.relevance),
                "share": _short(place.relevance / whole),
            }
            for place in one.places
        ],
        **_graph(one, record, question, words),
    }


def _graph(
    one: Strong, record: Mapping[str, Any] | None, question: Question, words: Sequence[str]
) -> dict[str, Any]:
    """What the run knows about the neuron, judged at its first place; else the command that finds it out."""
    if record is None:
        return {"status": None, "graph": None, "effect": None, "command": command(one.neuron)}
    said = verdict(record, question.tokens, one.places[0])
    graph = said and {
        "maximum": _short(said.maximum),
        "fires": said.fires,
        "predicted": _short(said.predicted),
        "predicts": said.predicts,
        "pattern": None if said.pattern is None else spell(said.pattern, words),
        "explanation": record["explanation"],
    }
    return {"status": record["status"], "graph": graph, "effect": _effect(record, words), "command": None}


def _effect(record: Mapping[str, Any], words: Sequence[str]) -> dict[str, Any] | None:
    """What the run has measured of the neuron at its held-out firings; None where it has not, or there are none."""
    found = effect_at(record)
    if not found or not found["places"]:
        return None
    tokens = {
        name: [{"token": token, "text": words[token], "change": change} for token, change in found[name]]
        for name in LISTS
    }
    return {"places": found["places"], "loss": found["loss"], **tokens}


def command(neuron: NeuronId) -> str:
    """The command that makes a neuron's graph."""
    named = NeuronId(neuron.layer, neuron.neuron)
    poles = " 'poles=[positive,negative]'" if neuron.negative else ""
    return f"snakemake neuron --config neuron={named}{poles}"


def rows(found: Mapping[str, Any]) -> list[Sequence[Any]]:
    """The table: its head, then a row for each neuron, at the place with its largest relevance."""
    return [HEAD, *map(_row, found["neurons"])]


def _row(one: Mapping[str, Any]) -> Sequence[Any]:
    place, graph = one["places"][0], one["graph"]
    told: tuple = ("", "not in the run" if one["status"] is None else one["status"], "")
    if graph:
        told = (graph["fires"], _agreement(graph), graph["pattern"] or "")
    return (
        one["neuron"],
        f"{one['share']:.1%}",
        f"{one['relevance']:+.3f}",
        f"{visible(place['text'])} ({place['position']})",
        f"{place['activation']:.3g}",
        *told,
    )


def _agreement(graph: Mapping[str, Any]) -> str:
    """Whether the graph is right about the place."""
    said = "fires" if graph["predicts"] else "does not fire"
    return said if graph["predicts"] == graph["fires"] else f"{said} (wrong)"


def summary(found: Mapping[str, Any]) -> list[str]:
    """Lines above the table: the question, and what the model predicts."""
    target, against = found["target"], found["against"]
    asked = f"{visible(target['text'])} has logit {target['logit']:.3f} and probability {target['probability']:.1%}"
    if against:
        asked += (
            f", {visible(against['text'])} {against['logit']:.3f} and {against['probability']:.1%};"
            f" traced is the difference, {found['value']:+.3f}"
        )
    likely = ", ".join(f"{visible(one['text'])} {one['probability']:.1%}" for one in found["predicted"])
    return [f"{asked}.", f"Most likely next tokens: {likely}."]


def _short(value: float) -> float:
    return float(f"{float(value):.6g}") + 0.0  # no -0.0
