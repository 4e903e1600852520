# The texts as token ids, split into train, validation and test.


rule corpus:
    input:
        texts=shared(f"resources/texts/{TEXTS.key}/fetched.json"),
        checkpoint=CHECKPOINT,
    output:
        tokens=run_file("corpus/tokens.npy"),
        documents=run_file("corpus/documents.parquet"),
        places=[run_file("corpus/positions.npy"), run_file("corpus/counts.npy")],
        vocabulary=run_file("corpus/vocabulary.parquet"),
        pairs=run_file("corpus/pairs.parquet"),
        counts=run_file("corpus/corpus.json"),
    log:
        run_log("corpus"),
    benchmark:
        run_benchmark("corpus")
    conda:
        "../envs/model.yaml"
    params:
        script=script("corpus"),
        options=options(
            text="corpus.text",
            title="corpus.title",
            separator="corpus.separator",
            bos="corpus.bos",
            max_tokens="corpus.max_tokens",
            further_tokens="corpus.further_tokens",
            max_length="corpus.max_length",
            min_length="corpus.min_length",
            near_duplicates="corpus.near_duplicates",
        ),
        code=code_digest("corpus"),
        lock=lock_digest(),
    message:
        "Tokenising the texts"
    shell:
        "python {params.script:q} --texts {input.texts:q} --checkpoint {input.checkpoint:q} {params.options}"
        " --output $(dirname {output.tokens:q}) > {log:q} 2>&1"
