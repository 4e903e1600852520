"""`python -m n2g trace` on a finished run."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_run import ROOT, RUN

from n2g import InputError, load_atlas
from n2g.queries.cli import main

PROMPT = "The heron of Cairo likes to"


@pytest.fixture(scope="module")
def run(finished: Path) -> Path:
    return finished / RUN


def traced(run: Path, capsys: pytest.CaptureFixture, *options: str) -> dict:
    main(["--run", str(run), "trace", PROMPT, "--json", *options])
    return json.loads(capsys.readouterr().out)


def test_a_prediction_is_traced_to_neurons_in_and_out_of_the_run(
    run: Path, capsys: pytest.CaptureFixture
) -> None:
    found = traced(run, capsys, "--target", " sleep", "--against", " sing", "--top", "72")
    atlas = load_atlas(run)
    assert [one["token"] for one in found["prompt"]] == [0, *atlas.tokenise(PROMPT)]
    assert (found["target"]["text"], found["against"]["text"]) == (" sleep", " sing")
    assert found["value"] == pytest.approx(found["target"]["logit"] - found["against"]["logit"], abs=1e-4)
    known = set(map(str, atlas.names()))
    assert len(found["neurons"]) == 72 and len(found["layers"]) == 3
    for one in found["neurons"]:
        assert (one["command"] is None) == (one["neuron"] in known)
        if graph := one["graph"]:
            place = one["places"][0]
            (predicted, fires) = list(atlas[one["neuron"]].predict(PROMPT))[place["position"] - 1][1:]
            assert graph["predicted"] == pytest.approx(predicted, rel=1e-5)
            assert graph["predicts"] == fires


def test_some_neurons_alone_and_their_page(run: Path, capsys: pytest.CaptureFixture, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    only = traced(run, capsys, "--neuron", "L2.N5", "--attribution", "gradient", "--html", str(page))
    assert [one["neuron"].rstrip("-") for one in only["neurons"]] == ["L2.N5"]
    assert "gradient × activation" in page.read_text() and "L2.N5" in page.read_text()
    described = traced(run, capsys, "--described")
    assert {one["neuron"].rstrip("-") for one in described["neurons"]} <= {"L0.N0", "L0.N1", "L1.N0", "L1.N1"}
    main(["--run", str(run), "trace", PROMPT, "--described"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split()[:3] == ["neuron", "share", "logit"] and len(lines) == 3 + len(
        described["neurons"]
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("",), "the prompt is empty"),
        (
            (PROMPT, "--target", "no such token"),
            "--target 'no such token' is .* tokens of the model: name exactly one",
        ),
        (
            (PROMPT, "--neuron", "L3.N0"),
            r"--neuron L3\.N0 does not exist in this model: choose from L0\.N0 to L2\.N23",
        ),
        ((PROMPT, "--neuron", "3.5"), r"'3\.5' is not a neuron"),
        ((PROMPT, "--top", "0"), "--top 0 is no number of neurons"),
        (
            (PROMPT, "--checkpoint", "nowhere/checkpoint.json"),
            "nowhere/checkpoint.json is missing or damaged",
        ),
    ],
)
def test_what_cannot_be_traced_is_said_in_a_sentence(
    run: Path, options: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        main(["--run", str(run), "trace", *options])


def test_without_the_model_its_checkpoint_is_asked_for(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "results" / "tiny")
    with pytest.raises(InputError, match=r"checkpoint\.json does not exist: run `snakemake model`, or name"):
        main(["--run", str(tmp_path / "results" / "tiny"), "trace", PROMPT])
    with pytest.raises(InputError, match=r"is a site, which has no model: name the model's checkpoint\.json"):
        main(["--run", str(run / "atlas"), "trace", PROMPT])


def test_a_site_is_enough_beside_a_model(run: Path, capsys: pytest.CaptureFixture) -> None:
    checkpoint = load_atlas(run).origin.checkpoint()
    main(["--run", str(run / "atlas"), "trace", PROMPT, "--json", "--checkpoint", str(checkpoint)])
    assert json.loads(capsys.readouterr().out) == traced(run, capsys)


def test_other_commands_start_without_pytorch() -> None:
    code = "import sys; import n2g.queries.cli; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT / "scripts", check=True)
