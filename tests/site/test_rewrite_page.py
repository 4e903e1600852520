"""The page of rewritten layers, and what other pages say of it."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import fake_records
import made_atlas
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from n2g.site.build import build
from n2g.site.inputs import SiteInputs
from n2g.site.plots import intervals


@pytest.fixture(scope="module")
def atlas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_atlas.make(tmp_path_factory.mktemp("site"))


def text_of(page: Path) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", page.read_text()).split())


def test_the_page_says_what_is_recovered(atlas: Path) -> None:
    said = text_of(atlas / "rewrite" / "index.html")
    assert "4 neurons, rewritten by the graphs of one pole. 19,580 tokens of 210 documents." in said
    assert "Graphs 2.9219 0.0469 0.62 0.50–0.75 0.0469 0.62 0.50–0.75" in said
    assert "Zero 3.3125 0.4375 −2.50 −2.62–−2.38 0.4375" in said
    assert "L0.N0 20 0.50 0.25 0.62 0.75 0.12" in said
    assert "L0.N1 0 – – – – –" in said
    assert (atlas / "rewrite" / "index.html").read_text().count("class=line") == 14


def test_the_table_and_the_neuron_s_page_have_the_share(atlas: Path) -> None:
    with (atlas / "data" / "neurons.csv").open() as file:
        kept = {row["id"]: row["kept"] for row in csv.DictReader(file)}
    assert kept == {**dict.fromkeys(made_atlas.EXPECTED, ""), "L0.N0": "0.5"}
    assert "data-key=kept" in (atlas / "table" / "index.html").read_text().replace('"', "")
    assert "Effect kept" in text_of(atlas / "layers" / "L0" / "index.html")
    assert "0.50 of the neuron’s effect" in text_of(atlas / "neurons" / "L0" / "N0" / "index.html")
    assert "effect on the model" not in text_of(atlas / "neurons" / "L0" / "N1" / "index.html")


def test_the_tables_can_be_downloaded(atlas: Path) -> None:
    table = pq.read_table(atlas / "data" / "tables" / "rewrite.parquet").to_pylist()
    assert [row["layer"] for row in table] == [0] * 9
    assert "tables/rewrite_neurons.parquet" in (atlas / "downloads" / "index.html").read_text()


def test_without_rewritten_layers_nothing_is_said_of_them(tmp_path: Path) -> None:
    renders = fake_records.write(tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "method.md").write_text("# Method\n")
    found = SiteInputs(fake_records.CONFIG, fake_records.summary(), made_atlas.EXPECTED)
    build(found, renders, made_atlas.ROOT / "site", tmp_path / "docs", tmp_path / "atlas")
    assert not (tmp_path / "atlas" / "rewrite").exists()
    assert not (tmp_path / "atlas" / "data" / "tables" / "rewrite.parquet").exists()
    for page in ("index.html", "table/index.html", "neurons/L0/N0/index.html", "measurements/index.html"):
        assert "ewritten" not in (tmp_path / "atlas" / page).read_text()
        assert "Effect kept" not in (tmp_path / "atlas" / page).read_text()


ENDS = st.tuples(st.floats(-1e6, 1e6), st.floats(0, 1e6), st.floats(0, 1e6))


@given(st.lists(st.lists(ENDS, max_size=4), min_size=1, max_size=5))
def test_every_point_lies_in_the_plot(groups: list[list[tuple[float, float, float]]]) -> None:
    given = [
        (str(at), [("graph", value, value - low, value + high) for value, low, high in points])
        for at, points in enumerate(groups)
    ]
    plot = intervals(given)
    if plot is None:
        assert not any(groups)
        return
    assert len(plot["marks"]) == sum(map(len, groups))
    assert len({mark["x"] for mark in plot["marks"]}) == len(plot["marks"])
    for mark in plot["marks"]:
        assert 0 <= mark["high"] <= mark["y"] <= mark["low"] <= plot["height"]
        assert 0 < mark["x"] < plot["width"]
    assert plot["ticks"][-1] == (0, "1")
