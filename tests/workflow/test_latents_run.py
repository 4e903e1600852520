"""The whole workflow on latents whose encoders come out of a wheel, one of them again, and their export."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import planted_latents
import pytest
from test_workflow import OF_LATENTS, documented
from tiny_run import ROOT, RUN, checkout, configure, planned, snakemake
from wheels import save_wheel


@pytest.mark.slow
def test_latents_from_a_wheel_and_one_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted_latents.make(tmp_path / "made")
    encoders = tmp_path / "made" / "encoders"
    files = {
        f"saes/{path.relative_to(encoders)}": path.read_bytes()
        for path in encoders.rglob("*")
        if path.is_file()
    }
    # The same once more, of which `file` takes one.
    files |= {name.replace("saes/", "others/"): content for name, content in files.items()}
    program = {"encoders/code.py": b"raise SystemExit('this must never run')"}
    wheel = save_wheel(tmp_path / "index", "saes", files | program, monkeypatch)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()

    run = checkout(tmp_path / "run")
    (run / "model").symlink_to(tmp_path / "made" / "model")
    (run / "texts.txt").symlink_to(tmp_path / "made" / "texts" / "texts.txt")
    units = {"source": "pypi:saes==1.0", "file": "saes/layer_*", "sha256": digest, "model": "tiny"}
    units |= {"name": "Planted latents", "licence": "CC0-1.0"}
    configure(run, units=units, layers="0-1", neurons="0-1")
    status, said = snakemake(run)
    assert status == 0, said
    configure(run, units=units | {"hook": "blocks.{layer}.hook_resid_post"}, layers="0-1", neurons="0-1")
    status, said = snakemake(run, "--dry-run")
    assert status == 0, said
    assert planned(said)["inputs"] == 1, "they are converted again, but not fetched"
    configure(run, units=units, layers="0-1", neurons="0-1")
    for key in OF_LATENTS:
        about = units | {key.partition(".")[2]: "https://example.org/saes"}
        configure(run, units=about, layers="0-1", neurons="0-1")
        status, said = snakemake(run, "--dry-run")
        assert status == 0, said
        assert set(planned(said)) == documented()[key]
    configure(run, units=units, layers="0-1", neurons="0-1")
    (fetched,) = (run / "resources" / "encoders").rglob("fetched.json")
    assert set(json.loads(fetched.read_bytes())["files"]) == {n for n in files if n.startswith("saes/")}
    manifest = json.loads((run / RUN / "manifest.json").read_bytes())
    assert manifest["units"]["fetched"] == json.loads(fetched.read_bytes())
    assert {layer: len(one["sha256"]) for layer, one in manifest["units"]["layers"].items()} == {
        "0": 64,
        "1": 64,
    }
    record = json.loads((run / RUN / "1" / "00000-00001" / "render" / "L1.F1.json").read_bytes())
    assert record["status"] == "ok"
    assert (run / RUN / "atlas" / "neurons" / "L1" / "F1" / "index.html").exists()

    status, said = snakemake(run, "reproduce", "--config", "neuron=L1.F1")
    assert status == 0, said
    assert f"L1.F1 reproduced {record['digest']}" in said

    status, said = snakemake(run, "export")
    assert status == 0, said
    (uploads,) = (run / RUN / "export" / "neuronpedia" / "upload").iterdir()
    assert sorted(path.name for path in uploads.iterdir()) == ["0-res-n2g", "1-res-n2g"]
    licence = (run / RUN / "export" / "LICENCE.md").read_text()
    assert "The encoders: Planted latents. Licence: CC0-1.0." in licence

    # The benchmark of the site takes renumbered copies of latents as it does of neurons.
    program = ROOT / "benchmarks" / "pages.py"
    subprocess.run([sys.executable, program, "8", "--keep", tmp_path / "site"], cwd=run, check=True)
    pages = (tmp_path / "site" / "neurons").glob("L*/F*/index.html")
    assert sorted("/".join(page.parts[-3:-1]) for page in pages) == [
        f"L{layer}/F{number}" for layer in (0, 1) for number in range(4)
    ]
