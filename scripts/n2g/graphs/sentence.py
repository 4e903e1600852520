"""A neuron graph in words: one or two sentences that say exactly what the graph says."""

from __future__ import annotations

from collections.abc import Mapping

from n2g.graphs.drawing import ordered
from n2g.graphs.pattern_paths import strongest_paths
from n2g.graphs.token_display import elide, isolated, visible

SHOWN = 3  # tokens of a node
TOLD = 2  # patterns
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
    patterns = _patterns(graph, vocabulary)
    told: list[str] = []
    note = " of the activation"  # the first share says what it is a share of
    for (words, where), share in list(patterns.items())[:TOLD]:
        if share >= LEAST:
            words, note = (
                f"{words} ({share:.0%}{note})" if not where else f"{words} {where} ({share:.0%}{note})",
                "",
            )
        elif where:
            words = f"{words} {where}"
        told.append(words if where else f"{words} in any context")
    if not told:
        return ""
    more = len(patterns) - len(told)
    rest = f"; and {more} more pattern{'s' * (more > 1)}" if more else ""
    return f"Fires on {'; '.join(told)}{rest}."


def _patterns(graph: Mapping, vocabulary: Mapping[int, str]) -> dict[tuple[str, str], float]:
    """(words for the activating token, words for its context) -> share of the activation, in the order of
    `strongest_paths`."""
    found: dict[tuple[str, str], float] = {}
    for path in strongest_paths(graph):
        least = graph.get("decision_threshold", 0.0) / (path[-1]["end"]["activation"] or 1.0)
        activating, *context = (_strong(node, least) for node in path)
        key = _words(activating, vocabulary), _context(context[::-1], vocabulary) if context else ""
        found[key] = found.get(key, 0.0) + (path[-1].get("share") or 0.0)
    return found


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
    return _several([f"“{isolated(elide(text))}”" for text in texts])


def _several(items: list[str]) -> str:
    unique = list(dict.fromkeys(items))
    shown, more = unique[:SHOWN], len(unique) - SHOWN
    last = f"{more} more" if more > 0 else shown.pop()
    return f"{', '.join(shown)}{',' if more > 0 else ''} or {last}" if shown else last
