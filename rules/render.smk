# A record and a picture for every neuron of a block.
import json


def record_provenance(wildcards):
    """What a record says of its origin, apart from the neuron itself, as JSON."""
    pins = dict(
        line.split("==")
        for line in (BASE / "requirements" / "run.lock").read_text().splitlines()
        if line.count("==") == 1 and line[0].isalpha()
    )
    names = ("torch", "transformer-lens", "transformers")
    versions = {name: pins[name].split()[0] for name in names if name in pins}
    kept = {key: config[key] for key in ("run", "model", "corpus", "method", "seed", "dtype", "settings")}
    return json.dumps(kept | {"versions": versions}, sort_keys=True)


rule render:
    input:
        tokens=run_file("corpus/tokens.npy"),
        documents=run_file("corpus/documents.parquet"),
        vocabulary=run_file("corpus/vocabulary.parquet"),
        statistics=block_file("statistics.parquet"),
        examples=block_file("examples.parquet"),
        graphs=block_file("graph.jsonl"),
        scores=block_file("evaluate.parquet"),
        predictions=block_file("predictions.parquet"),
    output:
        directory(block_file("render")),
    log:
        block_log("render"),
    benchmark:
        block_benchmark("render")
    conda:
        "../envs/site.yaml"
    params:
        script=script("render"),
        options=options(method="method", dot="dot"),
        provenance=record_provenance,
        code=code_digest("render"),
        lock=lock_digest(),
    message:
        "Writing the records of layer {wildcards.layer}, neurons {wildcards.block}"
    shell:
        "python {params.script:q} --corpus $(dirname {input.tokens:q}) --block $(dirname {input.graphs:q})"
        " --layer {wildcards.layer} {params.options} --provenance {params.provenance:q} --output {output:q}"
        " > {log:q} 2>&1"
