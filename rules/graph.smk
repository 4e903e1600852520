# The graph of every neuron, fitted on training documents and chosen on validation documents.

FITTING_SETTINGS = method_settings(
    "firing_threshold",
    "precisions",
    "decision_threshold",
    "trust",
    "max_nodes",
    "top_weight",
    "paper_share",
)


rule graph:
    input:
        tokens=run_file("corpus/tokens.npy"),
        documents=run_file("corpus/documents.parquet"),
        vocabulary=run_file("corpus/vocabulary.parquet"),
        places=[run_file("corpus/positions.npy"), run_file("corpus/counts.npy")],
        observations=[block_file(name) for name in ACTIVATION_FILES],
        sweep=[block_file("sweep.parquet"), block_file("pair_sweep.parquet")],
        pruned=block_file("prune.parquet"),
        salient=block_file("saliency.parquet"),
        substitutes=block_file("augment.parquet"),
    output:
        block_file("graph.jsonl"),
    log:
        block_log("graph"),
    benchmark:
        block_benchmark("graph")
    conda:
        "../envs/model.yaml"
    params:
        script=script("graph"),
        settings=FITTING_SETTINGS,
        kind=kind_option(config),
        code=code_digest("graph"),
        lock=lock_digest(),
    message:
        f"Fitting the graphs of layer {{wildcards.layer}}, {KIND} {{wildcards.block}}"
    shell:
        "python {params.script:q} --corpus $(dirname {input.tokens:q}) --block $(dirname {output:q})"
        " --layer {wildcards.layer} --settings {params.settings:q}{params.kind} --output {output:q} > {log:q} 2>&1"
