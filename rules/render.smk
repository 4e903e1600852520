# A record and a picture for every neuron of a block.


rule render:
    input:
        tokens=run_file("corpus/tokens.npy"),
        documents=run_file("corpus/documents.parquet"),
        vocabulary=run_file("corpus/vocabulary.parquet"),
        statistics=block_file("statistics.parquet"),
        examples=block_file("examples.parquet"),
        graphs=block_file("graph.jsonl"),
        scores=block_file("evaluate.parquet"),
        predictions=block_file("predictions.parquet"),
        nodes=block_file("nodes.parquet"),
        background=block_file("background.parquet"),
        logits=block_file("logits.parquet"),
        units=UNITS,
        effects=[block_file(name) for name in EFFECTS],
        explanations=[block_file("explanations.parquet")] if explains(config) else [],
    output:
        directory(block_file("render")),
    log:
        block_log("render"),
    benchmark:
        block_benchmark("render")
    conda:
        "../envs/site.yaml"
    params:
        script=script("render"),
        options=options(method="method", dot="dot") + UNITS_OPTION,
        provenance=as_json(provenance.origin(config, LOCK), sort_keys=True),
        code=code_digest("render"),
        lock=lock_digest(),
    message:
        f"Writing the records of layer {{wildcards.layer}}, {KIND} {{wildcards.block}}"
    shell:
        "python {params.script:q} --corpus $(dirname {input.tokens:q}) --block $(dirname {input.graphs:q})"
        " --layer {wildcards.layer} {params.options} --provenance {params.provenance:q}"
        " --effects {input.effects:q} --explanations {input.explanations:q} --output {output:q}"
        " > {log:q} 2>&1"
