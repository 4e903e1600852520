# Paths, selections and params that every rule file uses. Only pure functions of wildcards and configuration.
import os
import json
import re
import shlex
import sys
from functools import cache
from pathlib import Path

sys.path.insert(0, f"{workflow.basedir}/scripts")
# `shell:` commands call `python`: without a conda environment, the one that runs Snakemake.
if str(Path(sys.executable).parent) not in os.get_exec_path():
    os.environ.update(PATH=os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()]))

from n2g import provenance
from n2g.checkpoint import checkpoint_key, model_size
from n2g.config import check_selection, complete_config, selected_blocks
from n2g.errors import InputError
from n2g.ids import BLOCK_PATTERN, LAYER_PATTERN, NeuronId
from n2g.sources import Source, wanted_files

BASE = Path(workflow.basedir)
LOCK = BASE / "requirements" / "run.lock"

try:
    config = complete_config(config)
except InputError as error:  # one sentence instead of a traceback, before any job starts
    sys.exit(str(error))

# What jobs are told and results do not depend on: no params, so that it causes no reruns.
# Jobs that work side by side on the CPU share its cores; one that all others wait for has them alone.
SIDE_BY_SIDE = workflow.global_resources["gpu"].value if "gpu" in workflow.global_resources else 1
os.environ.update(
    N2G_WORKFLOW=str(os.getpid()),
    N2G_THREADS=str(config["threads"] or (max(1, workflow.cores // SIDE_BY_SIDE) if SIDE_BY_SIDE > 1 else "")),
    N2G_ALL_THREADS=str(config["threads"] or ""),
)

MODEL = Source.parse(config["model"]["source"], config["model"]["file"], config["model"]["sha256"])
TEXTS = Source.parse(config["corpus"]["source"], config["corpus"]["file"], config["corpus"]["sha256"])
CHECKPOINT = f"resources/checkpoints/{checkpoint_key(config['model'])}/checkpoint.json"


# A run is computed in results/{run}. The scratch place of `reproduce` is a run of its own inside, by the same rules.
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
    return provenance.code_digest(stage, BASE / "scripts")


@cache
def lock_digest():
    """Digest of the pinned requirements."""
    return provenance.file_digest(LOCK)


def options(**keys):
    """Command-line options from configuration keys: options(max_length="corpus/max_length").

    A null key gives no option. Rules list the keys that they read, so that only those cause reruns.
    """
    given = [(name.replace("_", "-"), lookup(dpath=key, within=config)) for name, key in keys.items()]
    return " ".join(f"--{name} {shlex.quote(str(value))}" for name, value in given if value is not None)


def method_settings(*names):
    """The method and those of its settings that a rule reads, as JSON."""
    given = {name: config["settings"][name] for name in names if name in config["settings"]}
    return json.dumps({"method": config["method"], "seed": config["seed"], **given}, sort_keys=True)


def run_folder(wildcards):
    """The folder of the run."""
    return f"results/{wildcards.run}"


def block_names(wildcards, output):
    """LAYER/FIRST-LAST of the blocks that the output files belong to.

    Made from the output, it is no param that causes reruns: a smaller selection needs nothing anew.
    """
    return list(dict.fromkeys("/".join(Path(path).parts[-3:-1]) for path in output))


def model_options():
    """Where and how the model runs."""
    return options(device="device", dtype="dtype")


# The selection of neurons. Sizes are known once the model is there; until then, `all` selects none.

try:
    MODEL_SIZE = model_size(CHECKPOINT)
    if MODEL_SIZE:
        check_selection(config, *MODEL_SIZE)
    SELECTED = selected_blocks(config, *(MODEL_SIZE or (None, None)))
except InputError as error:
    sys.exit(str(error))


def all_blocks(name):
    """One file of every selected block, for example all_blocks("prune.parquet")."""
    return [run_file(f"{layer}/{block}/{name}") for layer, block in SELECTED]


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
