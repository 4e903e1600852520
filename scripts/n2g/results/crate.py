"""A finished run as an RO-Crate, the standard form of its manifest: the run's folder with `ro-crate-metadata.json`.

Profile: Workflow Run Crate 0.5, a run of a workflow that is part of the crate. All that it says comes from the
manifest and from the files, so the same run gives the same bytes.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rocrate.model import ContextEntity
from rocrate.model.entity import Entity
from rocrate.rocrate import ROCrate

from n2g.files.contracts import CONTRACTS
from n2g.files.digests import file_digest
from n2g.files.tables import read_json
from n2g.ids import Block
from n2g.workflow.provenance import pinned

WORKFLOW = "workflow"  # folder of the crate with a copy of the checkout
LOCK = f"{WORKFLOW}/requirements/run.lock"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
TERMS = "https://w3id.org/ro/terms/workflow-run/context"
MIT = "https://spdx.org/licenses/MIT"
MEANINGS = {
    "manifest.json": "Provenance, with digests, and the cost of each stage.",
    "summary.json": "Mean scores of every predictor, by layer and test set.",
    "corpus.json": "Counts of the tokenised texts.",
    "tokens.npy": "All texts as token ids, concatenated.",
}
FORMATS = {
    "": "text/plain",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".lock": "text/plain",
    ".parquet": "application/vnd.apache.parquet",
    ".txt": "text/plain",
}
KINDS = {bool: "Boolean", int: "Integer", float: "Float"}  # all else is text
REGISTRIES = {"pypi": "pypi", "hf": "huggingface"}  # of package URLs


def describe(run: Path, files: Sequence[str], blocks: Iterable[tuple[int, Block]]) -> dict[str, Any]:
    """The content of `ro-crate-metadata.json`.

    Args:
        run: the run's folder, with `manifest.json`, `atlas/` and `workflow/`.
        files: results of the whole run, relative to the folder.
        blocks: the selected blocks, each with its layer.
    """
    manifest = read_json(run / "manifest.json")
    config = manifest["config"]
    crate = ROCrate(version="1.1")
    crate.metadata.extra_contexts.append(TERMS)
    crate.datePublished = manifest["finished"]
    crate.name = f"Neuron Atlas: {config['run']}"
    of_latents = "units" in manifest
    described = f"Latents of {_name(manifest, 'units')}, which read" if of_latents else "Neurons of"
    crate.description = (
        f"{described} {_name(manifest, 'model')}, as small graphs, fitted to {_name(manifest, 'corpus')}."
    )
    crate.license = _add(crate, "#licence", "CreativeWork", **_licence(manifest))
    crate.root_dataset["conformsTo"] = [
        _add(crate, address, "CreativeWork", name=name, version=version)
        for address, (name, version) in PROFILES.items()
    ]
    workflow = _workflow(crate, run, manifest)
    inputs = [_input(crate, manifest, part) for part in ("model", "corpus", "units") if part in manifest]
    values = [
        _value(crate, name, value) for name, value in _flat(config | {"settings": manifest["settings"]})
    ]
    workflow["input"] = [entity["exampleOfWork"] for entity in inputs + values]

    results = [crate.add_file(dest_path=name, properties=_about(run / name)) for name in files]
    results.append(crate.add_dataset(dest_path="atlas", properties={"name": "The site"}))
    for layer, block in blocks:
        kind = "latents" if of_latents else "neurons"
        name = f"Layer {layer}, {kind} {block.first} to {block.last}: tables, graphs and records"
        results.append(crate.add_dataset(dest_path=f"{layer}/{block}", properties={"name": name}))
    action = crate.add_action(
        workflow,
        "#execution",
        inputs + values,
        results,
        {
            "name": f"Run {config['run']}",
            "description": f"On {manifest['hardware']}, Python {manifest['python']}, {manifest['platform']}.",
            "endTime": manifest["finished"],
            "actionStatus": "http://schema.org/CompletedActionStatus",
        },
    )
    crate.get("manifest.json")["about"] = action
    crate.root_dataset["mentions"] = [action, *inputs]
    return crate.metadata.generate()


def _add(crate: ROCrate, address: str, kind: str, /, **properties: Any) -> Entity:
    """Add something that is no file; properties without a value are left out."""
    known = {name: value for name, value in properties.items() if value is not None}
    return crate.add(ContextEntity(crate, address, {"@type": kind, **known}))


def _about(path: Path, **properties: Any) -> dict[str, Any]:
    """The properties of a file of the crate."""
    meaning = CONTRACTS[path.stem].meaning if path.suffix == ".parquet" else MEANINGS.get(path.name)
    return {
        "name": path.name,
        **({"description": meaning} if meaning else {}),
        "encodingFormat": _format(path.name),
        "contentSize": str(path.stat().st_size),
        "sha256": file_digest(path),
        **properties,
    }


def _format(name: str) -> str:
    return FORMATS.get(Path(name).suffix, "application/octet-stream")


def _workflow(crate: ROCrate, run: Path, manifest: Mapping[str, Any]) -> Entity:
    """Add the workflow: a copy of the checkout, whose Snakefile is the crate's main entity."""
    code, snakefile = manifest["code"], f"{WORKFLOW}/Snakefile"
    description = f"Git commit {code['commit'] or 'unknown'}; SHA-256 over all sources {code['digest']}."
    crate.add_dataset(
        dest_path=WORKFLOW, properties={"name": "The workflow, with the configuration of this run"}
    )
    lock = crate.add_file(
        dest_path=LOCK, properties=_about(run / LOCK, description="The pinned requirements.")
    )
    properties = _about(
        run / snakefile, name="Neuron Atlas", description=description, version=code["version"]
    )
    workflow = crate.add_workflow(
        dest_path=snakefile,
        properties=properties,
        main=True,
        lang="snakemake",
        lang_version=pinned(run / LOCK)["snakemake"],
    )
    workflow["license"] = _add(crate, MIT, "CreativeWork", name="MIT License", identifier=MIT)
    workflow["softwareRequirements"] = lock
    return workflow


