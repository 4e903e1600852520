"""How much of its own effect on the model's predictions a neuron keeps when it alone is rewritten.

An effect is the increase of the next-token loss, averaged over what the model itself expects as the next token: the
Kullback-Leibler divergence of its predictions before and after. To change one neuron after the other takes a pass for
each. To second order, the divergence is half the variance of the change's slope: half the mean square of d · g, where
d is the change of the neuron's activations in a text, and g the gradient, by these activations, of the log-likelihood
of tokens drawn from the model's predictions (the Fisher information). One backward pass gives g for all neurons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Int
from tqdm import tqdm

from n2g.model.engine import Engine
from n2g.scores.passage import Passage
from n2g.scores.passage_batches import Batch, batches, by_document
from n2g.scores.rewrite import ENDS, resampled
from n2g.texts.documents import Documents

DRAWS = 4


def squared_slopes(
    engine: Engine,
    documents: Documents,
    passage: Passage,
    layer: int,
    neurons: Sequence[int],
    values: Mapping[str, Float[np.ndarray, "token neuron"]],
    *,
    seed: int = 0,
    draws: int = DRAWS,
) -> dict[str, Float[np.ndarray, "document neuron"]]:
    """Half the square of d · g, the mean over draws, when each neuron alone is set to `values`.

    Args:
        engine: the model.
        documents, passage: the corpus, and the documents to look at.
        layer, neurons: which neurons.
        values: condition -> what they are set to.
        seed: of the drawn tokens, which are others for each document, whatever its batch.
        draws: of all next tokens of a document.
    """
    found = {name: np.zeros((len(passage.numbers), len(neurons))) for name in values}
    columns = torch.as_tensor(np.array(neurons, dtype=np.int64), device=engine.device)
    with tqdm(total=len(passage.numbers), desc="effects", unit="text", mininterval=5) as progress:
        for batch in batches(engine, documents, passage, engine.batch_tokens):
            by_document(partial(_squares, engine, layer, columns, values, seed, draws), batch, found)
            progress.update(len(batch.rows))
    return found


def _squares(
    engine: Engine,
    layer: int,
    columns: Int[torch.Tensor, " neuron"],
    values: Mapping[str, Float[np.ndarray, "token neuron"]],
    seed: int,
    draws: int,
    batch: Batch,
) -> dict[str, Float[np.ndarray, "document neuron"]]:
    """The same of some documents."""
    activation, gradients = _gradients(engine, layer, seed, draws, batch)
    kept, *slopes = (
        torch.nan_to_num(one.index_select(-1, columns).float(), 0, 0, 0) for one in (activation, *gradients)
    )
    squares = {}
    for name, given in values.items():
        change = (batch.padded(given).to(kept) - kept) * batch.text[..., None]
        sums = torch.stack([(one * change).double().sum(1) for one in slopes])
        squares[name] = (sums**2).mean(0).cpu().numpy() / 2
    return squares


def _gradients(
    engine: Engine, layer: int, seed: int, draws: int, batch: Batch
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Activations of a layer, and for each draw of next tokens the gradient of their log-likelihood by these, both
    [document, position, neuron]."""
    leaves: list[torch.Tensor] = []

    def change(value: torch.Tensor) -> torch.Tensor:
        leaves.append(value.detach().requires_grad_())
        return leaves[0]

    gradients = []
    with torch.enable_grad():
        likely = engine.logits(batch.tokens, layer, change)[:, 1:-1].float().log_softmax(-1)
        below = likely.detach().double().exp().cumsum(-1)
        for draw in range(draws):
            score = likely[:, :0].sum()
            for row, (number, span) in enumerate(zip(batch.numbers.tolist(), batch.spans, strict=True)):
                if (count := span.stop - span.start - 2) > 0:
                    even = np.random.default_rng([seed, draw, number]).random(count)
                    wanted = torch.from_numpy(even)[:, None].to(below) * below[row, :count, -1:]
                    drawn = torch.searchsorted(below[row, :count], wanted)
                    score = score + likely[row, :count].gather(-1, drawn).sum()
            again = draw + 1 < draws
            gradients += torch.autograd.grad(score, leaves, retain_graph=again, materialize_grads=True)
    return leaves[0].detach(), gradients


def kept_rows(
    squares: Mapping[str, Float[np.ndarray, "document neuron"]],
    neurons: Sequence[int],
    tokens: np.ndarray,
    *,
    seed: int = 0,
) -> list[dict]:
    """Columns of the `rewrite_neurons` table, from what `squared_slopes` gives of the conditions.

    Args:
        squares: `mean`, `token_mean`, `graph` and `graph_token_mean` -> float64 [document, neuron].
        neurons: their numbers.
        tokens: int64 [document], how many were predicted.
        seed: of a bootstrap over documents, for 95 % intervals.
    """
    documents, count = len(tokens), max(int(tokens.sum()), 1)
    drawn = resampled(documents, seed)
    effect = {name: found.sum(0) / count for name, found in squares.items()}
    rows = []
    for column, neuron in enumerate(neurons):
        base = np.sum(drawn * squares["mean"][:, column], axis=1)
        left = np.sum(drawn * squares["graph"][:, column], axis=1)
        known = base > 0
        low, high = np.percentile(1 - left[known] / base[known], ENDS) if known.any() else (np.nan, np.nan)
        rows.append(
            {
                "neuron": neuron,
                "documents": documents,
                "tokens": count,
                "mean_effect": float(f"{effect['mean'][column]:.6g}"),
                "graph_effect": float(f"{effect['graph'][column]:.6g}"),
                "kept": _kept(effect["graph"][column], effect["mean"][column]),
                "kept_low": _short(low),
                "kept_high": _short(high),
                **{
                    f"{name}_kept": _kept(effect[name][column], effect["mean"][column])
                    for name in ("token_mean", "graph_token_mean")
                },
            }
        )
    return rows


def _kept(effect: float, of_mean: float) -> float:
    return _short(1 - effect / of_mean) if of_mean > 0 else np.nan


def _short(value: float) -> float:
    return round(float(value), 4) + 0.0  # no -0.0
