# One pass over the corpus for all selected blocks together, or a few, each for some of the layers. Any other block,
# such as a single neuron, makes its own.

ACTIVATION_FILES = [
    "statistics.parquet",
    "firings.parquet",
    "examples.parquet",
    "background.parquet",
    "pools.safetensors",
]


# rule activations (activations_1, activations_2, ... for several passes); activations_recomputed; activations_of_block
for part in [*PARTS, ANY_BLOCK]:

    rule:
        name:
            part.rule("activations")
        input:
            checkpoint=CHECKPOINT,
            units=UNITS,
            tokens=part.file("corpus/tokens.npy"),
            documents=part.file("corpus/documents.parquet"),
        output:
            part.files(*ACTIVATION_FILES),
        log:
            part.log("activations"),
        benchmark:
            part.benchmark("activations")
        conda:
            "../envs/model.yaml"
        threads: part.threads
        resources:
            gpu=1,
        params:
            script=script("activations"),
            blocks=block_names,
            options=f"--poles {','.join(config['poles'])} {model_options()}",
            root=run_folder,
            code=code_digest("activations"),
            lock=lock_digest(),
        message:
            f"Running the model over the corpus{part.where}"
        shell:
            "N2G_THREADS=$N2G_ALL_THREADS python {params.script:q} --checkpoint {input.checkpoint:q}"
            " --corpus $(dirname {input.tokens:q})"
            " --blocks {params.blocks} {params.options} --output {params.root:q} > {log:q} 2>&1"
