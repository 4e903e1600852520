# The model's loss with the neurons of a layer rewritten by their graphs: `snakemake rewrite --config layer=3`. Not part
# of `all`; but what has been rewritten stays up to date, and the atlas has a page about it.

REWRITTEN = tables_made(Path("results") / RUN, SELECTED)


# Only the layers given with --config layer=3.
rule rewrite:
    input:
        lambda wildcards: tables_asked(Path("results") / RUN, config, SELECTED),


rule rewrite_layer:
    input:
        checkpoint=CHECKPOINT,
        units=UNITS,
        tokens=run_file("corpus/tokens.npy"),
        documents=run_file("corpus/documents.parquet"),
        places=[run_file("corpus/positions.npy"), run_file("corpus/counts.npy")],
        blocks=lambda wildcards: layer_files(
            wildcards.run, of_layer(SELECTED, wildcards.layer), [*ACTIVATION_FILES, "graph.jsonl"]
        ),
    output:
        rewrite=run_file("{layer}/rewrite.parquet"),
        neurons=run_file("{layer}/rewrite_neurons.parquet"),
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
        blocks=lambda wildcards: name_blocks(of_layer(SELECTED, wildcards.layer)),
        settings=FITTING_SETTINGS,
        options=f"{model_options()} {options(tokens='rewrite_tokens', seed='seed')}",
        code=code_digest("rewrite"),
        lock=lock_digest(),
    message:
        "Rewriting layer {wildcards.layer} by its graphs"
    shell:
        "N2G_THREADS=$N2G_ALL_THREADS python {params.script:q} --checkpoint {input.checkpoint:q}"
        " --run {params.run:q} --blocks {params.blocks} --corpus $(dirname {input.tokens:q})"
        " --settings {params.settings:q} {params.options} --output $(dirname {output.rewrite:q}) > {log:q} 2>&1"
