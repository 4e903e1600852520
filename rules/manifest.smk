# Provenance and costs of the run. Runs last, since it covers all stages.

# Rules that `all` does not use, as configured; earlier calls may have left benchmark files.
OPTIONAL = {
    "fetch_tokenizer": config["model"]["tokenizer"],
    "explain": explains(config),
    "diff": config["against"],
    "export": False,
    "rewrite_layer": REWRITTEN,
}


rule manifest:
    input:
        atlas=run_file("atlas"),
        similar=run_file("similar.parquet"),
        corpus=[run_file("corpus/tokens.npy"), run_file("corpus/corpus.json")],
        renders=all_blocks("render"),
        model=shared(f"resources/models/{MODEL.key}/fetched.json"),
        checkpoint=CHECKPOINT,
        texts=shared(f"resources/texts/{TEXTS.key}/fetched.json"),
        units=UNITS,
        encoders=FETCHED_UNITS,
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
        config=as_json({key: value for key, value in config.items() if key not in NO_MATTER}, sort_keys=True),
        blocks=name_blocks(SELECTED),
        # Made from the output, as in `block_names`: a different split of the passes reruns nothing.
        parts=lambda wildcards, output: len(PASSES),
        without=[name for name, wanted in OPTIONAL.items() if not wanted],
        base=os.path.relpath(BASE),
        units=UNITS_OPTION,
        encoders=lambda wildcards, input: f" --encoders={input.encoders}" if input.encoders else "",
        code=code_digest("manifest"),
        lock=lock_digest(),
    message:
        "Recording provenance"
    shell:
        "python {params.script:q} --config {params.config:q} --blocks {params.blocks} --parts {params.parts}"
        " --without {params.without} --base {params.base:q} --model {input.model:q}"
        " --checkpoint {input.checkpoint:q} --texts {input.texts:q}{params.units}{params.encoders} --output {output:q} > {log:q} 2>&1"
