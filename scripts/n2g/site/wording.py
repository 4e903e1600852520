"""The terms and number formats of the atlas."""

from __future__ import annotations

import re
from math import isfinite

UNITS = {"N": "neuron", "F": "latent"}  # what the letter in an id stands for

PREDICTORS = {
    "graph": "Graph",
    "rule": "Rule",
    "paper": "N2G (Foote et al. 2023)",
    "texts_only": "Texts only",
    "token_lookup": "Token lookup",
    "token_lookup_all": "Token lookup, all tokens",
    "token_lookup_calibrated": "Token lookup, calibrated",
    "ngram": "N-grams",
    "ngram_backoff": "N-grams with back-off",
    "window_1": "Last token",
    "window_2": "Last 2 tokens",
    "window_3": "Last 3 tokens",
    "window_4": "Last 4 tokens",
}
BESIDE_WINDOWS = ("graph", "texts_only", "window_1", "window_2", "window_3", "window_4")
IN_FULL = ("graph", "paper")  # with precision and recall in the tables on the first page
PREDICTOR_MEANINGS = {
    "graph": "The neuron's graph, as shown on this site.",
    "rule": "What the graph says in one line, which is run as it is written.",
    "paper": "The graph that the published Neuron to Graph procedure gives for the same neuron.",
    "texts_only": "The graph that the same fitting makes without asking the model anything: what the questions have to "
    "improve on.",
    "token_lookup": "The paper's baseline: predicts each token's largest activation in the neuron's top training "
    "documents.",
    "token_lookup_all": "Predicts each token's largest activation in all training documents.",
    "token_lookup_calibrated": "Predicts each token's mean activation over all training documents, with the "
    "decision threshold that is best on validation documents: close to the best that a single token can do.",
    "ngram": "Predicts from the n-gram that ends at the token, as seen in the top training documents.",
    "ngram_backoff": "The same, backing off to shorter n-grams where the longer one was never seen.",
    **{
        f"window_{length}": f"The model itself, shown only the last {tokens} after neutral text: in shallow layers "
        "the most that a graph of such patterns can reach."
        for length, tokens in ((1, "token"), (2, "2 tokens"), (3, "3 tokens"), (4, "4 tokens"))
    },
}
SCORES = {
    "precision": ("Precision", "fraction of the tokens predicted to fire that do fire"),
    "recall": ("Recall", "fraction of firing tokens that are predicted to fire"),
    "f1": ("F1", "harmonic mean of precision and recall"),
    "nonfiring_f1": ("Non-firing F1", "F1 for the non-firing tokens"),
    "average_precision": (
        "AP",
        "average precision: precision averaged over recall, with tokens ranked by predicted activation",
    ),
    "correlation": ("r", "Pearson correlation of predicted and actual activation"),
    "r2": (
        "R²",
        "coefficient of determination: 1 − squared error / squared deviation of the activation from its mean",
    ),
    "rsquared": ("rsquared", "score of Bills et al.: 1 − mean squared error / mean square"),
    "absolute_dev_explained": ("Abs. dev.", "score of Bills et al.: 1 − mean |error| / mean |activation|"),
    "nonfiring_precision": ("Non-firing precision", "precision for the non-firing tokens"),
    "nonfiring_recall": ("Non-firing recall", "recall for the non-firing tokens"),
    "ev_correlation": ("ev_correlation", "score of Bills et al.: equal to r"),
}
SETS = {
    "top": ("Top activations", "Test documents with the neuron's largest activations."),
    "quantile": (
        "Across quantiles",
        "Test documents sampled evenly over the range of their maximum activation.",
    ),
    "random": ("Random documents", "Test documents sampled at random."),
    "windows": (
        "Through windows",
        "Some of the random test documents, on which the model was also shown only the last tokens.",
    ),
}
LEFT_OUT = {  # why a record of the corpus is no document, by the names in corpus.json
    "no_text": "without text",
    "not_json": "not readable as JSON",
    "exact_duplicates": "as copies of others",
    "too_short": "as too short",
    "near_duplicates": "as near-duplicates",
    "beyond": "beyond the limit of tokens",
}
STATUSES = {
    "ok": "A graph was fitted and evaluated.",
    "dead": "The neuron never fires on the training documents.",
    "no-pattern": "The neuron fires, but no token pattern predicts when.",
    "failed": "A stage failed; the page gives the reason.",
}


def of_units(text: str, unit: str) -> str:
    """A sentence of our own about neurons, said of the kind of unit that a site is about. Never given texts of others.

    >>> of_units("Neurons whose graph …; Neuron to Graph", "latent")
    'Latents whose graph …; Neuron to Graph'
    """

    def named(match: re.Match) -> str:
        return unit.capitalize() if match[0][0].isupper() else unit

    return text if unit == "neuron" else re.sub(r"\b[Nn]euron(?=s?\b)(?! to Graph)", named, text)


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


def grouped(value: int | None) -> str:
    """A count, its thousands apart.

    >>> grouped(1048280), grouped(22), grouped(None)
    ('1,048,280', '22', '–')
    """
    return "–" if value is None else f"{value:,}"


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


def effect(value: float | None) -> str:
    """A change in nats or of a probability, with a sign and two significant digits.

    >>> effect(-0.1234), effect(0.00056), effect(0.0), effect(None)
    ('−0.12', '+0.00056', '0', '–')
    """
    if value is None or not isfinite(value):
        return "–"
    return f"{value:+.2g}".replace("-", "−") if value else "0"


def brief(text: str | None, length: int = 110) -> str:
    """The beginning of a text, truncated between words."""
    text = text or ""
    return text if len(text) <= length else text[:length].rsplit(" ", 1)[0] + " …"


def page_path(neuron: str) -> str:
    """A neuron page's path from the site's root.

    >>> page_path("L3.N42-")
    'neurons/L3/N42-/index.html'
    """
    return f"{page_folder(neuron)}index.html"


def page_folder(neuron: str) -> str:
    """A neuron page's folder from the site's root.

    >>> page_folder("L3.N42-")
    'neurons/L3/N42-/'
    """
    return f"neurons/{neuron.replace('.', '/', 1)}/"


def beside(neuron: str) -> str:
    """A neuron page's path from another neuron's page.

    >>> beside("L3.N42-")
    '../../L3/N42-/index.html'
    """
    return page_path(neuron).replace("neurons", "../..", 1)
