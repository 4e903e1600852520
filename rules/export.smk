# The run in the formats of other tools: `snakemake export`. Not part of `all`.


rule export:
    input:
        checkpoint=CHECKPOINT,
        units=UNITS,
        corpus=[
            f"results/{RUN}/corpus/{name}"
            for name in ("tokens.npy", "documents.parquet", "vocabulary.parquet")
        ],
        renders=[f"results/{RUN}/{layer}/{block}/render" for layer, block in SELECTED],
        tables=[
            f"results/{RUN}/{layer}/{block}/{name}"
            for layer, block in SELECTED
            for name in (*ACTIVATION_FILES, "connections.parquet")
        ],
        schema=os.path.relpath(BASE / "schemas" / "record.schema.json"),
    output:
        directory(f"results/{RUN}/export"),
    log:
        run_log("export").format(run=RUN),
    benchmark:
        run_benchmark("export").format(run=RUN)
    conda:
        "../envs/site.yaml"
    params:
        script=script("export"),
        run=lambda wildcards, output: os.path.dirname(output[0]),
        blocks=name_blocks(SELECTED),
        config=as_json({key: config[key] for key in ("run", "model", "corpus", "units")}),
        options=options(seed="seed") + UNITS_OPTION,
        code=code_digest("export"),
        lock=lock_digest(),
    message:
        "Exporting to the formats of other tools"
    shell:
        "python {params.script:q} --run {params.run:q} --blocks {params.blocks} --checkpoint {input.checkpoint:q}"
        " --config {params.config:q} {params.options} --schema {input.schema:q} --output {output:q}"
        " > {log:q} 2>&1"
