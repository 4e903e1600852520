# Every token of the vocabulary after neutral text: all selected neurons at once, as in the pass over the corpus.

SWEEP_COMMAND = (
    "N2G_THREADS=$N2G_ALL_THREADS python {params.script:q} --checkpoint {input.checkpoint:q}"
    " --corpus $(dirname {input.tokens:q})"
    " --blocks {params.blocks} --settings {params.settings:q} {params.options} --output {params.root:q}"
    " > {log:q} 2>&1"
)
SWEEP_SETTINGS = method_settings("prefixes", "prefix_length", "alone")


ruleorder: sweep > sweep_of_block


rule sweep:
    input:
        checkpoint=CHECKPOINT,
        tokens=run_file("corpus/tokens.npy"),
        documents=run_file("corpus/documents.parquet"),
        observations=[path for name in ACTIVATION_FILES for path in all_blocks(name)],
    output:
        all_blocks("sweep.parquet"),
    log:
        run_log("sweep"),
    benchmark:
        run_benchmark("sweep")
    wildcard_constraints:
        run=re.escape(RUN),
    conda:
        "../envs/model.yaml"
    threads: CORES or 1
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
        "Asking for every token of the vocabulary"
    shell:
        SWEEP_COMMAND


rule sweep_of_block:
    input:
        checkpoint=CHECKPOINT,
        tokens=run_file("corpus/tokens.npy"),
        documents=run_file("corpus/documents.parquet"),
        observations=[block_file(name) for name in ACTIVATION_FILES],
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
        "Asking for every token of the vocabulary for layer {wildcards.layer}, neurons {wildcards.block}"
    shell:
        SWEEP_COMMAND
