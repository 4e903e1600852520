# Fetch the model and the texts, and convert the model. Fetching runs on the machine where Snakemake runs, as the nodes
# of a cluster often have no network. Local files are known by their sizes and times, in `state`: as inputs, those behind
# a link could be older than the run, and those dated in the future would end it.
with exit_with_sentence():
    if workflow.is_main_process:
        check_other_models(config, BASE / "scripts" / "check_models.py")
    MODEL_FILES = MODEL.local_files(wanted_files("model", config["model"]["loader"]))
    TEXT_FILES = TEXTS.local_files(wanted_files("corpus"))


rule fetch_model:
    output:
        local(f"resources/models/{MODEL.key}/fetched.json"),
    log:
        run_log("fetch_model").format(run=RUN),
    benchmark:
        run_benchmark("fetch_model").format(run=RUN)
    localrule: True
    conda:
        "../envs/inputs.yaml"
    params:
        script=script("fetch"),
        options=options(
            source="model.source", file="model.file", sha256="model.sha256", loader="model.loader"
        ),
        state=state_of(MODEL_FILES),
        code=code_digest("fetch"),
    message:
        "Fetching the model"
    shell:
        "python {params.script:q} model {params.options} --output {output:q} > {log:q} 2>&1"


rule fetch_corpus:
    output:
        local(f"resources/texts/{TEXTS.key}/fetched.json"),
    log:
        run_log("fetch_corpus").format(run=RUN),
    benchmark:
        run_benchmark("fetch_corpus").format(run=RUN)
    localrule: True
    conda:
        "../envs/inputs.yaml"
    params:
        script=script("fetch"),
        options=options(source="corpus.source", file="corpus.file", sha256="corpus.sha256"),
        state=state_of(TEXT_FILES),
        code=code_digest("fetch"),
    message:
        "Fetching the texts"
    shell:
        "python {params.script:q} corpus {params.options} --output {output:q} > {log:q} 2>&1"


if config["model"]["tokenizer"]:
    with exit_with_sentence():
        TOKENIZER_FILES = Source.parse(config["model"]["tokenizer"]).local_files(wanted_files("tokenizer"))

    rule fetch_tokenizer:
        output:
            local(f"resources/tokenizers/{checkpoint_key(config['model'])}/fetched.json"),
        log:
            run_log("fetch_tokenizer").format(run=RUN),
        benchmark:
            run_benchmark("fetch_tokenizer").format(run=RUN)
        localrule: True
        conda:
            "../envs/inputs.yaml"
        params:
            script=script("fetch"),
            options=options(source="model.tokenizer"),
            state=state_of(TOKENIZER_FILES),
            code=code_digest("fetch"),
        message:
            "Fetching the tokenizer"
        shell:
            "python {params.script:q} tokenizer {params.options} --output {output:q} > {log:q} 2>&1"


FETCHED_UNITS = []
if LATENTS:
    with exit_with_sentence():
        UNITS_PLACE = Source.parse(*(config["units"][key] for key in ("source", "file", "sha256")))
        UNITS_FILES = UNITS_PLACE.local_files(wanted_files("units"))

    rule fetch_units:
        output:
            local(f"resources/encoders/{UNITS_PLACE.key}/fetched.json"),
        log:
            run_log("fetch_units").format(run=RUN),
        benchmark:
            run_benchmark("fetch_units").format(run=RUN)
        localrule: True
        conda:
            "../envs/inputs.yaml"
        params:
            script=script("fetch"),
            options=options(source="units.source", file="units.file", sha256="units.sha256"),
            code=code_digest("fetch"),
        message:
            "Fetching the encoders"
        shell:
            "python {params.script:q} units {params.options} --output {output:q} > {log:q} 2>&1"

    if UNITS_PLACE.kind != "local":
        FETCHED_UNITS = rules.fetch_units.output

    # Checked against the converted model before any stage works with it.
    rule units:
        input:
            checkpoint=CHECKPOINT,
            fetched=FETCHED_UNITS,
        output:
            local(UNITS_FILE),
        log:
            run_log("units").format(run=RUN),
        benchmark:
            run_benchmark("units").format(run=RUN)
        conda:
            "../envs/model.yaml"
        params:
            script=script("units"),
            source=lambda wildcards, input: str(
                Path(str(input.fetched)).parent / "files" if input.fetched else UNITS_PLACE.path
            ),
            options=options(hook="units.hook", file="units.file"),
            names=model_names(config),
            state=state_of(UNITS_FILES),
            code=code_digest("units"),
            lock=lock_digest(),
        message:
            "Converting the encoders"
        shell:
            "python {params.script:q} --checkpoint {input.checkpoint:q} --source {params.source:q} {params.options}"
            " --names {params.names:q} --output {output:q} > {log:q} 2>&1"


rule checkpoint:
    input:
        model=rules.fetch_model.output,
        tokenizer=rules.fetch_tokenizer.output if config["model"]["tokenizer"] else [],
    output:
        local(MODEL_FILE),
    log:
        run_log("checkpoint").format(run=RUN),
    benchmark:
        run_benchmark("checkpoint").format(run=RUN)
    conda:
        "../envs/model.yaml"
    params:
        script=script("checkpoint"),
        options=options(loader="model.loader", hook="model.hook"),
        tokenizer=lambda wildcards, input: f"--tokenizer {input.tokenizer}" if input.tokenizer else "",
        code=code_digest("checkpoint"),
        lock=lock_digest(),
    message:
        "Converting the model"
    shell:
        "python {params.script:q} --model {input.model:q} {params.options}"
        " {params.tokenizer} --output {output:q} > {log:q} 2>&1"
