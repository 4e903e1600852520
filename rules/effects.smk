# What each neuron does to the model's predictions where it fires, on held-out documents. Off with `effect_places: 0`.

EFFECTS = ["effects.parquet"] if config["effect_places"] else []


rule effects:
    input:
        checkpoint=CHECKPOINT,
        units=UNITS,
        tokens=run_file("corpus/tokens.npy"),
        documents=run_file("corpus/documents.parquet"),
        places=[run_file("corpus/positions.npy"), run_file("corpus/counts.npy")],
        observations=[block_file(name) for name in ACTIVATION_FILES],
        graphs=block_file("graph.jsonl"),
    output:
        block_file("effects.parquet"),
    log:
        block_log("effects"),
    benchmark:
        block_benchmark("effects")
    conda:
        "../envs/model.yaml"
    resources:
        gpu=1,
    params:
        script=script("effects"),
        settings=method_settings("firing_threshold"),
        options=f"{model_options()} {options(places='effect_places', seed='seed')}",
        code=code_digest("effects"),
        lock=lock_digest(),
    message:
        f"Measuring what {KIND} do: layer {{wildcards.layer}}, {KIND} {{wildcards.block}}"
    shell:
        "python {params.script:q} --checkpoint {input.checkpoint:q} --corpus $(dirname {input.tokens:q})"
        " --block $(dirname {output:q}) --layer {wildcards.layer} --settings {params.settings:q} {params.options}"
        " --output {output:q} > {log:q} 2>&1"
