"""A neuron graph in words: one or two sentences that say exactly what the graph says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain, repeat

from n2g.graphs.drawing import ordered
from n2g.graphs.paths import firing_paths
from n2g.graphs.token_display import elide, isolated, visible

SHOWN = 4
LEAST = 0.005  # smallest share of the activation that is given


def explain(graph: Mapping, vocabulary: Mapping[int, str]) -> str:
    """What makes the graph fire; predictions below its decision threshold are left out.

    The patterns that account for most of the activation come first, each with its share where that is known (see
    `n2g.scores.node_costs.node_shares`); then the strongest.

    Args:
        graph: a neuron graph in the form of `NeuronGraph.to_dict()`; nodes may have a `share`.
        vocabulary: text of each token id.

    Returns:
        Plain text. Tokens stand in quotation marks, their spaces visible. Without patterns it is "".
    """
    alone, within = _patterns(graph, vocabulary)
    notes = chain([" of activation on firing validation tokens"], repeat(""))
    sentences = []
    if alone:
        sentences.append(f"Fires on {_several(_told(alone, notes))} in any context.")
    if within:
        start = "Also fires on" if alone else "Fires on"
        sentences.append(f"{start} {_several(_told(within, notes), separator='; ')}.")
    return " ".join(sentences)


def _told(shares: Mapping[str, float], notes: Iterator[str]) -> list[str]:
    """Words with their shares; the first share says what it is a share of."""
    ordered = sorted(shares, key=lambda words: -shares[words])
    return [
        f"{words} ({shares[words]:.0%}{next(notes)})" if shares[words] >= LEAST else words
        for words in ordered
    ]


def _patterns(graph: Mapping, vocabulary: Mapping[int, str]) -> tuple[dict[str, float], dict[str, float]]:
    """Words -> share of the activation, for patterns of one token and for those with context; the strongest first."""
    alone: dict[str, float] = {}
    within: dict[str, float] = {}
    for path in sorted(
        firing_paths(graph), key=lambda path: (-path[-1]["end"]["activation"], path[-1]["id"])
    ):
        least = graph.get("decision_threshold", 0.0) / (path[-1]["end"]["activation"] or 1.0)
        activating, *context = (_strong(node, least) for node in path)
        words, found = _words(activating, vocabulary), alone
        if context:
            words, found = f"{words} {_context(context[::-1], vocabulary)}", within
        found[words] = found.get(words, 0.0) + (path[-1].get("share") or 0.0)
    return alone, within


def _strong(node: Mapping, least: float) -> Mapping:
    """The node with those tokens only whose weight alone does not bring the prediction below the decision threshold."""
    pairs = list(zip(node.get("tokens", ()), node.get("weights", ()), strict=True))
    kept = [(token, weight) for token, weight in pairs if weight >= least] or pairs
    if not kept:
        return node
    return {**node, "tokens": [token for token, _ in kept], "weights": [weight for _, weight in kept]}


def _context(context: list[Mapping], vocabulary: Mapping[int, str]) -> str:
    """Words for the nodes before the activating token, given in reading order."""
    if [node["kind"] for node in context] == ["start"]:
        return "at the very start of a text"
    words = "after"
    for at, node in enumerate(context):
        if node["kind"] == "gap":
            length = f"up to {node['max']} tokens" if node["max"] > 1 else "at most one token"
            between = f", with {length} between" if at == len(context) - 1 else f", {length}"
            words += between if at else f" {length}"
        else:
            words += f"{', then' if at else ''} {_words(node, vocabulary)}"
    return words


def _words(node: Mapping, vocabulary: Mapping[int, str]) -> str:
    if node["kind"] not in ("token", "class"):
        return {"wildcard": "any one token", "start": "the start of a text", "gap": "any tokens"}[
            node["kind"]
        ]
    texts = [visible(vocabulary.get(token, f"#{token}")) for token in ordered(node)]
    return _several([f"“{isolated(elide(text))}”" for text in texts], "or")


def _several(items: list[str], last: str = "and", separator: str = ", ") -> str:
    unique = list(dict.fromkeys(items))
    shown, more = unique[:SHOWN], len(unique) - SHOWN
    if more > 0:
        return separator.join(shown) + f"{separator}{last} {more} more"
    if len(shown) == 1:
        return shown[0]
    return separator.join(shown[:-1]) + f"{separator if separator != ', ' else ' '}{last} {shown[-1]}"
