# Promoted, suppressed and input-aligned tokens, and upstream and downstream neurons, from the weights alone: all
# selected blocks at once.


# rule logits for all selected blocks; logits_recomputed; logits_of_block
for part in [*WHOLE, ANY_BLOCK]:

    rule:
        name:
            part.rule("logits")
        input:
            checkpoint=CHECKPOINT,
            units=UNITS,
        output:
            part.files("logits.parquet", "connections.parquet"),
        log:
            part.log("logits"),
        benchmark:
            part.benchmark("logits")
        conda:
            "../envs/model.yaml"
        params:
            script=script("logits"),
            blocks=block_names,
            poles=",".join(config["poles"]),
            units=UNITS_OPTION,
            root=run_folder,
            code=code_digest("logits"),
            lock=lock_digest(),
        message:
            f"Reading the weights{part.where}"
        shell:
            "python {params.script:q} --checkpoint {input.checkpoint:q} --blocks {params.blocks}"
            " --poles {params.poles}{params.units} --output {params.root:q} > {log:q} 2>&1"
