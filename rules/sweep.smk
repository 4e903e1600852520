# Every token of the vocabulary after neutral text: all selected neurons at once, as in the pass over the corpus.


# What the sweep needs of all blocks, in one small file: Snakemake notes and hashes all of a job's inputs for each of
# its outputs, and would run the sweep again when layers are split differently.
# rule maxima for all selected blocks; maxima_recomputed
for part in WHOLE:

    rule:
        name:
            part.rule("maxima")
        input:
            part.files("statistics.parquet"),
        output:
            part.file("maxima.parquet"),
        log:
            part.log("maxima"),
        benchmark:
            part.benchmark("maxima")
        conda:
            "../envs/graph.yaml"
        params:
            script=script("maxima"),
            blocks=name_blocks(part.blocks),
            code=code_digest("maxima"),
            lock=lock_digest(),
        message:
            "Collecting the maximum activations"
        shell:
            "python {params.script:q} --run $(dirname {output:q}) --blocks {params.blocks} --output {output:q}"
            " > {log:q} 2>&1"


# rule sweep (sweep_1, sweep_2, ... for several passes); sweep_recomputed; sweep_of_block
for part in [*PARTS, ANY_BLOCK]:

    rule:
        name:
            part.rule("sweep")
        input:
            checkpoint=CHECKPOINT,
            units=UNITS,
            tokens=part.file("corpus/tokens.npy"),
            documents=part.file("corpus/documents.parquet"),
            pairs=part.file("corpus/pairs.parquet"),
            maxima=part.files("statistics.parquet") if part is ANY_BLOCK else part.file("maxima.parquet"),
        output:
            part.files("sweep.parquet", "pair_sweep.parquet"),
        log:
            part.log("sweep"),
        benchmark:
            part.benchmark("sweep")
        conda:
            "../envs/model.yaml"
        threads: part.threads
        resources:
            gpu=1,
        params:
            script=script("sweep"),
            blocks=block_names,
            settings=method_settings("prefixes", "prefix_length", "alone"),
            options=f"{model_options()} {options(pair_tokens='pair_tokens')}",
            root=run_folder,
            code=code_digest("sweep"),
            lock=lock_digest(),
        message:
            f"Sweeping the vocabulary and common pairs{part.where}"
        shell:
            "N2G_THREADS=$N2G_ALL_THREADS python {params.script:q} --checkpoint {input.checkpoint:q}"
            " --corpus $(dirname {input.tokens:q}) --maxima {input.maxima:q}"
            " --blocks {params.blocks} --settings {params.settings:q} {params.options} --output {params.root:q}"
            " > {log:q} 2>&1"
