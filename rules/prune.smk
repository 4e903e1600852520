# The shortest text before each example's pivot that preserves the activation.


rule prune:
    input:
        checkpoint=CHECKPOINT,
        units=UNITS,
        documents=run_file("corpus/documents.parquet"),
        tokens=run_file("corpus/tokens.npy"),
        observations=[block_file(name) for name in ACTIVATION_FILES],
    output:
        block_file("prune.parquet"),
    log:
        block_log("prune"),
    benchmark:
        block_benchmark("prune")
    conda:
        "../envs/model.yaml"
    resources:
        gpu=1,
    params:
        script=script("prune"),
        settings=method_settings(
            "firing_threshold",
            "keep",
            "train_examples",
            "top_examples",
            "max_context",
            "prefixes",
            "prefix_length",
            "paper_share",
        ),
        options=model_options(),
        code=code_digest("prune"),
        lock=lock_digest(),
    message:
        f"Pruning the examples of layer {{wildcards.layer}}, {KIND} {{wildcards.block}}"
    shell:
        "python {params.script:q} --checkpoint {input.checkpoint:q} --corpus $(dirname {input.tokens:q})"
        " --block $(dirname {output:q}) --layer {wildcards.layer} --settings {params.settings:q} {params.options}"
        " --output {output:q} > {log:q} 2>&1"
