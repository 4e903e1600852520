"""Connections by weight: equal to the products written out, of whole models."""

from __future__ import annotations

import pytest
import tiny
import torch

from n2g.weights.connections import connections
from n2g.weights.logits import Weights, weights_of


@pytest.fixture(scope="module", params=[tiny.save_llama, tiny.save_native_model], ids=["gated", "LayerNorm"])
def weights(request, tmp_path_factory) -> list[Weights]:
    """A model's weights, with random scales of the norms."""
    from n2g.model.checkpoint import load

    native = request.param is tiny.save_native_model
    folder = request.param(tmp_path_factory.mktemp("model"))
    bridge = load(folder, "native" if native else "transformers", "cpu", "float32")
    found = [weights_of(bridge, layer) for layer in range(bridge.cfg.n_layers)]
    assert found[0].centred == native
    generator = torch.Generator().manual_seed(0)
    return [one._replace(scale_in=torch.rand(16, generator=generator)) for one in found]


def product(weights: list[Weights], first: tuple[int, int], second: tuple[int, int]) -> float:
    """From a neuron to one of a later layer."""
    written, later = weights[first[0]].w_out[first[1]].double(), weights[second[0]]
    if later.centred:
        written = written - written.mean()
    return float(written @ torch.diag(later.scale_in.double()) @ later.w_in[:, second[1]].double())


def test_the_strongest_of_all_products_are_found(weights: list[Weights]) -> None:
    layer = 1
    for neuron, ends in zip([0, 5], connections(weights, layer, [0, 5], [1.0, 1.0], top=3), strict=True):
        expected = []
        for direction in ("upstream", "downstream"):
            layers = range(layer) if direction == "upstream" else range(layer + 1, len(weights))
            known = []
            for other in ((number, n) for number in layers for n in range(24)):
                pair = (other, (layer, neuron)) if direction == "upstream" else ((layer, neuron), other)
                known.append((product(weights, *pair), *other))
            for sign, factor in (("positive", 1), ("negative", -1)):
                best = sorted((one for one in known if factor * one[0] > 0), key=lambda one: -factor * one[0])
                expected += [(direction, sign, rank, *best[rank][1:]) for rank in range(min(3, len(best)))]
        assert [end[:5] for end in ends] == expected
        for end in ends:
            pair = ((end.other_layer, end.other_neuron), (layer, neuron))
            weight = product(weights, *(pair if end.direction == "upstream" else pair[::-1]))
            assert end.weight == pytest.approx(weight, abs=1e-6)


def test_a_negative_pole_turns_the_signs(weights: list[Weights]) -> None:
    up, down = connections(weights, 0, [2, 2], [1.0, -1.0])
    turned = {"positive": "negative", "negative": "positive"}
    assert {(turned[end.sign], end.rank, end.other_layer, end.other_neuron, -end.weight) for end in up} == {
        end[1:] for end in down
    }


def test_what_is_not_finite_has_no_connections() -> None:
    one = torch.ones(2, 2)
    good = Weights(one, one, one, one, torch.ones(2), torch.ones(2), False)
    found = connections([good, good._replace(w_in=one * torch.nan)], 0, [1], [1.0])
    assert found == [[]]
    assert len(connections([good, good], 1, [1], [1.0])[0]) == 2
