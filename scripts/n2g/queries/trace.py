"""`python -m n2g trace`: the neurons that a prediction of the model goes through, with their graphs."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from n2g.errors import InputError
from n2g.files.atomic import write_bytes
from n2g.ids import NeuronId
from n2g.model.checkpoint import DESCRIPTION, Description, read_description
from n2g.queries.atlas import Atlas, load_atlas
from n2g.trace.neurons import strongest
from n2g.trace.page import page
from n2g.trace.question import ATTRIBUTIONS, ask
from n2g.trace.report import report
from n2g.workflow.device_options import add_device_options

TOP = 20


def add_trace_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("prompt", help="the text whose next token is predicted")
    parser.add_argument("--target", help='the next token, such as " river"; the likeliest by default')
    parser.add_argument("--against", help="trace the logit of the target less that of this token")
    parser.add_argument(
        "--attribution", choices=ATTRIBUTIONS, default=ATTRIBUTIONS[0], help="how derivatives are taken"
    )
    parser.add_argument("--top", type=int, default=TOP, help=f"number of neurons (default: {TOP})")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--described", action="store_true", help="only neurons of the run")
    only.add_argument("--neuron", action="append", help="only this neuron, such as L3.N42; may be repeated")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page to this file, too")
    parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON")
    parser.add_argument(
        "--checkpoint", type=Path, help="the model's checkpoint.json, if it is not in resources/"
    )
    add_device_options(parser)


def trace(run: str | Path, given: argparse.Namespace) -> dict[str, Any]:
    """The answer, in the form of `n2g.trace.report.report`. Writes the page that is asked for.

    Raises:
        InputError: there is no such run or model, or the question is none that the model can answer.
    """
    # PyTorch takes seconds to import, and no other command needs it.
    from n2g.trace.attribution import attribute
    from n2g.workflow.model_options import open_engine

    if given.top < 1:
        raise InputError(f"--top {given.top} is no number of neurons: write 1 or more.")
    origin = load_atlas(run).origin
    checkpoint = given.checkpoint or origin.checkpoint()
    checkpoint = checkpoint / DESCRIPTION if checkpoint.is_dir() else checkpoint
    atlas = Atlas(origin, given.tokenizer or checkpoint.with_name("tokenizer.json"))
    if atlas.names()[0].letter != "N":
        raise InputError(f"{run} describes latents, and trace knows neurons only: name a run of neurons.")
    model = read_description(checkpoint)
    among = _named(given.neuron or (), model)
    question = ask(atlas.tokenise, origin.bos(), model.n_ctx, given.prompt, given.target, given.against)
    engine = open_engine(
        argparse.Namespace(**vars(given) | {"checkpoint": checkpoint}),
        [model.n_layers - 1],
        [0],
    )
    found = attribute(engine, question.tokens, question.target, question.against, given.attribution)
    known = set(atlas.names())

    def record(neuron: NeuronId) -> Mapping[str, Any] | None:
        return origin.record(neuron) if neuron in known else None

    question = replace(question, target=found.target)
    neurons = strongest(found, given.top, among or (_pairs(known) if given.described else None))
    answer = report(found, question, given.attribution, neurons, atlas.words, record)
    if given.html:
        described = (one["neuron"] for one in answer["neurons"] if one["graph"])
        pictures = {name: origin.picture(NeuronId.parse(name)) for name in described}
        write_bytes(given.html, page(answer, pictures).encode())
    return answer


def _named(names: Iterable[str], model: Description) -> set[tuple[int, int]]:
    neurons = [NeuronId.parse(name) for name in names]
    for neuron in neurons:
        if neuron.layer >= model.n_layers or neuron.neuron >= model.d_mlp:
            raise InputError(
                f"--neuron {neuron} does not exist in this model: choose from L0.N0 to "
                f"L{model.n_layers - 1}.N{model.d_mlp - 1}."
            )
    return _pairs(neurons)


def _pairs(neurons: Iterable[NeuronId]) -> set[tuple[int, int]]:
    return {(neuron.layer, neuron.neuron) for neuron in neurons}
