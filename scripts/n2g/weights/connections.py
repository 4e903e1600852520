"""Which neurons in other layers a neuron is connected to most strongly by weight, as Bills et al. 2023 define it.

The connection from a neuron to one of a later layer is `W_out[first] · diag(scale of the later norm) · W_in[second]`,
as if nothing stood between the two. In a gated MLP the gate's weights count as `W_in`; of a LayerNorm the centring is
done too. Of a negative pole the values change their sign; the other neuron is always taken by its positive pole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch

from n2g.model.engine import ROWS
from n2g.weights.logits import Weights, strongest

TOP = 10


class Connection(NamedTuple):
    """One end of a connection; `rank` is 0 for the strongest of its direction and sign."""

    direction: str
    sign: str
    rank: int
    other_layer: int
    other_neuron: int
    weight: float


@torch.no_grad()
def connections(
    weights: Sequence[Weights], layer: int, neurons: list[int], signs: list[float], top: int = TOP
) -> list[list[Connection]]:
    """For each neuron and sign its strongest connections, `upstream` and `downstream`, of either sign.

    None of a direction where a weight is not a finite number.

    Args:
        weights: of every layer of the model.
        layer: the neurons' layer.
        neurons: positions in the layer's hidden MLP vector.
        signs: 1 for the positive pole, -1 for the negative one.
        top: neurons of each direction and sign of the weight; a weight of 0 is of neither.
    """
    own, sign = weights[layer], torch.tensor(signs, dtype=torch.float32)[:, None]
    rows = neurons + neurons[:1] * (-len(neurons) % ROWS)  # sums must not depend on who else is asked
    written, read = own.w_out[rows], own.w_in[:, rows].T * own.scale_in
    if own.centred:  # either side of a product may be centred
        written, read = written - written.mean(-1, keepdim=True), read - read.mean(-1, keepdim=True)
    upstream = [read @ other.w_out.T for other in weights[:layer]]
    downstream = [(written * other.scale_in) @ other.w_in for other in weights[layer + 1 :]]
    found: list[list[Connection]] = [[] for _ in neurons]
    for direction, first, parts in (("upstream", 0, upstream), ("downstream", layer + 1, downstream)):
        values = sign * torch.cat(parts, dim=1)[: len(neurons)] if parts else torch.zeros(len(neurons), 0)
        for word, factor in (("positive", 1.0), ("negative", -1.0)):
            for ends, best in zip(found, strongest(factor * values, top), strict=True):
                for rank, (index, value) in enumerate(best):
                    if value > 0:
                        at, neuron = divmod(index, len(own.w_out))
                        ends.append(Connection(direction, word, rank, first + at, neuron, factor * value))
    return found
