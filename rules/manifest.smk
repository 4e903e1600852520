# What the run was made of and with, and what it cost. Comes last, since it tells of all stages.


rule manifest:
    input:
        atlas=run_file("atlas"),
        similar=run_file("similar.parquet"),
        corpus=[run_file("corpus/tokens.npy"), run_file("corpus/corpus.json")],
        renders=all_blocks("render"),
        model=local(f"resources/models/{MODEL.key}/fetched.json"),
        checkpoint=CHECKPOINT,
        texts=local(f"resources/texts/{TEXTS.key}/fetched.json"),
    output:
        run_file("manifest.json"),
    log:
        run_log("manifest"),
    conda:
        "../envs/model.yaml"
    resources:
        gpu=1,
    params:
        script=script("manifest"),
        config=json.dumps(
            {key: value for key, value in config.items() if key not in NO_MATTER}, sort_keys=True
        ),
        base=os.path.relpath(BASE),
        code=code_digest("manifest"),
        lock=lock_digest(),
    message:
        "Writing down what was used"
    shell:
        "python {params.script:q} --config {params.config:q} --base {params.base:q} --model {input.model:q}"
        " --checkpoint {input.checkpoint:q} --texts {input.texts:q} --output {output:q} > {log:q} 2>&1"
