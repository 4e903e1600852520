# Every token of the vocabulary after neutral text: all selected neurons at once, as in the pass over the corpus.

SWEEP_COMMAND = (
    "N2G_THREADS=$N2G_ALL_THREADS python {params.script:q} --checkpoint {input.checkpoint:q}"
    " --corpus $(dirname {input.tokens:q}) --maxima {input.maxima:q}"
    " --blocks {params.blocks} --settings {params.settings:q} {params.options} --output {params.root:q}"
    " > {log:q} 2>&1"
)
SWEEP_SETTINGS = method_settings("prefixes", "prefix_length", "alone")


# What the sweep needs of all blocks, in one small file: Snakemake notes and hashes all of a job's inputs for each of
# its outputs, and would run the sweep again when layers are split differently.
for part in WHOLE:

    rule:
        name:
            part.rule("maxima")
        input:
            part.files("statistics.parquet"),
        output:
            part.file("maxima.parquet"),
        log:
            part.log("maxima"),
        benchmark:
            part.benchmark("maxima")
        conda:
            "../envs/graph.yaml"
        params:
            script=script("maxima"),
            blocks=name_blocks(part.blocks),
            code=code_digest("maxima"),
            lock=lock_digest(),
        message:
            "Collecting the maximum activations"
        shell:
            "python {params.script:q} --run $(dirname {output:q}) --blocks {params.blocks} --output {output:q}"
            " > {log:q} 2>&1"


for part in PARTS:

    rule:
        name:
            part.rule("sweep")
        input:
            checkpoint=CHECKPOINT,
            tokens=part.file("corpus/tokens.npy"),
            documents=part.file("corpus/documents.parquet"),
            maxima=part.file("maxima.parquet"),
        output:
            part.files("sweep.parquet"),
        log:
            part.log("sweep"),
        benchmark:
            part.benchmark("sweep")
        conda:
            "../envs/model.yaml"
        threads: PASS_THREADS
        resources:
            gpu=1,
        params:
            script=script("sweep"),
            blocks=block_names,
            settings=SWEEP_SETTINGS,
            options=model_options(),
            root=run_folder,
            code=code_digest("sweep"),
            lock=lock_digest(),
        message:
            "Sweeping the vocabulary"
        shell:
            SWEEP_COMMAND


rule sweep_of_block:
    input:
        checkpoint=CHECKPOINT,
        tokens=run_file("corpus/tokens.npy"),
        documents=run_file("corpus/documents.parquet"),
        maxima=block_file("statistics.parquet"),
    output:
        block_file("sweep.parquet"),
    log:
        block_log("sweep"),
    benchmark:
        block_benchmark("sweep")
    conda:
        "../envs/model.yaml"
    resources:
        gpu=1,
    params:
        script=script("sweep"),
        blocks=block_names,
        settings=SWEEP_SETTINGS,
        options=model_options(),
        root=run_folder,
        code=code_digest("sweep"),
        lock=lock_digest(),
    message:
        "Sweeping the vocabulary for layer {wildcards.layer}, neurons {wildcards.block}"
    shell:
        SWEEP_COMMAND
