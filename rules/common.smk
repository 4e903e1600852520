# Paths, selections and params that every rule file uses. Only pure functions of wildcards and configuration.
import os
import json
import re
import sys
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, f"{workflow.basedir}/scripts")
from n2g.files.digests import file_digest
from n2g.workflow import jobs, provenance
from n2g.workflow.code_digests import code_digest as digest_of_code
from n2g.workflow.reproduce_targets import asked, check_published, published_record
from n2g.model.checkpoint import checkpoint_key, model_size
from n2g.workflow.config import NO_MATTER, command_options, complete_config, explains
from n2g.workflow.config import selected_blocks, settings_given, share_out
from n2g.errors import exit_with_sentence
from n2g.ids import BLOCK_PATTERN, Block, LAYER_PATTERN, NeuronId, name_blocks
from n2g.texts.sources import Source, wanted_files

BASE = Path(workflow.basedir)
LOCK = BASE / "requirements" / "run.lock"

with exit_with_sentence():  # instead of a traceback, before any job starts
    config = complete_config(config)

# `shell:` commands call `python`: without a conda environment, the one that runs Snakemake.
# Parallel CPU jobs share the cores; a job that all others depend on gets all of them.
SIDE_BY_SIDE = workflow.global_resources["gpu"].value if "gpu" in workflow.global_resources else 1
# None on a cluster. Snakemake in a job there may see all cores of a node, more than the job was given.
CORES = None if workflow.remote_exec else workflow.global_resources["_cores"].value
ALL_CORES = CORES or 8
PASSES = min(config["passes"], SIDE_BY_SIDE)
PASS_THREADS = max(1, ALL_CORES // PASSES)
os.environ.update(jobs.variables(config["threads"], CORES, SIDE_BY_SIDE, PASSES))

MODEL = Source.parse(config["model"]["source"], config["model"]["file"], config["model"]["sha256"])
TEXTS = Source.parse(config["corpus"]["source"], config["corpus"]["file"], config["corpus"]["sha256"])
MODEL_FILE = f"resources/checkpoints/{checkpoint_key(config['model'])}/checkpoint.json"


def shared(path):
    """A file outside of the results. All jobs see it, also when `--default-storage-provider` takes results elsewhere.

    Snakemake runs a job with `local` input itself where only storage is shared, as by the pods of Kubernetes.
    """
    return local(path) if workflow.storage_settings.shared_fs_usage else storage.fs(path, retrieve=False)


CHECKPOINT = shared(MODEL_FILE)

# A run is computed in results/{run}. The scratch folder of `reproduce` is a run inside it, made by the same rules.
RUN = config["run"]
AGAIN = f"{RUN}/again"
RUN_PATTERN = rf"{re.escape(RUN)}(/again)?"


# Paths. All carry the wildcard {run}, those of a block {layer} and {block} too.


def run_file(name):
    return f"results/{{run}}/{name}"


def block_file(name):
    return f"results/{{run}}/{{layer}}/{{block}}/{name}"


def run_log(stage):
    return run_file(f"logs/{stage}.log")


def block_log(stage):
    return run_file(f"logs/{stage}/{{layer}}/{{block}}.log")


def run_benchmark(stage):
    return run_file(f"benchmarks/{stage}.tsv")


def block_benchmark(stage):
    return run_file(f"benchmarks/{stage}/{{layer}}/{{block}}.tsv")


def script(stage):
    """Path of a stage's program, the same in every checkout that is run from its own folder."""
    return os.path.relpath(BASE / "scripts" / f"{stage}.py")


@cache
def code_digest(stage):
    """Digest of scripts/{stage}.py and of every n2g module that it imports."""
    return digest_of_code(stage, BASE / "scripts")


@cache
def lock_digest():
    """Digest of the pinned requirements."""
    return file_digest(LOCK)


options = partial(command_options, config)
method_settings = partial(settings_given, config)


def run_folder(wildcards, output):
    """The folder of the run, of whose blocks the output files are."""
    return str(Path(output[0]).parents[2])


def block_names(wildcards, output):
    """The names of the blocks that the output files belong to.

    Made from the output, it is no param that causes reruns: a smaller selection needs nothing anew.
    """
    folders = (path.split("/")[-3:-1] for path in output)
    return name_blocks((int(layer), Block.parse(block)) for layer, block in folders)


def model_options():
    """Where and how the model runs."""
    return options(device="device", dtype="dtype")


# The selection of neurons. Sizes are known once the model is there; until then, `all` selects none.

with exit_with_sentence():
    SELECTED = selected_blocks(config, *(model_size(MODEL_FILE) or (None, None)))
    ASKED = asked(config, SELECTED)


def all_blocks(name):
    """One file of every selected block, for example all_blocks("prune.parquet")."""
    return [run_file(f"{layer}/{block}/{name}") for layer, block in SELECTED]


class Part(NamedTuple):
    """Blocks that a job works on together: some of the selected ones, or those of the neurons to reproduce.

    The files have no wildcards. So Snakemake finds the job of a file without comparing it with all others, and prefers
    it to the rule for any single block.
    """

    name: str
    run: str
    blocks: list

    def rule(self, stage):
        return f"{stage}_{self.name}" if self.name else stage

    def file(self, name):
        return run_file(name).format(run=self.run)

    def files(self, *names):
        return [self.file(f"{layer}/{block}/{name}") for name in names for layer, block in self.blocks]

    def log(self, stage):
        return self.file(f"logs/{stage}/{self.name}.log" if self.name else f"logs/{stage}.log")

    def benchmark(self, stage):
        return self.file(f"benchmarks/{stage}/{self.name}.tsv" if self.name else f"benchmarks/{stage}.tsv")


SHARES = share_out(SELECTED, config["passes"])
SCRATCH = [Part("again", AGAIN, sorted({(neuron.layer, neuron.block) for neuron in ASKED}))] if ASKED else []
PARTS = [
    Part(str(number) if SHARES[1:] else "", RUN, share) for number, share in enumerate(SHARES, 1)
] + SCRATCH
WHOLE = ([Part("", RUN, SELECTED)] if SELECTED else []) + SCRATCH

# Jobs about all neurons use several processes, if there are enough neurons to make that worthwhile.
NEURONS = sum(len(block.neurons) for _, block in SELECTED)
WIDE_THREADS = ALL_CORES if NEURONS >= 2000 else 1


def atlas_target(wildcards):
    """The site of all selected neurons."""
    if not SELECTED:
        sys.exit("layers: 'all' can only be resolved once the model is there: run `snakemake model` first.")
    return run_file("atlas").format(run=RUN)


def neuron_target(wildcards):
    """The records of the block that holds just the neuron that the configuration names."""
    if config["neuron"] is None:
        sys.exit("neuron: is not set: name one, as in --config neuron=L3.N42.")
    neuron = NeuronId.parse(config["neuron"])
    return block_file("render").format(run=RUN, layer=neuron.layer, block=neuron.block)


def again_target(wildcards):
    """The records of the neurons to reproduce, each computed in a block of its own in the scratch place."""
    with exit_with_sentence():
        check_published(Path("results") / RUN, ASKED, SELECTED)
    return SCRATCH[0].files("render")


def published_files(wildcards):
    """The published records of the same neurons."""
    return [str(published_record(Path("results") / RUN, neuron, SELECTED)) for neuron in ASKED]
