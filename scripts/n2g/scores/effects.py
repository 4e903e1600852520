"""What a neuron does where it fires: how the model's next-token prediction differs with the neuron at its mean.

At one held-out token after the other, the neuron is set to its mean activation on validation documents, and the model
runs on. All differences are those that the firing makes: the model as it is minus the model with the neuron at its
mean. A promoted token is likelier with the firing; a loss below 0 says that the firing helps to predict the text.

Tokens are ranked by probability: of the changes of logits the largest are those of tokens with which no text would go
on, and they are others at every place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from tqdm import tqdm

from n2g.method.observations import Observations, in_full
from n2g.model.engine import Engine
from n2g.model.next_token import Change, Changed, NextToken
from n2g.scores.effect_places import Places
from n2g.scores.evaluate import Key
from n2g.scores.rewrite import ENDS, resampled
from n2g.texts.documents import Documents

TOP = 10
DECIMALS = 6  # of nats and of probabilities: what rounding in the model leaves certain
FIGURES = ("loss", "entropy", "divergence")


@dataclass(frozen=True)
class Measured:
    """What was measured at some places of one (neuron, pole).

    places: those at which all logits are finite numbers. figures: float64 [place, figure], the `FIGURES`: the change of
    the next-token loss and of the entropy, and the Kullback-Leibler divergence of the prediction with the neuron at its
    mean from the model's own, all in nats. probabilities: float64 [token], the mean change of the next token's.
    """

    places: Places
    figures: Float[np.ndarray, "place figure"]
    probabilities: Float[np.ndarray, " token"]


def means(documents: Documents, observations: Observations) -> dict[Key, float]:
    """Mean activation of every (neuron, pole), as the model has it, on the random validation documents without BOS."""
    numbers = observations.pools["validation_documents"]
    text = np.ones(int(documents.lengths[numbers].sum()), dtype=bool)
    text[np.cumsum(documents.lengths[numbers]) - documents.lengths[numbers]] = False
    found = {}
    for row, unit in enumerate(observations.statistics.select(["neuron", "pole"]).to_pylist()):
        sign = -1.0 if unit["pole"] == "negative" else 1.0
        values = in_full(observations.pools["validation"][row])[text]
        found[unit["neuron"], unit["pole"]] = sign * float(values.mean()) if len(values) else 0.0
    return found


def measure(
    engine: Engine, documents: Documents, layer: int, chosen: Sequence[Places], set_to: Mapping[Key, float]
) -> list[Measured]:
    """Run the model at all places, each text once.

    Args:
        engine: the model.
        documents: the corpus.
        layer: the neurons' layer.
        chosen: where; memory grows by a vocabulary of float64 for each.
        set_to: the activation that each (neuron, pole) is set to.
    """
    numbers = np.unique(np.concatenate([np.zeros(0, np.int64), *(one.documents for one in chosen)]))
    texts = [documents.ids(number).tolist() for number in numbers]
    wanted: dict[int, dict[int, list[Change]]] = {}
    at: dict[tuple[int, int, int], int] = {}  # (of chosen, text, position) -> which place
    for index, one in enumerate(chosen):
        rows = np.searchsorted(numbers, one.documents).tolist()
        for place, (text, position) in enumerate(zip(rows, one.positions.tolist(), strict=True)):
            change = Change(index, one.key[0], set_to[one.key])
            wanted.setdefault(text, {}).setdefault(position, []).append(change)
            at[index, text, position] = place
    figures = [np.full((len(one.documents), len(FIGURES)), np.nan) for one in chosen]
    sums = torch.zeros(len(chosen), engine.bridge.cfg.d_vocab, dtype=torch.float64)
    with tqdm(total=len(at), desc="effects", unit="place", mininterval=5) as bar:
        for found in NextToken(engine, layer, texts).changed(wanted):
            values, shifts = _differences(found, texts[found.text][found.place + 1])
            for change, row, shift in zip(found.changes, values, shifts, strict=True):
                if np.isfinite(row).all() and bool(shift.isfinite().all()):
                    figures[change.key][at[change.key, found.text, found.place]] = row
                    sums[change.key] += shift
            bar.update(len(found.changes))
    return [_finite(*parts) for parts in zip(chosen, figures, sums, strict=True)]


def _finite(places: Places, figures: np.ndarray, sums: torch.Tensor) -> Measured:
    kept = np.isfinite(figures).all(1)
    places = places._replace(documents=places.documents[kept], positions=places.positions[kept])
    return Measured(places, figures[kept], sums.numpy() / max(len(places.documents), 1))


def _differences(
    found: Changed, following: int
) -> tuple[Float[np.ndarray, "change figure"], Float[torch.Tensor, "change token"]]:
    """The `FIGURES` of each change, and the change of each probability. following: the next token of the text."""
    before, after = found.before.double().log_softmax(-1), found.after.double().log_softmax(-1)
    own, changed = before.exp(), after.exp()
    loss = after[:, following] - before[following]
    entropy = (changed * after).sum(-1) - (own * before).sum()
    divergence = (own * (before - after)).sum(-1)
    figures = torch.stack([loss, entropy, divergence], -1).numpy()
    return figures, own - changed


def effect_rows(measured: Sequence[Measured], *, top: int = TOP, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Rows of the `effects` table. seed: of a bootstrap over documents, for 95 % intervals."""
    for one in measured:
        neuron, pole = one.places.key
        documents = np.unique(one.places.documents)
        yield {
            "neuron": neuron,
            "pole": pole,
            "set": one.places.set,
            "places": len(one.figures),
            "documents": len(documents),
            **_intervals(one, documents, seed),
            **_tokens("promoted", one, 1.0, top),
            **_tokens("suppressed", one, -1.0, top),
        }


def _intervals(one: Measured, documents: np.ndarray, seed: int) -> dict[str, float]:
    """Means of the figures; the intervals need two documents."""
    ends = ("loss_low", "loss_high", "entropy_low", "entropy_high")
    if not len(documents):
        return dict.fromkeys((*FIGURES, *ends), np.nan)
    found = {name: _short(value) for name, value in zip(FIGURES, one.figures.mean(0), strict=True)}
    if len(documents) == 1:
        return found | dict.fromkeys(ends, np.nan)
    rows = np.searchsorted(documents, one.places.documents)
    drawn = resampled(len(documents), seed)
    counts = np.sum(drawn * np.bincount(rows), axis=1)
    for column, name in enumerate(("loss", "entropy")):
        again = np.sum(drawn * np.bincount(rows, one.figures[:, column]), axis=1) / counts
        low, high = np.percentile(again, ENDS)
        found |= {f"{name}_low": _short(low), f"{name}_high": _short(high)}
    return found


def _tokens(name: str, one: Measured, sign: float, top: int) -> dict[str, list]:
    """The tokens with the largest change of this sign, largest first, without those that only rounding changes."""
    if not len(one.figures):
        return {name: [], f"{name}_by": []}
    tokens = np.argsort(-sign * one.probabilities, kind="stable")[:top]
    values = np.round(one.probabilities[tokens], DECIMALS)
    kept = sign * values > 0
    return {name: tokens[kept].tolist(), f"{name}_by": values[kept].tolist()}


def _short(value: float) -> float:
    return round(float(value), DECIMALS) + 0.0  # no -0.0
