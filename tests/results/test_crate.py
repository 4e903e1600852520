"""A run's folder as an RO-Crate: it opens again, and every file and digest is as it says."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from rocrate.rocrate import ROCrate
from tiny_run import RUN, snakemake

from n2g.files.digests import file_digest, files_digest
from n2g.ids import Block
from n2g.results.crate import describe
from n2g.workflow.code_digests import SOURCES, source_files

BLOCKS = [(0, Block(0, 1)), (1, Block(0, 1))]
FILES = ["manifest.json", "summary.json", "patterns.parquet", "similar.parquet"]
FILES += [
    f"corpus/{name}" for name in ("corpus.json", "tokens.npy", "documents.parquet", "vocabulary.parquet")
]


@pytest.fixture(scope="module")
def described(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the small run after `snakemake crate`; tests only read it."""
    folder = shutil.copytree(finished, tmp_path_factory.mktemp("crate") / "run", symlinks=True)
    status, said = snakemake(folder, "crate", "--rerun-triggers", "mtime")  # a moved site is the same
    assert status == 0, said
    return folder / RUN


def test_the_crate_opens_again_with_every_file(described: Path) -> None:
    crate = ROCrate(described)
    inside = [part for part in crate.data_entities if not part.id.startswith("ni:")]
    assert {part.id for part in inside if part.type == "File"} == {*FILES, "workflow/requirements/run.lock"}
    for part in inside:
        assert (described / part.id).is_dir() if part.type == "Dataset" else (described / part.id).is_file()
        if part.type != "Dataset":
            assert part["sha256"] == file_digest(described / part.id)
            assert part["contentSize"] == str((described / part.id).stat().st_size)
    assert crate.mainEntity.id == "workflow/Snakefile"
    assert crate.mainEntity["programmingLanguage"]["name"] == "Snakemake"


def test_the_crate_says_what_the_manifest_says(described: Path) -> None:
    manifest = json.loads((described / "manifest.json").read_text())
    crate = ROCrate(described)
    (action,) = crate.get_by_type("CreateAction")
    assert action["instrument"] is crate.mainEntity
    assert action["endTime"] == crate.root_dataset["datePublished"] == manifest["finished"]
    assert {"atlas/", "0/00000-00001/", *FILES} <= {result.id for result in action["result"]}
    given = {one["name"]: one["value"] for one in action["object"] if one.type == "PropertyValue"}
    assert given["layers"] == "0-1" and given["seed"] == 0
    assert given["settings.prefix_length"] == 4 and json.loads(given["corpus.max_tokens"]) is None
    for part in ("model", "corpus"):
        files = crate.get(f"#{part}")["hasPart"]
        digests = {one["name"]: one["sha256"] for one in (files if isinstance(files, list) else [files])}
        assert digests == manifest[part]["fetched"]["files"]
    slots = list(crate.mainEntity["input"])
    assert [one["exampleOfWork"] for one in action["object"]] == slots
    assert {slot.type for slot in slots} == {"FormalParameter"}


def test_the_workflow_is_in_the_crate_as_it_ran(described: Path) -> None:
    manifest = json.loads((described / "manifest.json").read_text())
    copy = described / "workflow"
    assert files_digest(source_files(copy, SOURCES), copy) == manifest["code"]["digest"]
    assert yaml.safe_load((copy / "config.yaml").read_text()) == manifest["config"]


def test_the_same_run_gives_the_same_bytes(described: Path) -> None:
    written = json.loads((described / "ro-crate-metadata.json").read_text())
    assert describe(described, FILES, BLOCKS) == written
    assert str(described.parents[1]) not in json.dumps(written)


@pytest.mark.parametrize("downloaded", [True, False])
def test_the_encoders_of_latents_are_in_it(described: Path, tmp_path: Path, downloaded: bool) -> None:
    run = Path(shutil.copytree(described, tmp_path / "run"))
    manifest = json.loads((run / "manifest.json").read_text())
    source = {"kind": "pypi", "name": "saes", "version": "1.0"}
    fetched = {
        "source": source,
        "files": {"layer_3/cfg.json": "12" * 32, "layer_3/sae.safetensors": "34" * 32},
    }
    layers = {"3": {"hook": "blocks.3.hook_resid_post", "sha256": "56" * 32}}
    manifest["units"] = {"fetched": fetched if downloaded else None, "layers": layers}
    manifest["config"]["units"] = {"source": "encoders/saes", "name": None, "licence": "CC0-1.0", "url": None}
    (run / "manifest.json").write_text(json.dumps(manifest))
    (run / "ro-crate-metadata.json").write_text(json.dumps(describe(run, FILES, BLOCKS)))
    crate = ROCrate(run)
    encoders = crate.get("#units")
    assert (encoders["name"], encoders["license"]) == ("saes", "CC0-1.0")
    parts = encoders["hasPart"]
    digests = {one["sha256"] for one in (parts if isinstance(parts, list) else [parts])}
    assert digests == ({"12" * 32, "34" * 32} if downloaded else {"56" * 32})
    assert crate.description.startswith("Latents of saes, which read ")
    assert crate.get("0/00000-00001/")["name"].startswith("Layer 0, latents 0 to 1")


def test_a_crate_of_code_that_did_not_run_is_refused(described: Path, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "files.md").write_text("edited")
    script = [sys.executable, described.parents[1] / "scripts" / "crate.py", "--run", described]
    options = ["--blocks", "0-1/00000-00001", "--files", described / "summary.json", "--base", tmp_path]
    done = subprocess.run(
        [*script, *options, "--output", tmp_path / "out.json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "The code was edited" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out.json").exists()
