"""The rich display of a neuron in a notebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from n2g.graphs.token_display import excerpt

EXAMPLES = 3
AROUND = 12  # tokens on either side of the one that fires


class Picture(str):
    """SVG, which Jupyter shows as a picture."""

    def _repr_svg_(self) -> str | None:
        return str(self) or None


def neuron_html(record: Mapping, explanation: str, words: Sequence[str], picture: str) -> str:
    """A neuron's explanation, scores, graph and strongest examples as HTML, all text escaped.

    Args:
        record: as in render/L3.N42.json.
        explanation: in words.
        words: text of each token id.
        picture: the graph as SVG, or "".
    """
    scores = {name: found["graph"]["f1"] for name, found in (record["metrics"] or {}).items()}
    told = ", ".join(f"{name} {f1:.2f}" for name, f1 in scores.items() if f1 is not None)
    examples = [one for one in record["examples"] if one["set"] == "top"][:EXAMPLES]
    parts = [
        f"<b>{escape(record['id'])}</b> {escape(record['status'])}",
        f"<p>{escape(explanation or record['reason'] or '')}</p>",
        f"<p>F1 on test documents: {escape(told)}</p>" if told else "",
        picture,
        *(f"<p>{_excerpt(example, words)}</p>" for example in examples),
    ]
    return f"<div>{''.join(parts)}</div>"


def _excerpt(example: Mapping, words: Sequence[str]) -> str:
    texts, at = excerpt([words[token] for token in example["tokens"]]), example["pivot"]
    before, after = "".join(texts[max(0, at - AROUND) : at]), "".join(texts[at + 1 : at + 1 + AROUND])
    return f"{escape(before)}<mark>{escape(texts[at])}</mark>{escape(after)}"
