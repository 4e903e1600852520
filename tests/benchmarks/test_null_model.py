"""The model with random weights that the scores are compared on."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from null_model import table, write_null_model  # noqa: E402


def test_every_row_is_another_of_the_same_norm(tmp_path: Path) -> None:
    trained = {"matrix": torch.randn(6, 50), "twin": torch.ones(6, 50), "gain": torch.rand(50)}
    source = tmp_path / "trained"
    source.mkdir()
    save_file(trained, source / "model.safetensors", {"format": "pt"})
    (source / "config.json").write_text("{}")
    (source / "checkpoint.json").write_text("{}")
    found = []
    for name, seed in (("one", 0), ("again", 0), ("other", 1)):
        write_null_model(source, tmp_path / name, seed)
        found.append(load_file(tmp_path / name / "model.safetensors"))
    one, again, other = found
    for name in ("matrix", "twin"):
        torch.testing.assert_close(one[name].norm(dim=1), trained[name].norm(dim=1))
        assert torch.equal(one[name], again[name])
        cosine = torch.nn.functional.cosine_similarity
        assert (cosine(one[name], trained[name]).abs() < 0.7).all()
        assert (cosine(one[name], other[name]).abs() < 0.7).all()
    assert (cosine(one["matrix"], one["twin"]).abs() < 0.7).all(), "each tensor is random in its own way"
    assert torch.equal(one["gain"], trained["gain"])
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["config.json", "model.safetensors"]


def test_both_models_stand_side_by_side() -> None:
    def summary(f1: float) -> dict:
        scores = {name: {"graph": {"f1": f1}} for name in ("top", "random")}
        return {"overall": scores, "layers": {"3": scores}}

    lines = table(summary(0.75), summary(0.25))
    assert "| `graph` | 0.750 | 0.750 | 0.250 | 0.250 |" in lines
    assert "| `graph`, layer 3 | 0.750 | 0.750 | 0.250 | 0.250 |" in lines
