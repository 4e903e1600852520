# The model itself on a sample of test documents, shown only the last tokens: all selected neurons at once.


# rule windows (windows_1, windows_2, ... for several passes); windows_recomputed; windows_of_block
for part in [*PARTS, ANY_BLOCK]:

    rule:
        name:
            part.rule("windows")
        input:
            checkpoint=CHECKPOINT,
            units=UNITS,
            tokens=part.file("corpus/tokens.npy"),
            documents=part.file("corpus/documents.parquet"),
            maxima=part.files("statistics.parquet") if part is ANY_BLOCK else part.file("maxima.parquet"),
        output:
            part.files("windows.parquet"),
        log:
            part.log("windows"),
        benchmark:
            part.benchmark("windows")
        conda:
            "../envs/model.yaml"
        threads: part.threads
        resources:
            gpu=1,
        params:
            script=script("windows"),
            blocks=block_names,
            settings=method_settings("prefixes", "prefix_length", "firing_threshold"),
            options=f"{model_options()} {options(tokens='window_tokens')}",
            root=run_folder,
            code=code_digest("windows"),
            lock=lock_digest(),
        message:
            f"Showing the model only the last tokens{part.where}"
        shell:
            "N2G_THREADS=$N2G_ALL_THREADS python {params.script:q} --checkpoint {input.checkpoint:q}"
            " --corpus $(dirname {input.tokens:q}) --maxima {input.maxima:q}"
            " --blocks {params.blocks} --settings {params.settings:q} {params.options} --output {params.root:q}"
            " > {log:q} 2>&1"
