# What changed since another run. Only if the configuration names one.


rule diff:
    input:
        renders=all_blocks("render"),
        against=[f"results/{config['against']}/manifest.json"] if config["against"] else [],
    output:
        run_file("diff.parquet"),
    log:
        run_log("diff"),
    benchmark:
        run_benchmark("diff")
    conda:
        "../envs/graph.yaml"
    params:
        script=script("diff"),
        blocks=name_blocks(SELECTED),
        code=code_digest("diff"),
        lock=lock_digest(),
    message:
        "Comparing with the run {config[against]}"
    shell:
        "python {params.script:q} --against $(dirname {input.against:q}) --run $(dirname {output:q})"
        " --blocks {params.blocks} --output {output:q} > {log:q} 2>&1"
