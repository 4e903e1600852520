# Similar neurons, and the patterns of all graphs in one table.


rule similar:
    input:
        tokens=run_file("corpus/tokens.npy"),
        documents=run_file("corpus/documents.parquet"),
        graphs=all_blocks("graph.jsonl"),
        pools=all_blocks("pools.safetensors"),
    output:
        patterns=run_file("patterns.parquet"),
        similar=run_file("similar.parquet"),
    log:
        run_log("similar"),
    benchmark:
        run_benchmark("similar")
    conda:
        "../envs/graph.yaml"
    threads: WIDE_THREADS
    params:
        script=script("similar"),
        blocks=name_blocks(SELECTED),
        options=options(method="method"),
        code=code_digest("similar"),
        lock=lock_digest(),
    message:
        f"Comparing all {KIND} with each other"
    shell:
        "python {params.script:q} --corpus $(dirname {input.tokens:q}) --run $(dirname {output.similar:q})"
        " --blocks {params.blocks} {params.options} --output $(dirname {output.similar:q})"
        " --processes {threads} > {log:q} 2>&1"
