"""The words and number formats of the atlas."""

from __future__ import annotations

from math import isfinite

PREDICTORS = {
    "graph": "Graph",
    "paper": "N2G as published",
    "token_lookup": "Token lookup",
    "token_lookup_all": "Lookup, all tokens",
    "token_lookup_calibrated": "Lookup, calibrated",
    "ngram": "N-grams",
    "ngram_backoff": "N-grams, back-off",
}
IN_FULL = ("graph", "paper", "token_lookup")  # with precision and recall in the table on the first page
SETS = {
    "top": ("Top activations", "Test texts that hold the neuron's largest activations."),
    "quantile": ("Across quantiles", "Test texts drawn evenly over the range of activations."),
    "random": ("Random texts", "Test texts drawn at random, as they come."),
}
STATUSES = {
    "ok": "A graph was found and tested.",
    "dead": "The neuron never fires on the training texts.",
    "no-pattern": "The neuron fires, but no pattern of tokens holds on the validation texts.",
    "failed": "A stage failed; the page gives the reason.",
}


def number(value: float | int | None) -> str:
    """Three significant digits.

    >>> number(0.012345), number(1536), number(None), number(2.0), number(123456)
    ('0.0123', '1536', '–', '2', '123456')
    """
    if value is None or not isfinite(value):
        return "–"
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:.0f}".replace("-", "−")
    return f"{value:.3g}".replace("-", "−")


def ratio(value: float | None) -> str:
    """Two decimals, as precision, recall and F1 are given.

    >>> ratio(0.5), ratio(None)
    ('0.50', '–')
    """
    if not isinstance(value, int | float) or not isfinite(value):
        return "–"
    return f"{value:.2f}".replace("-", "−")


def signed(value: float) -> str:
    """Two decimals with a sign.

    >>> signed(-1.5), signed(2)
    ('−1.50', '+2.00')
    """
    return f"{value:+.2f}".replace("-", "−")


def brief(text: str | None, length: int = 110) -> str:
    """The beginning of a text, cut between words."""
    text = text or ""
    return text if len(text) <= length else text[:length].rsplit(" ", 1)[0] + " …"


def page_path(neuron: str) -> str:
    """A neuron page's path from the site's root.

    >>> page_path("L3.N42-")
    'neurons/L3/N42-/index.html'
    """
    return f"neurons/{neuron.replace('.', '/', 1)}/index.html"


def slug(text: str) -> str:
    """A heading as an HTML id."""
    return "-".join("".join(c if c.isascii() and c.isalnum() else " " for c in text.lower()).split())
