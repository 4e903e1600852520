# Neurons recomputed from the inputs and compared with their records. `again` is the scratch place: it goes through
# the same rules, and what one job does for all blocks serves all neurons that are asked for, in blocks of their own.


rule reproduce:
    input:
        again_target,
    log:
        run_log("reproduce").format(run=RUN),
    conda:
        "../envs/model.yaml"
    resources:
        gpu=1,
    params:
        script=script("reproduce"),
        published=f"results/{RUN}",
        again=f"results/{AGAIN}",
        records=published_files,
        options=options(device="device"),
        table="" if config["neuron"] else f"--table results/{RUN}/reproduced.parquet",
    message:
        "Comparing with the published records"
    shell:
        "python {params.script:q} --published {params.published:q} --again {params.again:q}"
        " --records {params.records:q} {params.options} {params.table} > {log:q} 2>&1 && cat {log:q}"
