# The folder of the run as an RO-Crate, for those who publish it: `snakemake crate`. Not part of `all`.


rule crate:
    input:
        files=[
            f"results/{RUN}/{name}"
            for name in (
                *("manifest.json", "summary.json"),
                *(f"{table}.parquet" for table in RUN_TABLES),
                *("corpus/corpus.json", "corpus/tokens.npy"),
                *("corpus/documents.parquet", "corpus/vocabulary.parquet"),
            )
        ],
        # Before any job: the packages that describe the site.
        atlas=lambda wildcards: needs_extra("crate") or f"results/{RUN}/atlas",
        renders=[f"results/{RUN}/{layer}/{block}/render" for layer, block in SELECTED],
    output:
        metadata=f"results/{RUN}/ro-crate-metadata.json",
        workflow=directory(f"results/{RUN}/workflow"),
    log:
        run_log("crate").format(run=RUN),
    conda:
        "../envs/crate.yaml"
    params:
        script=script("crate"),
        run=lambda wildcards, output: os.path.dirname(output.metadata),
        blocks=name_blocks(SELECTED),
        base=os.path.relpath(BASE),
        code=code_digest("crate"),
        lock=[lock_digest(), lock_digest("crate")],
    message:
        "Packaging the run as an RO-Crate"
    shell:
        "python {params.script:q} --run {params.run:q} --blocks {params.blocks} --files {input.files:q}"
        " --base {params.base:q} --output {output.metadata:q} > {log:q} 2>&1"
