"""The report, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from measure import Comparison, Growth, Results
from meter import Share
from notes import Job, Overhead, course
from pages import Site
from workload import BLOCK_STAGES, Measured, Run


def write(run: Run, results: Results) -> str:
    """The whole report."""
    parts = [
        "# Benchmarks",
        f"Written by `make bench` in {results.seconds / 60:.1f} minutes. Everything was measured in this one run, "
        "except where it says that Snakemake noted it when the atlas was made.",
        table(["", ""], [*results.facts.items(), *gpu(results.stages, results.growth).items()]),
        f"Model: {run.config['model']['name']}, layers {run.config['layers']} of {run.model.n_layers}, "
        f"{run.model.d_mlp} neurons each.",
        *stages(results.stages),
        *throughput(results.stages),
        *published(results.comparisons),
        *growth(results.growth),
        *noted(run, results.jobs),
        *overhead(run, results.jobs, results.overhead),
        *site(results.sites),
    ]
    return "\n\n".join(parts) + "\n"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; all columns but the first to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def gpu(stages: Sequence[Measured], grown: Sequence[Growth]) -> Mapping[str, str]:
    """What the GPU held and how busy it was. The largest block tells the latter, as no bare model runs beside it."""
    most: dict[str, int] = {}
    for one in (*stages, *(one.measured for one in grown)):
        most[one.stage] = max(one.memory, most.get(one.stage, 0))
    names = "GPU memory", "GPU utilisation"
    if not any(most.values()):
        return dict.fromkeys(names, "not measured: no GPU")
    held = ", ".join(f"{stage} {memory / 2**20:,.0f} MiB" for stage, memory in most.items())
    last = max(grown, key=lambda one: one.size)
    busy = (
        "not measured: nvidia-smi does not tell"
        if last.busy is None
        else f"{last.busy:.0f} %, told by nvidia-smi during {', '.join(BLOCK_STAGES)} of {last.size} neurons"
    )
    return dict(zip(names, (f"tensors held at most: {held}", busy), strict=True))


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
        f"The scripts of the workflow ran on {block[0].neurons} neurons of each layer, evenly chosen from its largest "
        "block; loading the model is not counted. Each stage does its work for both methods. Tokens are those that "
        "went through the model, padding included.",
        f"Seconds per neuron (mean over the layers: {average:.2f}):",
        table(head, rows["seconds"]),
        "Model tokens per neuron:",
        table(head, rows["tokens"]),
        "Two stages serve all neurons at once; they ran for these blocks on a part of the texts and of the vocabulary:",
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
        if one.tokens
    ]
    middle = median(one.share.median for one in found if one.share)
    whole = sum(one.bare for one in found) / sum(one.engine for one in found)
    return [
        "## The engine beside the bare model",
        "After every forward pass of the engine the Hugging Face model's decoder did one of the same shape "
        "[batch, length], with the same number format, stopped behind the same layer and without unembedding. The "
        "share is the bare model's seconds divided by the engine's, where all that the engine does between two passes "
        "counts: packing, picking keys and values, reading the answers. Passes are cut into five parts in "
        "their order; median, least and greatest of these are given. The engine's passes also attend to the keys and "
        "values of prefixes, which the bare model's do not have. So *prompt tokens* tells how many tokens of "
        "prompts, as they stand, are answered in a second.",
        f"Of all passes together the share is **{whole:.2f}**; the median of the rows below is {middle:.2f}.",
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


def published(found: Sequence[Comparison]) -> list[str]:
    """The published procedure's cost."""
    title = "## Against the procedure as published"
    if not found:
        return [title, "Not measured: none of the neurons fires."]
    rows = [
        [
            one.layer,
            f"{one.published:.1f}",
            f"{one.published_prompts:,.0f}",
            f"{one.paper:.2f}",
            f"{one.paper_prompts:,.0f}",
            f"{one.both:.2f}",
            f"{one.published / one.paper:.0f}",
            f"{one.published / one.both:.0f}",
        ]
        for one in found
    ]
    ratios = [one.published / one.paper for one in found]
    head = [
        "Layer",
        "published: seconds",
        "prompts",
        "method paper: seconds",
        "prompts",
        "both methods: seconds",
    ]
    return [
        title,
        "The published code was written anew in its plainest form: one prompt at a time through the whole model with "
        "its unembedding, every hook cached; endings of 5, 10, … 30 tokens; one mask at a time; five substitutes, one "
        "at a time, for each important token (from the embedding matrix; naming them is not counted). It ran on only "
        f"{' + '.join(str(one.examples) for one in found)} examples of the neurons measured above, and its cost was "
        "scaled to all examples of a neuron. Beside it is what prune, saliency and augment take here for the same "
        "method, and for both methods. The published code begins with known examples, so activations and sweep are "
        "left out. All figures are per neuron.",
        f"The same method is **{median(ratios):.0f} times** faster here (median of the layers; {min(ratios):.0f} to "
        f"{max(ratios):.0f}).",
        table([*head, "times faster", "with both"], rows),
    ]


