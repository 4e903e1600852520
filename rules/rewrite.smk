# The model's loss with the neurons of a layer rewritten by their graphs: `snakemake rewrite --config layer=3`. Not part
# of `all`; but what has been rewritten stays up to date, and the atlas has a page about it.

REWRITE_FILES = ["rewrite.parquet", "rewrite_neurons.parquet"]
REWRITTEN = [
    layer
    for layer in sorted({layer for layer, _ in SELECTED})
    if os.path.exists(f"results/{RUN}/{layer}/rewrite.parquet")
]


def blocks_of(wildcards):
    """The selected blocks of a layer."""
    return [(layer, block) for layer, block in SELECTED if layer == int(wildcards.layer)]


def files_of_layer(*names):
    """Files of every selected block of the layer in the wildcards."""
    return lambda wildcards: [
        block_file(name).format(run=wildcards.run, layer=layer, block=block)
        for name in names
        for layer, block in blocks_of(wildcards)
    ]


def rewrite_target(wildcards):
    """The tables of the layers that the configuration names."""
    with exit_with_sentence():
        asked = layers_asked(config, SELECTED)
    return [f"results/{RUN}/{layer}/{name}" for layer in asked for name in REWRITE_FILES]


# Only the layers given with --config layer=3.
rule rewrite:
    input:
        rewrite_target,


rule rewrite_layer:
    input:
        checkpoint=CHECKPOINT,
        corpus=[
            run_file(f"corpus/{name}")
            for name in (
                *("tokens.npy", "corpus.json", "documents.parquet"),
                *("positions.npy", "counts.npy"),
            )
        ],
        observations=files_of_layer(*ACTIVATION_FILES),
        graphs=files_of_layer("graph.jsonl"),
    output:
        [run_file(f"{{layer}}/{name}") for name in REWRITE_FILES],
    log:
        run_file("logs/rewrite_layer/{layer}.log"),
    benchmark:
        run_file("benchmarks/rewrite_layer/{layer}.tsv")
    conda:
        "../envs/model.yaml"
    threads: CORES.of_pass
    resources:
        gpu=1,
    params:
        script=script("rewrite"),
        run=lambda wildcards: f"results/{wildcards.run}",
        blocks=lambda wildcards: name_blocks(blocks_of(wildcards)),
        settings=FITTING_SETTINGS,
        options=f"{model_options()} {options(tokens='rewrite_tokens', seed='seed')}",
        code=code_digest("rewrite"),
        lock=lock_digest(),
    message:
        "Rewriting layer {wildcards.layer} by its graphs"
    shell:
        "N2G_THREADS=$N2G_ALL_THREADS python {params.script:q} --checkpoint {input.checkpoint:q}"
        " --run {params.run:q} --blocks {params.blocks} --corpus $(dirname {input.corpus[0]:q})"
        " --settings {params.settings:q} {params.options} --output $(dirname {output[0]:q}) > {log:q} 2>&1"
