"""Neuronpedia: what its uploads take, what the client `neuronpedia` reads, and the tree of its bulk import.

A layer of neurons is a source, `{layer}-n2g`, or `{layer}-n2g-negative` for negative poles. Method and model of an
explanation must be registered with Neuronpedia, so they are null: the graph's sentence comes from neither.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from n2g.export.neuron import Neuron
from n2g.graphs.token_display import elide
from n2g.scores.simulation import Excerpt, Range
from n2g.units.hooks import RESIDUAL, parse_hook

BATCH = 128
LOGITS = 20
LONGEST_TEXT, LONGEST_SEQUENCE = 512, 1024
CREATOR = "clkht01d40000jv08hvalcvly"  # the account that Neuronpedia's own tools give to imports


@dataclass(frozen=True)
class Model:
    """The model as Neuronpedia names it."""

    name: str
    layers: int
    neurons: int
    website: str | None

    @property
    def id(self) -> str:
        """Name in lower case, of letters, digits, points, underscores and hyphens.

        >>> Model("SmolLM2-135M (Q4_1)", 30, 1536, None).id
        'smollm2-135m-q4_1'
        """
        return re.sub(r"[^a-z0-9._]+", "-", self.name.lower()).strip("-.") or "model"


def source(neuron: Neuron) -> str:
    """The source that holds a neuron."""
    return f"{neuron.id.layer}-{source_set(neuron)}"


def source_set(neuron: Neuron) -> str:
    """The set of sources that holds a neuron; of latents, it says as Neuronpedia does what they are of."""
    name = "n2g-negative" if neuron.id.negative else "n2g"
    if neuron.id.letter == "N":
        return name
    if neuron.writes != neuron.hook:
        return f"transcoder-{name}"
    kind = parse_hook(neuron.hook)[1]
    place = "res" if kind in RESIDUAL else "att" if "attn" in kind or kind.startswith("ln1.") else "mlp"
    return f"{place}-{name}"


def feature(model: Model, neuron: Neuron) -> dict[str, Any]:
    """What the client's `Feature.get` reads; it takes the names of children from `source`, the server's rows from
    `layer`."""
    place = {"modelId": model.id, "layer": source(neuron), "index": neuron.id.neuron}
    child = place | {"source": place["layer"]}
    activations = [child | _activation(neuron, *one) for one in _sequences(neuron)]
    described = {"description": _text(neuron), "typeName": None, "explanationModelName": None}
    return place | {
        **_numbers(neuron, activations),
        "explanations": [child | described] if described["description"] else [],
        "activations": activations,
    }


def upload(model: Model, neurons: Sequence[Neuron]) -> dict[str, Any]:
    """The body of `POST /api/feature/upload-batch` for at most `BATCH` neurons of one source."""
    return {
        "modelId": model.id,
        "source": source(neurons[0]),
        "features": [_uploaded(neuron) for neuron in neurons],
    }


def import_lines(model: Model, neurons: Sequence[Neuron]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """(folder, lines) of the bulk import of some neurons of one source."""
    features, activations, explanations = [], [], []
    for neuron in neurons:
        place = {"modelId": model.id, "layer": source(neuron), "index": str(neuron.id.neuron)}
        rows = []
        for rank, one in enumerate(_sequences(neuron)):
            found = {"id": _id("activation", *place.values(), rank), **place, **_activation(neuron, *one)}
            rows.append(found | {"creatorId": CREATOR, "dfaValues": [], "lossValues": []})
        hook = {"hasVector": False, "vector": [], "hookName": neuron.hook}
        numbers = _numbers(neuron, rows) | {"sourceSetName": source_set(neuron)}
        features.append(place | {"creatorId": CREATOR} | hook | numbers)
        activations += rows
        if text := _text(neuron):
            said = {"id": _id("explanation", *place.values()), **place, "description": text}
            explanations.append(said | {"authorId": CREATOR, "typeName": None, "explanationModelName": None})
    yield from (("features", features), ("activations", activations), ("explanations", explanations))


def import_heads(model: Model, run: str, texts: str, neuron: Neuron) -> Iterator[tuple[str, dict[str, Any]]]:
    """(file name, its one line) of what the bulk import wants to know of a source."""
    release = f"neuron-atlas-{run}"
    visible = {"creatorId": CREATOR, "creatorName": "Neuron Atlas", "visibility": "PUBLIC"}
    what = "MLP neurons" if neuron.id.letter == "N" else "Latents"
    said = f"{what} of {model.name}, each with the sentence of its graph"
    yield "release", visible | {"name": release, "description": said, "descriptionShort": said, "urls": []}
    names = {"id": model.id, "displayName": model.name, "displayNameShort": model.name}
    sizes = {"layers": model.layers, "neuronsPerLayer": model.neurons}
    kind = {"instruct": "instruct" in model.id, "owner": "", "website": model.website}
    yield "model", names | sizes | kind | {"creatorId": CREATOR, "visibility": "PUBLIC"}
    named = {"modelId": model.id, "name": source_set(neuron), "releaseName": release}
    yield "sourceset", visible | named | {"description": said, "type": "neurons", "hasDashboards": True}
    own = {"id": source(neuron), "modelId": model.id, "setName": source_set(neuron), "dataset": texts}
    yield "source", own | {"creatorId": CREATOR, "visibility": "PUBLIC", "hasDashboards": True}


def _uploaded(neuron: Neuron) -> dict[str, Any]:
    logits = {}
    for name, direction in (("topLogits", "promoted"), ("bottomLogits", "suppressed")):
        pairs = zip(*neuron.pairs(direction), strict=True)
        logits[name] = [{"token": token, "value": value} for token, value in pairs if token][:LOGITS]
    activations = [_activation(neuron, *one) for one in _sequences(neuron)]
    names = {"binMax": "quantileMax", "binMin": "quantileMin", "binContains": "quantileFraction"}
    text = _text(neuron)
    return {
        "index": neuron.id.neuron,
        "density": neuron.statistics["density"],
        "activations": [
            {"tokens": one["tokens"], "values": one["values"]} | {new: one[old] for old, new in names.items()}
            for one in activations
        ],
        "explanations": [{"text": text, "methodName": None, "modelName": None}] if text else [],
        **logits,
    }


def _numbers(neuron: Neuron, activations: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Columns of their `Neuron` table."""
    histogram = neuron.record["statistics"]["histogram"]
    edges = histogram["edges"]
    positive, negative = neuron.pairs("promoted"), neuron.pairs("suppressed")
    return {
        "frac_nonzero": neuron.statistics["density"],
        "maxActApprox": max((one["maxValue"] for one in activations), default=0.0),
        "pos_str": positive[0],
        "pos_values": positive[1],
        "neg_str": negative[0],
        "neg_values": negative[1],
        "freq_hist_data_bar_heights": histogram["counts"],
        "freq_hist_data_bar_values": [(low + high) / 2 for low, high in pairwise(edges)],
    }


