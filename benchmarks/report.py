"""The report, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from measure import Comparison, Growth, Results
from meter import Ratio
from notes import Job, Overhead, course
from pages import Site
from workload import BLOCK_STAGES, Measured, Run


def write(run: Run, results: Results) -> str:
    """The whole report."""
    parts = [
        "# Benchmarks",
        f"Written by `make bench` in {results.seconds / 60:.1f} minutes. Everything was measured in this one run, "
        "except where the figures are those that Snakemake recorded when the atlas was built.",
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
    """A Markdown table; all columns but the first are right-aligned."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def gpu(stages: Sequence[Measured], grown: Sequence[Growth]) -> Mapping[str, str]:
    """GPU memory and utilisation. The latter is taken from the largest block, as no bare model runs alongside it."""
    most: dict[str, int] = {}
    for one in (*stages, *(one.measured for one in grown)):
        most[one.stage] = max(one.memory, most.get(one.stage, 0))
    names = "GPU memory", "GPU utilisation"
    if not any(most.values()):
        return dict.fromkeys(names, "not measured: no GPU")
    held = ", ".join(f"{stage} {memory / 2**20:,.0f} MiB" for stage, memory in most.items())
    last = max(grown, key=lambda one: one.size)
    busy = (
        "not measured: nvidia-smi does not report it"
        if last.busy is None
        else f"{last.busy:.0f} %, reported by nvidia-smi during {', '.join(BLOCK_STAGES)} of {last.size} neurons"
    )
    return dict(zip(names, (f"peak tensor memory: {held}", busy), strict=True))


def stages(found: Sequence[Measured]) -> list[str]:
    """Seconds and tokens per neuron, by layer and stage."""
    block = [one for one in found if one.layer is not None]
    layers = sorted({one.layer for one in block})
    head = ["Layer", *BLOCK_STAGES, "total"]
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
        f"The scripts of the workflow ran on {block[0].neurons} neurons per layer, evenly sampled from its largest "
        "block; loading the model is excluded. Each stage works for both methods. Tokens are those that went through "
        "the model, padding included.",
        f"Seconds per neuron (mean over the layers: {average:.2f}):",
        table(head, rows["seconds"]),
        "Model tokens per neuron:",
        table(head, rows["tokens"]),
        "Two stages serve all neurons at once; they ran for these blocks on a subset of the texts and of the "
        "vocabulary:",
        table(["Stage", "model tokens", "seconds", "tokens per second"], whole),
    ]


def throughput(found: Sequence[Measured]) -> list[str]:
    """The engine against the bare model."""
    if not any(one.ratio for one in found):
        return [
            "## The engine against the bare model",
            "Not measured: this model is not a Hugging Face model.",
        ]
    rows = [
        [
            one.stage,
            "all" if one.layer is None else one.layer,
            f"{one.tokens / one.engine:,.0f}",
            f"{one.prompt_tokens / one.engine:,.0f}",
            f"{100 * one.engine / one.seconds:.0f} %",
            *spread(one.ratio),
        ]
        for one in found
        if one.tokens
    ]
    middle = median(one.ratio.median for one in found if one.ratio)
    whole = sum(one.bare for one in found) / sum(one.engine for one in found)
    return [
        "## The engine against the bare model",
        "After every forward pass of the engine, the decoder of the Hugging Face model ran one of the same shape "
        "[batch, length] in the same number format, stopped after the same layer and without unembedding. The ratio "
        "is the bare model's seconds divided by the engine's, which include everything the engine does between two "
        "passes: packing, selecting keys and values, reading the answers. The passes are divided into five "
        "consecutive parts, of which the median, minimum and maximum are given. The engine's passes also attend to the "
        "keys and values of prefixes, which the bare model's passes lack; *prompt tokens* therefore counts the tokens "
        "of complete prompts answered per second.",
        f"Over all passes the ratio is **{whole:.2f}**; the median of the rows below is {middle:.2f}.",
        table(
            [
                "Stage",
                "layer",
                "tokens per second",
                "prompt tokens per second",
                "time in the engine",
                "ratio",
                "min",
                "max",
            ],
            rows,
        ),
    ]


