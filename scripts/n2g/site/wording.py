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
IN_FULL = ("graph", "paper")  # with precision and recall in the tables on the first page
PREDICTOR_MEANINGS = {
    "graph": "The neuron's graph on this site.",
    "paper": "The graph that the published Neuron to Graph rules give for the same neuron.",
    "token_lookup": "The published baseline: for each token its largest activation in the training texts with the "
    "largest activations.",
    "token_lookup_all": "For each token its largest activation in all training texts.",
    "token_lookup_calibrated": "For each token its mean activation in all training texts, with the cut that is "
    "best on validation texts: about the best that can be done by looking at one token alone.",
    "ngram": "Runs of tokens that end at the firing token.",
    "ngram_backoff": "The longest known run of tokens that ends at the token decides, down to the token alone.",
}
SCORES = {
    "precision": ("Precision", "share of the tokens predicted to fire that fire"),
    "recall": ("Recall", "share of the firing tokens that are predicted to fire"),
    "f1": ("F1", "harmonic mean of precision and recall"),
    "nonfiring_f1": ("Non-firing F1", "F1 of the tokens that do not fire"),
    "average_precision": (
        "AP",
        "average precision: precision averaged over recall, tokens ranked by prediction",
    ),
    "correlation": ("r", "Pearson correlation of prediction and activation"),
    "r2": ("R²", "1 − squared error / squared deviation of the activation from its mean"),
    "rsquared": ("rsquared", "score of Bills et al.: 1 − mean squared error / mean square"),
    "absolute_dev_explained": ("Abs. dev.", "score of Bills et al.: 1 − mean |error| / mean |activation|"),
    "nonfiring_precision": ("Non-f. precision", "precision of the tokens that do not fire"),
    "nonfiring_recall": ("Non-f. recall", "recall of the tokens that do not fire"),
    "ev_correlation": ("ev_correlation", "score of Bills et al.: equal to r"),
}
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

    >>> ratio(0.5), ratio(-0.001), ratio(None)
    ('0.50', '0.00', '–')
    """
    if not isinstance(value, int | float) or not isfinite(value):
        return "–"
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "−")


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


def beside(neuron: str) -> str:
    """A neuron page's path from another neuron's page.

    >>> beside("L3.N42-")
    '../../L3/N42-/index.html'
    """
    return page_path(neuron).replace("neurons", "../..", 1)
