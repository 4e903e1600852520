"""What a neuron does, on its page and in the table: as its record says, beside what the weights name."""

from __future__ import annotations

import csv
import gzip
import json
import re
from pathlib import Path
from typing import Any

import made_atlas
import pyarrow.parquet as pq
import pytest

from n2g.site.neuron_effects import effects_context
from n2g.site.term_index import LOWERED, RAISED, TOKEN, TermIndex


@pytest.fixture(scope="module")
def atlas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_atlas.make(tmp_path_factory.mktemp("atlas"))


def record_of(atlas: Path, neuron: str) -> dict[str, Any]:
    path = atlas / "neurons" / neuron.replace(".", "/") / "record.json.gz"
    return json.loads(gzip.decompress(path.read_bytes()))


def page_of(atlas: Path, neuron: str) -> str:
    return (atlas / "neurons" / neuron.replace(".", "/") / "index.html").read_text()


def test_a_page_says_what_the_neuron_does_and_where_the_weights_agree(atlas: Path) -> None:
    page = page_of(atlas, "L0.N0")
    begin = page.index("class=does")
    part = page[begin : page.index("</section>", begin)]
    said = " ".join(re.sub(r"<[^>]*>", " ", part).split())
    assert (
        "Next-token loss −0.25 nats −0.5 to −0.12 ; entropy +0.062; loss where only its graph fires +0.001"
        in said
    )
    assert "at only 9 held-out tokens where it fires" in said
    assert "no measurable effect" not in said and "no clear sign" not in said
    assert part.count("class=both") == 2 and said.count("+75 ✓") == 2
    assert said.count("−50") == 7 and "✓: so do the weights alone" in said
    assert page.index("id=weights") > begin


def test_a_neuron_without_firings_has_no_such_part(atlas: Path) -> None:
    assert "class=does" not in page_of(atlas, "L1.N2")
    record = record_of(atlas, "L0.N0")
    assert effects_context(record | {"effects": {}}) is None
    nothing = record["effects"]["firing"] | {"places": 0, "promoted": [], "suppressed": []}
    assert effects_context(record | {"effects": {"firing": nothing}}) is None


def test_few_places_are_not_overrated(atlas: Path) -> None:
    """Tokens whose probability hardly changes are left out, and so is a sign that the interval does not show."""
    record = record_of(atlas, "L0.N0")
    effect = record["effects"]["firing"]
    small = [[token, value * 1e-3] for token, value in effect["promoted"]]
    found = effects_context(record | {"effects": {"firing": effect | {"promoted": small, "loss_high": 0.5}}})
    assert found["promoted"] == [] and len(found["suppressed"]) == len(effect["suppressed"])
    assert found["unclear"] and found["measurable"]


def test_the_search_finds_tokens_by_what_neurons_do_to_them(atlas: Path, tmp_path: Path) -> None:
    record, index = record_of(atlas, "L0.N0"), TermIndex()
    index.add(5, record)
    index.write(tmp_path)
    entries = json.loads(gzip.decompress((tmp_path / "terms" / "0.json.gz").read_bytes()))
    postings = {entry[4]: entry[5] for entry in entries if entry[1] == TOKEN}
    for role, name, strength in ((RAISED, "promoted", 75), (LOWERED, "suppressed", 50)):
        for token, _ in record["effects"]["firing"][name]:
            rows = [postings[token][at : at + 3] for at in range(0, len(postings[token]), 4)]
            assert [role, 5, strength] in rows, (role, token)
    assert "promoted when it fires" in (atlas / "search" / "index.html").read_text()


def test_dead_weight_is_named(atlas: Path) -> None:
    record = record_of(atlas, "L0.N0")
    small = record["effects"]["firing"] | {"loss_low": -0.1, "loss_high": 0.1, "divergence": 1e-5}
    found = effects_context(record | {"effects": {"firing": small}})
    assert found and not found["measurable"] and found["elsewhere"] is None


def test_the_table_ranks_by_effect(atlas: Path) -> None:
    keys = [column["key"] for column in json.loads((atlas / "data" / "table.json").read_text())["columns"]]
    assert keys.index("loss") + 1 == keys.index("divergence") > keys.index("depth")
    with (atlas / "data" / "neurons.csv").open() as file:
        found = {row["id"]: (row["loss"], row["divergence"]) for row in csv.DictReader(file)}
    assert found["L0.N0"] == ("-0.25", "0.03")
    assert found["L1.N2"] == ("", "")


def test_the_table_of_effects_can_be_downloaded(atlas: Path) -> None:
    rows = pq.read_table(atlas / "data" / "tables" / "effects.parquet").to_pylist()
    assert [(row["layer"], row["set"]) for row in rows] == [
        (layer, name) for layer in (0, 1) for name in ("false-positive", "firing")
    ]