def _sequences(neuron: Neuron) -> Iterator[tuple[Excerpt, Range | None]]:
    """The top sequences, then some of each range of quantiles, the highest first."""
    yield from ((one, None) for one in neuron.sample.top)
    for part in reversed(neuron.sample.ranges):
        yield from ((one, part) for one in part.excerpts)


def _activation(neuron: Neuron, excerpt: Excerpt, part: Range | None) -> dict[str, Any]:
    """Columns of their `Activation` table; of too long a sequence, the piece around its largest activation."""
    begin = max(0, int(excerpt.activations.argmax()) - LONGEST_SEQUENCE // 2)
    piece = slice(begin, begin + LONGEST_SEQUENCE)
    values = excerpt.activations[piece].tolist()
    return {
        "tokens": [text or "∅" for text in neuron.sequence(excerpt.tokens)[piece]],
        "values": values,
        "maxValue": max(values),
        "maxValueTokenIndex": values.index(max(values)),
        "minValue": min(values),
        "binMin": part.low if part else None,
        "binMax": part.high if part else None,
        "binContains": part.share if part else None,
    }


def _text(neuron: Neuron) -> str:
    return elide(neuron.record["explanation"], LONGEST_TEXT)


def _id(*parts: object) -> str:
    """25 characters, as their ids have; the same parts give the same."""
    return "c" + hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()[:24]
