# Paths, selections and params that every rule file uses; longer Python is in scripts/n2g/workflow.
import os
import re
import sys
from functools import cache, partial
from pathlib import Path

sys.path.insert(0, f"{workflow.basedir}/scripts")
from n2g.errors import exit_with_sentence
from n2g.files.digests import file_digest, files_digest
from n2g.graphs.drawing_program import find_program
from n2g.ids import BLOCK_PATTERN, Block, LAYER_PATTERN, name_blocks
from n2g.model.checkpoint import checkpoint_key, model_size
from n2g.texts.sources import Source, state_of, state_of_folder, wanted_files
from n2g.units.description import latents_size, units_key
from n2g.workflow import code_digests, job_environment, provenance
from n2g.workflow.config import complete_config
from n2g.workflow.given import given_config
from n2g.workflow.cores import Cores
from n2g.workflow.extras import require_extra
from n2g.workflow.other_models import check_other_models
from n2g.workflow.params import (
    NO_MATTER,
    as_json,
    command_options,
    explains,
    kind_of,
    kind_option,
    model_names,
    settings_given,
)
from n2g.workflow.passes import AnyBlock, parts_of, scratch_parts
from n2g.workflow.paths import block_benchmark, block_file, block_log, run_benchmark, run_file, run_log
from n2g.workflow.reproduce_targets import neurons_to_reproduce, published_records, published_then_recomputed
from n2g.workflow.rewrite_targets import layer_files, of_layer, tables_asked, tables_made
from n2g.workflow.selection import named_neuron, require_blocks, selected_blocks

BASE = Path(workflow.basedir)
LOCK = BASE / "requirements" / "run.lock"

# A file named with --configfile replaces config.yaml entirely.
with exit_with_sentence():  # instead of a traceback, before any job starts
    GIVEN = given_config(
        workflow.overwrite_configfiles or ["config.yaml"], workflow.config_settings.config_args
    )

# Snakemake knows the file, to hand it on to jobs elsewhere; its values are read above, as they are written.
if not workflow.overwrite_configfiles:

    configfile: "config.yaml"


with exit_with_sentence():
    config = complete_config(GIVEN)

with exit_with_sentence():
    CORES = Cores(
        # Snakemake in a job of a cluster may see all cores of a node, more than the job was given.
        available=None if workflow.remote_exec else workflow.global_resources["_cores"].value,
        side_by_side=workflow.global_resources["gpu"].value if "gpu" in workflow.global_resources else 1,
        passes=config["passes"],
    )
# So `shell:` commands call the `python` that runs Snakemake, if no conda environment has another.
os.environ.update(
    job_environment.variables(config["threads"], CORES.available, CORES.side_by_side, CORES.passes_at_once)
)

MODEL = Source.parse(config["model"]["source"], config["model"]["file"], config["model"]["sha256"])
TEXTS = Source.parse(config["corpus"]["source"], config["corpus"]["file"], config["corpus"]["sha256"])
MODEL_FILE = f"resources/checkpoints/{checkpoint_key(config['model'])}/checkpoint.json"


def shared(path):
    """A file outside of the results. All jobs see it, also when `--default-storage-provider` takes results elsewhere.

    Snakemake runs a job with `local` input itself where only storage is shared, as by the pods of Kubernetes.
    """
    return local(path) if workflow.storage_settings.shared_fs_usage else storage.fs(path, retrieve=False)


CHECKPOINT = shared(MODEL_FILE)

# Where latents are described: what programs that run the model read beside it.
KIND = kind_of(config)
LATENTS = KIND == "latents"
UNITS_FILE = f"resources/units/{units_key(config['units'], MODEL_FILE)}/units.json" if LATENTS else None
UNITS = shared(UNITS_FILE) if LATENTS else []
UNITS_OPTION = f" --units={UNITS_FILE}" if LATENTS else ""

# A run is computed in results/{run}. The scratch folder of `reproduce` is a run inside it, made by the same rules.
RUN = config["run"]
RECOMPUTED = f"{RUN}/recomputed"
RUN_PATTERN = rf"{re.escape(RUN)}(/recomputed)?"


def script(stage):
    """Path of a stage's program, the same in every checkout that is run from its own folder."""
    return os.path.relpath(BASE / "scripts" / f"{stage}.py")


@cache
def code_digest(stage):
    """Digest of scripts/{stage}.py and of every n2g module that it imports."""
    return code_digests.code_digest(stage, BASE / "scripts")


@cache
def lock_digest(extra="run"):
    """Digest of the pinned requirements, or of those of an extra of the environment."""
    return file_digest(LOCK.with_name(f"{extra}.lock"))


# Says in one sentence which packages are missing, unless conda environments bring them. To be called early.
needs_extra = partial(
    require_extra, "CONDA" in {m.name for m in workflow.deployment_settings.deployment_method}
)
options = partial(command_options, config)
method_settings = partial(settings_given, config)


def model_options():
    """Where and how the model runs, and what reads its latents."""
    return options(device="device", dtype="dtype") + UNITS_OPTION


def run_folder(wildcards, output):
    """The folder of the run, of whose blocks the output files are."""
    return str(Path(output[0]).parents[2])


def block_names(wildcards, output):
    """The names of the blocks that the output files belong to.

    Made from the output, it is no param that causes reruns: a smaller selection needs nothing recomputed.
    """
    folders = (path.split("/")[-3:-1] for path in output)
    return name_blocks((int(layer), Block.parse(block)) for layer, block in folders)


# The selection of neurons. Sizes are known once the model is there; until then, `all` selects none.
with exit_with_sentence():
    SIZE = latents_size(UNITS_FILE) if LATENTS else model_size(MODEL_FILE)
    SELECTED = selected_blocks(config, *(SIZE or (None, None)))
    ASKED = neurons_to_reproduce(config, SELECTED)

# What runs the texts through the model does so in passes, each for some layers; other stages take all selected blocks
# at once. Both take the neurons to reproduce, in the scratch folder, as one more part.
PASSES = parts_of(RUN, SELECTED, config["passes"], threads=CORES.of_pass)
SCRATCH = scratch_parts(RECOMPUTED, ASKED, threads=CORES.of_pass)
PARTS = [*PASSES, *SCRATCH]
WHOLE = [*parts_of(RUN, SELECTED), *SCRATCH]
ANY_BLOCK = AnyBlock(KIND)

# Jobs about all neurons use several processes, if there are enough neurons to make that worthwhile.
WIDE_THREADS = CORES.for_neurons(sum(len(block.neurons) for _, block in SELECTED))


def all_blocks(name):
    """One file of every selected block, for example all_blocks("prune.parquet")."""
    return [run_file(f"{layer}/{block}/{name}") for layer, block in SELECTED]


def atlas_target(wildcards):
    """The site of all selected neurons."""
    with exit_with_sentence():
        require_blocks(SELECTED)
    return run_file("atlas").format(run=RUN)


def neuron_target(wildcards):
    """The records of the block that holds just the neuron that the configuration names."""
    with exit_with_sentence():
        neuron = named_neuron(config)
    return block_file("render").format(run=RUN, layer=neuron.layer, block=neuron.block)