def _input(crate: ROCrate, manifest: Mapping[str, Any], part: str) -> Entity:
    """Add the model, the texts or the encoders: files that are not in the crate, named by their digests (RFC 6920).

    Of encoders in a local folder these are the files that they were converted to.
    """
    about, fetched = manifest["config"][part], manifest[part]["fetched"]
    source = fetched["source"] if fetched else {"kind": "local"}
    known = (
        fetched["files"]
        if fetched
        else {f"layer_{layer}.safetensors": one["sha256"] for layer, one in manifest[part]["layers"].items()}
    )
    files = []
    for name, digest in known.items():
        address = f"ni:///sha-256;{urlsafe_b64encode(bytes.fromhex(digest)).decode().rstrip('=')}"
        properties = {"name": name, "encodingFormat": _format(name), "sha256": digest}
        files.append(crate.add_file(address, properties=properties))
    registry = REGISTRIES.get(source["kind"])
    return _add(
        crate,
        f"#{part}",
        "Collection",
        name=_name(manifest, part),
        identifier=f"pkg:{registry}/{source['name']}@{source['version']}" if registry else None,
        license=about["licence"],
        url=about["url"],
        hasPart=files if files[1:] else files[0],
        mainEntity=files[0],
        exampleOfWork=_parameter(crate, part, "Collection"),
    )


def _value(crate: ROCrate, name: str, value: Any) -> Entity:
    """Add a key of the configuration with its value; what is no text, number or truth value is given as JSON."""
    plain = value if isinstance(value, str | bool | int | float) else json.dumps(value)
    slot = _parameter(crate, name, KINDS.get(type(value), "Text"))
    return _add(crate, f"#values/{name}", "PropertyValue", name=name, value=plain, exampleOfWork=slot)


def _parameter(crate: ROCrate, name: str, kind: str) -> Entity:
    return crate.add_formal_parameter(name, kind, f"#parameters/{name}")


def _flat(config: Mapping[str, Any], above: str = "") -> Iterable[tuple[str, Any]]:
    """The dotted path of every key, and its value, in the order of the paths."""
    for key, value in sorted(config.items()):
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _name(manifest: Mapping[str, Any], part: str) -> str:
    fetched = manifest[part]["fetched"]
    named = fetched["source"]["name"] if fetched else Path(manifest["config"][part]["source"]).name
    return manifest["config"][part]["name"] or named


def _licence(manifest: Mapping[str, Any]) -> dict[str, str]:
    texts = manifest["config"]["corpus"]["licence"] or "not stated"
    return {
        "name": f"MIT; quotations: {texts}",
        "description": "Graphs, sentences, scores and statistics may be used under the MIT licence, as Neuron Atlas "
        f"itself. Quotations stay under the licence of the texts: {texts}.",
    }
