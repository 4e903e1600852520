# The tokens that each neuron's weights push towards and read, from the weights alone.


rule logits:
    input:
        checkpoint=CHECKPOINT,
    output:
        block_file("logits.parquet"),
    log:
        block_log("logits"),
    benchmark:
        block_benchmark("logits")
    conda:
        "../envs/model.yaml"
    params:
        script=script("logits"),
        poles=lambda wildcards: ",".join(config["poles"]),
        code=code_digest("logits"),
        lock=lock_digest(),
    message:
        "Reading the weights of layer {wildcards.layer}, neurons {wildcards.block}"
    shell:
        "python {params.script:q} --checkpoint {input.checkpoint:q} --layer {wildcards.layer}"
        " --block {wildcards.block} --poles {params.poles} --output {output:q} > {log:q} 2>&1"
