# Substitutes for the important tokens, each tested on the neuron.


rule augment:
    input:
        checkpoint=CHECKPOINT,
        units=UNITS,
        documents=run_file("corpus/documents.parquet"),
        tokens=run_file("corpus/tokens.npy"),
        observations=[block_file(name) for name in ACTIVATION_FILES],
        salient=block_file("saliency.parquet"),
    output:
        block_file("augment.parquet"),
    log:
        block_log("augment"),
    benchmark:
        block_benchmark("augment")
    conda:
        "../envs/model.yaml"
    resources:
        gpu=1,
    params:
        script=script("augment"),
        settings=method_settings(
            "firing_threshold",
            "prefixes",
            "prefix_length",
            "substitutes",
            "candidates",
            "paper_share",
        ),
        options=f"{model_options()} {options(proposer='proposer', masked_lm='masked_lm')}",
        masked=state_of_folder(config["masked_lm"]),
        code=code_digest("augment"),
        lock=lock_digest(),
    message:
        f"Testing substitutes for layer {{wildcards.layer}}, {KIND} {{wildcards.block}}"
    shell:
        "python {params.script:q} --checkpoint {input.checkpoint:q} --corpus $(dirname {input.tokens:q})"
        " --block $(dirname {output:q}) --layer {wildcards.layer} --settings {params.settings:q} {params.options}"
        " --output {output:q} > {log:q} 2>&1"
