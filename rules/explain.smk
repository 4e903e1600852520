# Natural-language explanations by a language model, scored next to those from the graphs. Only if the configuration
# names one.

if config["explain"]["model"]:
    needs_extra("explain")


rule explain:
    input:
        checkpoint=CHECKPOINT,
        units=UNITS,
        tokens=run_file("corpus/tokens.npy"),
        documents=run_file("corpus/documents.parquet"),
        vocabulary=run_file("corpus/vocabulary.parquet"),
        counts=run_file("corpus/corpus.json"),
        observations=[block_file(name) for name in ACTIVATION_FILES],
        graphs=block_file("graph.jsonl"),
    output:
        block_file("explanations.parquet"),
    log:
        block_log("explain"),
    benchmark:
        block_benchmark("explain")
    conda:
        "../envs/explain.yaml"
    resources:
        gpu=1,
    params:
        script=script("explain"),
        options=f"{model_options()} {options(method='method', seed='seed')}",
        explain=as_json(config["explain"], sort_keys=True),
        answers="resources/answers",
        local=state_of_folder(config["explain"]["local"]),
        code=code_digest("explain"),
        lock=[lock_digest(), lock_digest("explain")],
    message:
        f"Explaining in words: layer {{wildcards.layer}}, {KIND} {{wildcards.block}}"
    shell:
        "python {params.script:q} --checkpoint {input.checkpoint:q} --corpus $(dirname {input.tokens:q})"
        " --block $(dirname {output:q}) --layer {wildcards.layer} {params.options} --explain {params.explain:q}"
        " --answers {params.answers} --output {output:q} > {log:q} 2>&1"