def growth(found: Sequence[Growth]) -> list[str]:
    """The cost of more neurons."""
    sizes = sorted({one.size for one in found})
    rows = []
    for size in sizes:
        some = [one.measured for one in found if one.size == size]
        neurons = sum(one.neurons for one in some if one.stage == BLOCK_STAGES[0])
        each = [sum(one.seconds for one in some if one.stage == name) / neurons for name in BLOCK_STAGES]
        tokens = sum(one.tokens for one in some) / neurons
        seconds = (f"{value:.2f}" for value in (*each, sum(each)))
        rows.append([f"{size / sizes[0]:.0f}×", size, *seconds, f"{tokens:,.0f}"])
    return [
        "## More neurons",
        f"The same {sizes[-1]} neurons of the largest block of layer {found[0].measured.layer}, in blocks of different "
        "size. Seconds and model tokens are per neuron:",
        table(["", "neurons of a block", *BLOCK_STAGES, "together", "model tokens"], rows),
    ]


def noted(run: Run, jobs: Sequence[Job]) -> list[str]:
    """Seconds and memory of the run's own jobs."""
    neurons = selected(run)
    rows = []
    for stage in dict.fromkeys(job.stage for job in sorted(jobs, key=lambda job: job.end)):
        some = [job for job in jobs if job.stage == stage]
        seconds = sum(job.seconds for job in some)
        known = [job.memory for job in some if job.memory is not None]
        most = f"{max(known):,.0f}" if known else "–"
        rows.append([stage, len(some), f"{seconds:.0f}", f"{seconds / neurons:.2f}", most])
    seconds = sum(job.seconds for job in jobs)
    most = f"{max(job.memory or 0 for job in jobs):,.0f}"
    rows.append(["together", len(jobs), f"{seconds:.0f}", f"{seconds / neurons:.2f}", most])
    return [
        "## Time and peak memory of the run itself",
        f"What Snakemake noted when the atlas of these {neurons} neurons was made: seconds with the start of each "
        "program, and the most memory that a job held (`max_rss`).",
        table(["Stage", "jobs", "seconds", "a neuron", "MiB"], rows),
    ]


def selected(run: Run) -> int:
    """Neurons in all blocks of the run."""
    return sum(len(block.neurons) for _, block in run.selected)


def overhead(run: Run, jobs: Sequence[Job], cost: Overhead) -> list[str]:
    """What is no work, as a share of the wall time."""
    known = course(jobs)
    total = sum(job.seconds for job in jobs)
    busy, between = (known.busy, known.between) if known else (total, 0.0)
    beside = total / busy  # jobs at once, on average
    started = [job for job in jobs if job.stage in cost.starts]

    def share(count: int, starts: float, work: float) -> str:
        idle = cost.planning + between * count
        return f"{100 * (idle + starts / beside) / (idle + (starts + work) / beside):.1f} %"

    starts = sum(cost.starts[job.stage] for job in started)
    here = share(len(jobs), starts, total - starts)
    of_block = {job.stage for job in started if job.layer is not None}
    once = [job for job in started if job.stage not in of_block]
    work = sum(job.seconds - cost.starts[job.stage] for job in started if job.stage in of_block) / selected(
        run
    )
    blocks = -(-run.model.d_mlp // run.config["block_size"])
    layer = share(
        blocks * len(of_block) + len(once),
        blocks * sum(cost.starts[stage] for stage in of_block) + sum(cost.starts[job.stage] for job in once),
        work * run.model.d_mlp + sum(job.seconds - cost.starts[job.stage] for job in once),
    )
    order = (
        f"The jobs took {busy:.0f} s of wall time, {beside:.1f} at once on average."
        if known
        else "The dates of the files do not tell how the jobs followed each other; one after the other is assumed."
    )
    return [
        "## Snakemake and start-up",
        "A dry run of the whole workflow was timed now, and so was the start of each stage's program: the imports and, "
        f"where it needs the model, loading it. The rest is from the table above. {order}",
        table(
            ["", "seconds"],
            [
                ["Snakemake, until the first job", f"{cost.planning:.1f}"],
                ["Snakemake, between two jobs (median)", f"{between:.2f}" if known else "–"],
                *([f"Start of {stage}", f"{value:.1f}"] for stage, value in sorted(cost.starts.items())),
            ],
        ),
        f"Of the wall time of this run, {here} was Snakemake and start-up. Of a whole layer ({run.model.d_mlp} neurons "
        f"in {blocks} blocks, with the mean work of these {selected(run)} neurons) it would be **{layer}**.",
    ]


def site(found: Sequence[Site]) -> list[str]:
    """The cost of the site's pages."""
    small, large = found
    slope = (large.seconds - small.seconds) / (large.pages - small.pages)
    rows = [
        [one.pages, f"{one.seconds:.1f}", f"{one.memory:,.0f}", f"{one.disk / 1e6:,.1f}"] for one in found
    ]
    return [
        "## The site",
        "The site was built with every record of these largest blocks, and with copies of them under new numbers.",
        table(["Neuron pages", "seconds", "MiB of memory", "MB on disk"], rows),
        f"1,000 more pages take **{1000 * slope:.1f} s**.",
    ]
