# Neurons recomputed from the inputs and compared with their records. The scratch folder, `recomputed`, goes through the
# same rules: what one job does for all blocks serves all requested neurons, each in a block of its own.


rule reproduce:
    input:
        lambda wildcards: published_then_recomputed(Path("results") / RUN, ASKED, SELECTED, SCRATCH),
    log:
        run_log("reproduce").format(run=RUN),
    conda:
        "../envs/model.yaml"
    resources:
        gpu=1,
    params:
        script=script("reproduce"),
        published=f"results/{RUN}",
        recomputed=f"results/{RECOMPUTED}",
        records=lambda wildcards: published_records(Path("results") / RUN, ASKED, SELECTED),
        options=options(device="device"),
        table="" if config["neuron"] else f"--table results/{RUN}/reproduced.parquet",
    message:
        "Comparing with the published records"
    shell:
        "python {params.script:q} --published {params.published:q} --recomputed {params.recomputed:q}"
        " --records {params.records:q} {params.options} {params.table} > {log:q} 2>&1 && cat {log:q}"
