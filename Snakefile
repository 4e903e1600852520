# Neuron Atlas: from a language model and texts to a browsable atlas of its neurons.
#
#   resources/...                                fetched inputs, the converted model
#   results/{run}/corpus/...                     the texts as token ids
#   results/{run}/{layer}/{block}/{stage}...     the output of a stage for a block of neurons
#   results/{run}/atlas/                         the site
#
# A block is an inclusive range of neurons of one layer: results/smollm2/3/00000-00031/prune.parquet
# A single neuron is a block of its own:         results/smollm2/3/00042-00042/render
from snakemake.utils import min_version

min_version("9.27")


include: "rules/common.smk"
include: "rules/inputs.smk"
include: "rules/corpus.smk"
include: "rules/activations.smk"
include: "rules/sweep.smk"
include: "rules/windows.smk"
include: "rules/prune.smk"
include: "rules/saliency.smk"
include: "rules/augment.smk"
include: "rules/graph.smk"
include: "rules/evaluate.smk"
include: "rules/effects.smk"
include: "rules/explain.smk"
include: "rules/logits.smk"
include: "rules/similar.smk"
include: "rules/rewrite.smk"
include: "rules/render.smk"
include: "rules/diff.smk"
include: "rules/atlas.smk"
include: "rules/manifest.smk"
include: "rules/reproduce.smk"
include: "rules/export.smk"
include: "rules/crate.smk"
include: "rules/run.smk"


wildcard_constraints:
    run=RUN_PATTERN,
    layer=LAYER_PATTERN,
    block=BLOCK_PATTERN,


localrules:
    all,
    model,
    neuron,
    rewrite,


rule all:
    default_target: True
    input:
        atlas_target,
        run_file("manifest.json").format(run=RUN),


# Only the model and what reads its latents, so that its size is known where all layers or neurons are selected.
rule model:
    input:
        local(MODEL_FILE),
        local(UNITS_FILE) if LATENTS else [],


# Only the files of the neuron given with --config neuron=L3.N42.
rule neuron:
    input:
        neuron_target,
