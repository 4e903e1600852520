# Which tokens of the pruned examples matter, one at a time and jointly.


rule saliency:
    input:
        checkpoint=CHECKPOINT,
        units=UNITS,
        documents=run_file("corpus/documents.parquet"),
        tokens=run_file("corpus/tokens.npy"),
        observations=[block_file(name) for name in ACTIVATION_FILES],
        pruned=block_file("prune.parquet"),
    output:
        block_file("saliency.parquet"),
    log:
        block_log("saliency"),
    benchmark:
        block_benchmark("saliency")
    conda:
        "../envs/model.yaml"
    resources:
        gpu=1,
    params:
        script=script("saliency"),
        settings=method_settings(
            "importance_threshold",
            "keep",
            "max_context",
            "prefixes",
            "prefix_length",
            "gaps",
            "paper_share",
        ),
        options=model_options(),
        code=code_digest("saliency"),
        lock=lock_digest(),
    message:
        f"Measuring saliency for layer {{wildcards.layer}}, {KIND} {{wildcards.block}}"
    shell:
        "python {params.script:q} --checkpoint {input.checkpoint:q} --corpus $(dirname {input.tokens:q})"
        " --block $(dirname {output:q}) --layer {wildcards.layer} --settings {params.settings:q} {params.options}"
        " --output {output:q} > {log:q} 2>&1"
