# The site: a page for every selected neuron, built from the records.
TABLES = ["statistics", "evaluate", "logits", "connections"]  # offered for download
TABLES += ["effects"] if EFFECTS else []
TABLES += ["explanations"] if explains(config) else []
RUN_TABLES = ["patterns", "similar"] + (["diff"] if config["against"] else [])
# If `snakemake reproduce` has drawn a sample of the finished run, the next atlas publishes its outcomes.
RUN_TABLES += ["reproduced"] if os.path.exists(f"results/{RUN}/reproduced.parquet") else []


rule atlas:
    input:
        renders=all_blocks("render"),
        tables=[path for name in TABLES for path in all_blocks(f"{name}.parquet")],
        rewritten=REWRITTEN,
        run_tables=[run_file(f"{name}.parquet") for name in RUN_TABLES],
        checkpoint=CHECKPOINT,
        units=UNITS,
        counts=run_file("corpus/corpus.json"),
        vocabulary=run_file("corpus/vocabulary.parquet"),
        summary=run_file("summary.json"),
    output:
        directory(run_file("atlas")),
    log:
        run_log("atlas"),
    benchmark:
        run_benchmark("atlas")
    conda:
        "../envs/site.yaml"
    threads: WIDE_THREADS
    params:
        script=script("atlas"),
        blocks=name_blocks(SELECTED),
        config=as_json(
            {key: config[key] for key in ("run", "against", "site_url", "model", "corpus", "units", "poles")}
        ),
        tables=",".join(TABLES),
        units=UNITS_OPTION,
        rewritten=lambda wildcards, input: sorted({os.path.dirname(path) for path in input.rewritten}),
        pages=files_digest(code_digests.source_files(BASE, ["site", "docs"]), BASE),
        site=lambda wildcards: os.path.relpath(BASE / "site"),
        docs=lambda wildcards: os.path.relpath(BASE / "docs"),
        code=code_digest("atlas"),
        lock=lock_digest(),
    message:
        "Building the atlas"
    shell:
        "python {params.script:q} --run $(dirname {output:q}) --blocks {params.blocks}"
        " --corpus $(dirname {input.counts:q})"
        " --checkpoint {input.checkpoint:q} --summary {input.summary:q}{params.units} --tables {params.tables}"
        " --run-tables {input.run_tables:q} --rewritten {params.rewritten:q}"
        " --config {params.config:q} --site {params.site:q} --docs {params.docs:q} --out {output:q}"
        " --processes {threads} > {log:q} 2>&1"
