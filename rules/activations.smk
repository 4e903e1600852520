# One pass over the corpus for all selected blocks together. Any other block, such as a single neuron, makes its own.

ACTIVATION_FILES = [
    "statistics.parquet",
    "firings.parquet",
    "examples.parquet",
    "background.parquet",
    "pools.safetensors",
]
ACTIVATION_COMMAND = (
    "N2G_THREADS=$N2G_ALL_THREADS python {params.script:q} --checkpoint {input.checkpoint:q}"
    " --corpus $(dirname {input.tokens:q})"
    " --blocks {params.blocks} {params.options} --output {params.root:q} > {log:q} 2>&1"
)


ruleorder: activations > activations_of_block


rule activations:
    input:
        checkpoint=CHECKPOINT,
        tokens=run_file("corpus/tokens.npy"),
        documents=run_file("corpus/documents.parquet"),
    output:
        [path for name in ACTIVATION_FILES for path in all_blocks(name)],
    log:
        run_log("activations"),
    benchmark:
        run_benchmark("activations")
    wildcard_constraints:
        run=re.escape(RUN),
    conda:
        "../envs/model.yaml"
    threads: CORES or 1
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
        "Running the texts through the model"
    shell:
        ACTIVATION_COMMAND


rule activations_of_block:
    input:
        checkpoint=CHECKPOINT,
        tokens=run_file("corpus/tokens.npy"),
        documents=run_file("corpus/documents.parquet"),
    output:
        [block_file(name) for name in ACTIVATION_FILES],
    log:
        block_log("activations"),
    benchmark:
        block_benchmark("activations")
    conda:
        "../envs/model.yaml"
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
        "Running the texts through the model for layer {wildcards.layer}, neurons {wildcards.block}"
    shell:
        ACTIVATION_COMMAND
