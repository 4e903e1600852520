# Paths, selections and params that every rule file uses. Only pure functions of wildcards and configuration.
import os
import json
import shlex
import sys
from functools import cache
from pathlib import Path

sys.path.insert(0, f"{workflow.basedir}/scripts")
# `shell:` commands call `python`: without a conda environment, the one that runs Snakemake.
if str(Path(sys.executable).parent) not in os.get_exec_path():
    os.environ.update(PATH=os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()]))

from n2g import provenance
from n2g.checkpoint import checkpoint_key, read_description
from n2g.config import check_selection, complete_config
from n2g.errors import InputError
from n2g.ids import BLOCK_PATTERN, LAYER_PATTERN, NeuronId, parse_numbers, to_blocks
from n2g.sources import Source, wanted_files

BASE = Path(workflow.basedir)

try:
    config = complete_config(config)
except InputError as error:  # one sentence instead of a traceback, before any job starts
    sys.exit(str(error))

RUN = f"results/{config['run']}"
MODEL = Source.parse(config["model"]["source"], config["model"]["file"], config["model"]["sha256"])
TEXTS = Source.parse(config["corpus"]["source"], config["corpus"]["file"], config["corpus"]["sha256"])
CHECKPOINT = f"resources/checkpoints/{checkpoint_key(config['model'])}/checkpoint.json"


# Paths. Block files carry the wildcards {layer} and {block}; run files have none.


def run_file(name):
    return f"{RUN}/{name}"


def block_file(name):
    return f"{RUN}/{{layer}}/{{block}}/{name}"


def run_log(stage):
    return f"{RUN}/logs/{stage}.log"


def block_log(stage):
    return f"{RUN}/logs/{stage}/{{layer}}/{{block}}.log"


def run_benchmark(stage):
    return f"{RUN}/benchmarks/{stage}.tsv"


def block_benchmark(stage):
    return f"{RUN}/benchmarks/{stage}/{{layer}}/{{block}}.tsv"


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
    return provenance.file_digest(BASE / "requirements" / "run.lock")


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
    return RUN


def activation_options():
    """What the pass over the corpus reads of the configuration."""
    poles = ",".join(config["poles"])
    return f"--poles {poles} {model_options()}"


def model_options():
    """Where and how the model runs."""
    return options(device="device", dtype="dtype", threads="threads")


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


# The selection of neurons.


def model_size():
    """(layers, neurons a layer) of the model once it is there, else (None, None)."""
    if not Path(CHECKPOINT).exists():
        return None, None
    model = read_description(CHECKPOINT)
    check_selection(config, model.n_layers, model.d_mlp)
    return model.n_layers, model.d_mlp


def layers():
    """The selected layers; none as long as `all` is selected and the model is not there."""
    count, _ = model_size()
    return parse_numbers(config["layers"], count) if count or config["layers"] != "all" else []


def blocks(layer):
    """The blocks of the neurons selected in a layer (the same in every layer)."""
    _, count = model_size()
    numbers = parse_numbers(config["neurons"], count) if count or config["neurons"] != "all" else []
    return [str(block) for block in to_blocks(numbers, config["block_size"])]


def all_blocks(name):
    """One file of every selected block, for example all_blocks("prune.parquet")."""
    return [
        block_file(name).format(layer=layer, block=block) for layer in layers() for block in blocks(layer)
    ]


def atlas_target(wildcards):
    """The site of all selected neurons."""
    if not all_blocks("render"):
        sys.exit("layers: 'all' can only be resolved once the model is there: run `snakemake model` first.")
    return run_file("atlas")


def neuron_target(wildcards):
    """The page data of the neuron that the configuration names."""
    if config["neuron"] is None:
        sys.exit("neuron: is not set: name one, as in --config neuron=L3.N42.")
    neuron = NeuronId.parse(config["neuron"])
    return block_file("render").format(layer=neuron.layer, block=neuron.block)


try:
    model_size()
except InputError as error:
    sys.exit(str(error))
