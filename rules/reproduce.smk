# Neurons computed anew, from the inputs, and compared with their records. `again` is the scratch place: it goes through
# the same rules, except that one job of each kind serves all neurons that are asked for, in blocks of their own.

if ASKED:

    ruleorder: activations_again > activations > activations_of_block
    ruleorder: sweep_again > sweep > sweep_of_block
    ruleorder: logits_again > logits > logits_of_block

    use rule activations as activations_again with:
        output:
            [path for name in ACTIVATION_FILES for path in again_blocks(name)],
        wildcard_constraints:
            run=re.escape(AGAIN),

    use rule sweep as sweep_again with:
        input:
            checkpoint=CHECKPOINT,
            tokens=run_file("corpus/tokens.npy"),
            documents=run_file("corpus/documents.parquet"),
            observations=[path for name in ACTIVATION_FILES for path in again_blocks(name)],
        output:
            again_blocks("sweep.parquet"),
        wildcard_constraints:
            run=re.escape(AGAIN),

    use rule logits as logits_again with:
        output:
            [path for name in LOGITS_FILES for path in again_blocks(name)],
        wildcard_constraints:
            run=re.escape(AGAIN),


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
        neurons=[str(neuron) for neuron in ASKED],
        options=options(device="device"),
        table="" if config["neuron"] else f"--table results/{RUN}/reproduced.parquet",
    message:
        "Comparing with what is published"
    shell:
        "python {params.script:q} --published {params.published:q} --again {params.again:q}"
        " --neurons {params.neurons:q} {params.options} {params.table} > {log:q} 2>&1 && cat {log:q}"
