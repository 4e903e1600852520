# Promoted, suppressed and input-aligned tokens, and upstream and downstream neurons, from the weights alone: all
# selected blocks at once.

LOGITS_FILES = ("logits.parquet", "connections.parquet")
LOGITS_COMMAND = (
    "python {params.script:q} --checkpoint {input.checkpoint:q} --blocks {params.blocks} --poles {params.poles}"
    " --output {params.root:q} > {log:q} 2>&1"
)


for part in WHOLE:

    rule:
        name:
            part.rule("logits")
        input:
            checkpoint=CHECKPOINT,
        output:
            part.files(*LOGITS_FILES),
        log:
            part.log("logits"),
        benchmark:
            part.benchmark("logits")
        conda:
            "../envs/model.yaml"
        params:
            script=script("logits"),
            blocks=block_names,
            poles=",".join(config["poles"]),
            root=run_folder,
            code=code_digest("logits"),
            lock=lock_digest(),
        message:
            "Reading the weights"
        shell:
            LOGITS_COMMAND


rule logits_of_block:
    input:
        checkpoint=CHECKPOINT,
    output:
        [block_file(name) for name in LOGITS_FILES],
    log:
        block_log("logits"),
    benchmark:
        block_benchmark("logits")
    conda:
        "../envs/model.yaml"
    params:
        script=script("logits"),
        blocks=block_names,
        poles=",".join(config["poles"]),
        root=run_folder,
        code=code_digest("logits"),
        lock=lock_digest(),
    message:
        "Reading the weights of layer {wildcards.layer}, neurons {wildcards.block}"
    shell:
        LOGITS_COMMAND
