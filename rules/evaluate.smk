# How well graphs and baselines predict on test documents, block by block, and averages over all blocks.


rule evaluate:
    input:
        tokens=run_file("corpus/tokens.npy"),
        documents=run_file("corpus/documents.parquet"),
        vocabulary=run_file("corpus/vocabulary.parquet"),
        places=[run_file("corpus/positions.npy"), run_file("corpus/counts.npy")],
        observations=[block_file(name) for name in ACTIVATION_FILES],
        graphs=block_file("graph.jsonl"),
        windows=block_file("windows.parquet"),
    output:
        scores=block_file("evaluate.parquet"),
        predictions=block_file("predictions.parquet"),
        nodes=block_file("nodes.parquet"),
    log:
        block_log("evaluate"),
    benchmark:
        block_benchmark("evaluate")
    conda:
        "../envs/model.yaml"
    params:
        script=script("evaluate"),
        options=options(seed="seed", window_tokens="window_tokens"),
        settings=FITTING_SETTINGS,
        code=code_digest("evaluate"),
        lock=lock_digest(),
    message:
        f"Evaluating the graphs of layer {{wildcards.layer}}, {KIND} {{wildcards.block}}"
    shell:
        "python {params.script:q} --corpus $(dirname {input.tokens:q})"
        " --observations $(dirname {input.observations[0]:q}) --graphs {input.graphs:q}"
        " --windows {input.windows:q} {params.options} --settings {params.settings:q}"
        " --output $(dirname {output.scores:q}) > {log:q} 2>&1"


rule summary:
    input:
        scores=all_blocks("evaluate.parquet"),
        graphs=all_blocks("graph.jsonl"),
    output:
        run_file("summary.json"),
    log:
        run_log("summary"),
    benchmark:
        run_benchmark("summary")
    conda:
        "../envs/graph.yaml"
    params:
        script=script("summary"),
        blocks=name_blocks(SELECTED),
        options=options(seed="seed"),
        code=code_digest("summary"),
        lock=lock_digest(),
    message:
        "Averaging the scores"
    shell:
        "python {params.script:q} --run $(dirname {output:q}) --blocks {params.blocks} {params.options}"
        " --output {output:q} > {log:q} 2>&1"