def spread(ratio: Ratio | None) -> list[str]:
    """Median, minimum and maximum."""
    return [f"{value:.2f}" for value in (ratio.median, ratio.low, ratio.high)] if ratio else ["–"] * 3


def published(found: Sequence[Comparison]) -> list[str]:
    """The cost of the published procedure."""
    title = "## Against the published procedure"
    if not found:
        return [title, "Not measured: no neuron fires."]
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
        "The published procedure was reimplemented in its plainest form: one prompt at a time through the whole model "
        "including the unembedding, with every hook cached; suffixes of 5, 10, … 30 tokens; one mask at a time; five "
        "substitutes, one at a time, for each important token (from the embedding matrix; the time to propose them is "
        f"excluded). It ran on only {' + '.join(str(one.examples) for one in found)} examples of the neurons measured "
        "above, and its cost was extrapolated to all examples of a neuron. Next to it is the cost of prune, saliency "
        "and augment here, for the same method and for both methods. The published code starts from given examples, so "
        "activations and sweep are excluded. All figures are per neuron.",
        f"The same method is **{median(ratios):.0f} times** as fast here (median over layers; {min(ratios):.0f} to "
        f"{max(ratios):.0f}).",
        table([*head, "speed-up", "with both"], rows),
    ]


def growth(found: Sequence[Growth]) -> list[str]:
    """The cost of larger blocks."""
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
        "## Larger blocks",
        f"The same {sizes[-1]} neurons of the largest block of layer {found[0].measured.layer}, in blocks of different "
        "sizes. Seconds and model tokens are per neuron:",
        table(["", "neurons per block", *BLOCK_STAGES, "total", "model tokens"], rows),
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
    rows.append(["total", len(jobs), f"{seconds:.0f}", f"{seconds / neurons:.2f}", most])
    return [
        "## Time and peak memory of the run itself",
        f"What Snakemake recorded when the atlas of these {neurons} neurons was built: seconds, including the start-up "
        "of each program, and the peak memory of a job (`max_rss`).",
        table(["Stage", "jobs", "seconds", "per neuron", "MiB"], rows),
    ]


def selected(run: Run) -> int:
    """Neurons in all blocks of the run."""
    return sum(len(block.neurons) for _, block in run.selected)


def overhead(run: Run, jobs: Sequence[Job], cost: Overhead) -> list[str]:
    """Planning and start-up, as a fraction of the wall time."""
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
        f"The jobs took {busy:.0f} s of wall time, with {beside:.1f} running at once on average."
        if known
        else "The timestamps of the files do not show how the jobs overlapped; they are assumed to have run one by one."
    )
    return [
        "## Snakemake and start-up",
        "A dry run of the whole workflow was timed for this report, as was the start-up of each stage's program: its "
        f"imports and, where needed, loading the model. The rest is from the table above. {order}",
        table(
            ["", "seconds"],
            [
                ["Snakemake, until the first job", f"{cost.planning:.1f}"],
                ["Snakemake, between two jobs (median)", f"{between:.2f}" if known else "–"],
                *([f"Start-up of {stage}", f"{value:.1f}"] for stage, value in sorted(cost.starts.items())),
            ],
        ),
        f"Snakemake and start-up took {here} of the wall time of this run. For a whole layer ({run.model.d_mlp} "
        f"neurons in {blocks} blocks, each neuron as costly as these {selected(run)} on average) it would be "
        f"**{layer}**.",
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
        "The site was built from every record of the largest block of each layer, and from renumbered copies of them.",
        table(["Neuron pages", "seconds", "peak memory, MiB", "MB on disk"], rows),
        f"1,000 additional pages take **{1000 * slope:.1f} s**.",
    ]
