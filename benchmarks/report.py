"""The report, in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from measure import Results
from meter import Share
from workload import BLOCK_STAGES, Measured, Run


def write(run: Run, results: Results) -> str:
    """The whole report."""
    parts = [
        "# Benchmarks",
        f"Written by `make bench` in {results.seconds / 60:.1f} minutes. Everything was measured in this one run, "
        "except where it says that Snakemake noted it when the atlas was made.",
        table(["", ""], [[name, fact] for name, fact in results.facts.items()]),
        f"Model: {run.config['model']['name']}, layers {run.config['layers']} of {run.model.n_layers}, "
        f"{run.model.d_mlp} neurons each.",
        *stages(results.stages),
        *throughput(results.stages),
    ]
    return "\n\n".join(parts) + "\n"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; all columns but the first to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def stages(found: Sequence[Measured]) -> list[str]:
    """Seconds and tokens a neuron, by layer and stage."""
    block = [one for one in found if one.layer is not None]
    layers = sorted({one.layer for one in block})
    head = ["Layer", *BLOCK_STAGES, "together"]
    rows = {"seconds": [], "tokens": []}
    for layer in layers:
        ones = [one for name in BLOCK_STAGES for one in block if (one.layer, one.stage) == (layer, name)]
        seconds = [one.seconds / one.neurons for one in ones]
        tokens = [one.tokens / one.neurons for one in ones]
        rows["seconds"].append([layer, *(f"{value:.2f}" for value in [*seconds, sum(seconds)])])
        rows["tokens"].append([layer, *(f"{value:,.0f}" for value in [*tokens, sum(tokens)])])
    average = sum(one.seconds / one.neurons for one in block) / len(layers)
    whole = [
        [one.stage, f"{one.tokens:,}", f"{one.seconds:.1f}", f"{one.tokens / one.seconds:,.0f}"]
        for one in found
        if one.layer is None
    ]
    return [
        "## Seconds and model tokens per neuron",
        f"The scripts of the workflow ran on {block[0].neurons} neurons of each layer, evenly chosen; loading the "
        "model is not counted. Each stage does its work for both methods. Tokens are those that went through the model, "
        "padding included.",
        f"Seconds per neuron (mean over the layers: {average:.2f}):",
        table(head, rows["seconds"]),
        "Model tokens per neuron:",
        table(head, rows["tokens"]),
        "Two stages serve all neurons at once; they ran on a part of the texts and of the vocabulary:",
        table(["Stage", "model tokens", "seconds", "tokens a second"], whole),
    ]


def throughput(found: Sequence[Measured]) -> list[str]:
    """The engine beside the bare model."""
    if not any(one.share for one in found):
        return ["## The engine beside the bare model", "Not measured: this model is none of Hugging Face's."]
    rows = [
        [
            one.stage,
            "all" if one.layer is None else one.layer,
            f"{one.tokens / one.engine:,.0f}",
            f"{one.prompt_tokens / one.engine:,.0f}",
            f"{100 * one.engine / one.seconds:.0f} %",
            *spread(one.share),
        ]
        for one in found
    ]
    middle = median(one.share.median for one in found if one.share)
    return [
        "## The engine beside the bare model",
        "After every forward pass of the engine the Hugging Face model's decoder did one of the same shape "
        "[batch, length], with the same number format, stopped behind the same layer and without unembedding. The "
        "share is the bare model's seconds divided by the engine's, where all that the engine does between two passes "
        "counts: packing, picking keys and values, reading the answers. Passes are cut into five parts in "
        "their order; median, least and greatest of these are given. The engine's passes also attend to the keys and "
        "values of prefixes, which the bare model's do not have. So *prompt tokens* tells how many tokens of "
        "prompts, as they stand, are answered in a second.",
        f"Median of the shares: **{middle:.2f}**.",
        table(
            [
                "Stage",
                "layer",
                "tokens a second",
                "prompt tokens a second",
                "engine's part",
                "share",
                "least",
                "most",
            ],
            rows,
        ),
    ]


def spread(share: Share | None) -> list[str]:
    """Median, least and greatest."""
    return [f"{value:.2f}" for value in (share.median, share.low, share.high)] if share else ["–"] * 3
