"""The built site as files: complete, without links that lead nowhere, without foreign hosts."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import fake_records
import pytest
from made_atlas import ADDRESS, EXPECTED, ROOT, make, pages

from n2g.errors import InputError
from n2g.site import neuron_page, search_indexes
from n2g.site.build import build
from n2g.site.inputs import SiteInputs
from n2g.site.summary_figures import best_first, worst_first
from n2g.site.table_rows import f1, row
from n2g.site.wording import number


@pytest.fixture(scope="module")
def atlas(tmp_path_factory) -> Path:
    return make(tmp_path_factory.mktemp("site"))


class Page(HTMLParser):
    """Links, scripts and ids of a page."""

    def __init__(self, path: Path):
        super().__init__()
        self.links: list[str] = []
        self.tags: list[tuple[str, dict]] = []
        self.ids: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        self.links += [attributes[name] for name in ("href", "src") if attributes.get(name)]
        if "id" in attributes:
            self.ids.append(attributes["id"])


def test_every_neuron_has_a_page_and_a_record(atlas):
    for neuron in EXPECTED:
        page = atlas / "neurons" / f"{neuron.replace('.', '/')}" / "index.html"
        assert page.is_file()
        packed = (page.parent / "record.json.gz").read_bytes()
        assert json.loads(gzip.decompress(packed))["id"] == neuron


def test_manifest_names_every_download(atlas):
    data = atlas / "data"
    files = json.loads((data / "manifest.json").read_text())["files"]
    paths = {file["path"] for file in files}
    assert {"summary.json", "neurons.csv", "records/layer-0.jsonl.gz", "records/layer-1.jsonl.gz"} <= paths
    assert {"tables/connections.parquet", "tables/similar.parquet"} <= paths
    for file in files:
        content = (data / file["path"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == file["sha256"]
        assert len(content) == file["bytes"]
    assert "Each row: one of a neuron" in (atlas / "downloads/index.html").read_text()
    listed = Page(atlas / "downloads/index.html").links
    assert all(f"../data/{path}" in listed for path in paths)


def test_record_lines_leave_out_excerpts(atlas):
    lines = gzip.decompress((atlas / "data/records/layer-1.jsonl.gz").read_bytes()).splitlines()
    records = [json.loads(line) for line in lines]
    assert [record["id"] for record in records] == [f"L1.N{neuron}" for neuron in range(4)]
    assert all("examples" not in record and "vocabulary" not in record for record in records)
    assert records[0]["graph"]["nodes"] and records[0]["explanation"].startswith("Fires on")


def test_measurements_show_every_score_with_its_interval(atlas):
    page = (atlas / "measurements/index.html").read_text()
    assert page.count("0.55–0.65") == 3 * 2 * len(fake_records.PREDICTORS)


def test_the_first_page_counts_the_documents(atlas):
    page = (atlas / "index.html").read_text()
    assert (
        "4,000 kept of 5,003 that were read from 2 files; left out: 3 without text, 1 as copies of others"
        in page
    )
    assert "997 beyond the limit of tokens; files in other formats: 4 .csv, 1 .pdf" in page


def test_what_your_text_finds_is_said_with_its_errors(atlas):
    """Counted over all firing tokens of random test texts: of 8 predicted ones 5, of 9 real ones 5, for each neuron."""
    page = (atlas / "fires/index.html").read_text()
    assert "a precision of 62 % and a recall of 56 %" in page


def test_no_score_where_nothing_fires():
    scores = {"f1": 0.0, "firing": 0}
    assert f1(scores) is None
    assert f1({"f1": 0.5, "firing": 2}) == 0.5


def test_status_pages_say_why(atlas):
    dead = (atlas / "neurons/L1/N2/index.html").read_text()
    failed = (atlas / "neurons/L1/N3/index.html").read_text()
    assert "never fires" in dead
    assert "&lt;b&gt;Out of memory&lt;/b&gt;" in failed


def test_changes_since_another_run(atlas):
    page = (atlas / "changes/index.html").read_text()
    assert "the run <strong>&lt;b&gt;old&lt;/b&gt;</strong>" in page
    assert "The runs have 7 neurons in common: 5 unchanged, 2 changed." in page
    assert "<ins>&lt;script&gt;window.hacked=1&lt;/script&gt;</ins> 0.50" in page
    assert "0.25 → 0.75" in page and "dead → ok" in page
    links = Page(atlas / "changes/index.html").links
    assert {"../neurons/L0/N1/index.html", "../neurons/L1/N3/index.html"} <= set(links)
    assert "../neurons/L9/N9/index.html" not in links and "L9.N9" in page


def test_missing_record_fails_the_build(tmp_path):
    with pytest.raises(InputError, match=r"1 selected neurons have no record, L0.N9 first"):
        make(tmp_path, (*EXPECTED, "L0.N9"))
    assert not (tmp_path / "atlas").exists()


def test_no_dead_links(atlas):
    for path in pages(atlas):
        page = Page(path)
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or link.startswith("data:"):
                continue
            place = unquote(parts.path)
            if path.name == "404.html":  # it is shown in place of any page, so its links begin at the host
                place = atlas / place.removeprefix(urlsplit(ADDRESS).path)
            target = (path.parent / place).resolve() if parts.path else path
            assert target.is_file(), f"{path.relative_to(atlas)} -> {link}"
            if parts.fragment and target.suffix == ".html":
                assert parts.fragment in Page(target).ids, f"{path.relative_to(atlas)} -> {link}"


def test_nothing_is_loaded_from_other_hosts(atlas):
    for path in pages(atlas):
        for tag, attributes in Page(path).tags:
            loaded = tag == "link" and attributes["rel"] != "canonical"
            source = attributes.get("src") or (attributes.get("href") if loaded else None) or ""
            assert not urlsplit(source).netloc, f"{path}: {source}"
    for path in atlas.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//", path.read_text(encoding="utf-8")), path


MOVED = {"layers/0": "layers/L0", "layers/1": "layers/L1", "tokens": "search", "patterns": "search"}


def test_pages_name_their_address_if_it_is_known(atlas, tmp_path):
    def named(path: Path) -> set[str]:
        tags = Page(path).tags
        links = {a["href"] for t, a in tags if t == "link" and a["rel"] == "canonical"}
        cards = {a["content"] for t, a in tags if t == "meta" and a.get("property") == "og:url"}
        assert links == cards or "This page has moved" in path.read_text()
        return links

    for path in pages(atlas):
        place = path.relative_to(atlas).as_posix().removesuffix("index.html")
        now = MOVED.get(place.rstrip("/"), place.rstrip("/")) + "/" * place.endswith("/")
        assert named(path) == (set() if place == "404.html" else {ADDRESS + now}), path
    unknown = make(tmp_path, site_url=None)
    assert not any(map(named, pages(unknown)))


def test_the_card_is_named_by_its_address_if_that_is_known(atlas, tmp_path):
    def named(path: Path) -> list[str]:
        return [a["content"] for t, a in Page(path).tags if t == "meta" and a.get("property") == "og:image"]

    for path in pages(atlas):
        assert named(path) == [ADDRESS + "card.png"] or "This page has moved" in path.read_text(), path
    assert (atlas / "card.png").read_bytes().startswith(b"\x89PNG")
    unknown = make(tmp_path, site_url=None)
    assert not any(map(named, pages(unknown))) and not (unknown / "card.png").exists()


def test_files_of_groups_are_as_long_as_scripts_expect():
    script = (ROOT / "site/static/js/site.js").read_text()
    assert f"[GROUP, CARDS] = [{search_indexes.GROUP}, {search_indexes.CARDS}]" in script


def test_policy_on_every_page(atlas):
    for path in pages(atlas):
        policies = [
            a["content"] for t, a in Page(path).tags if a.get("http-equiv") == "Content-Security-Policy"
        ]
        assert len(policies) == 1, path
        assert "default-src 'self'" in policies[0]
        assert not re.search("unsafe|http|sha|nonce", policies[0])
        inline = [a for t, a in Page(path).tags if t == "script" and "src" not in a]
        assert all(a.get("type") == "application/json" for a in inline), path
        assert not any(t == "style" or "style" in a for t, a in Page(path).tags), path


def test_ids_are_unique_and_no_handlers(atlas):
    for path in pages(atlas):
        page = Page(path)
        assert len(page.ids) == len(set(page.ids)), path
        assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes), path


def test_same_bytes_again(atlas, tmp_path):
    again = make(tmp_path)
    for path in sorted(atlas.rglob("*")):
        if path.is_file():
            assert path.read_bytes() == (again / path.relative_to(atlas)).read_bytes(), path


def test_the_site_does_not_depend_on_how_many_processes_make_it(tmp_path):
    renders = fake_records.write(tmp_path, neurons=40)  # more than one group of neurons
    expected = tuple(f"L{layer}.N{neuron}" for layer in range(2) for neuron in range(40))
    atlas = SiteInputs(fake_records.CONFIG, fake_records.summary(), expected)
    found = []
    for processes in (1, 2):
        build(atlas, renders, ROOT / "site", tmp_path / "docs", tmp_path / "atlas", processes)
        paths = (path for path in (tmp_path / "atlas").rglob("*") if path.is_file())
        found.append({path: path.read_bytes() for path in paths})
    assert found[0].keys() == found[1].keys()
    assert [path for path in found[0] if found[0][path] != found[1][path]] == []


def test_both_poles_have_pages_that_lead_to_each_other(tmp_path):
    (render,) = fake_records.write(tmp_path, layers=1)
    record = json.loads((render / "L0.N1.json").read_text(encoding="utf-8"))
    other = json.dumps(record | {"id": "L0.N1-", "pole": "negative"})
    (render / "L0.N1-.json").write_text(other, encoding="utf-8")
    atlas = SiteInputs(fake_records.CONFIG, fake_records.summary(1), ("L0.N1", "L0.N1-"))
    build(atlas, [render], ROOT / "site", tmp_path / "docs", tmp_path / "atlas")
    pages = tmp_path / "atlas/neurons/L0"
    assert "../../L0/N1-/index.html" in Page(pages / "N1/index.html").links
    assert "../../L0/N1/index.html" in Page(pages / "N1-/index.html").links
    own, opposite = ((pages / name / "index.html").read_text(encoding="utf-8") for name in ("N1", "N1-"))
    assert "negative pole" in opposite
    threshold = number(record["statistics"]["maximum"] / 2)
    assert f"(at {threshold} or above)" in own and f"(at −{threshold} or below)" in opposite
    assert "from −0.5 to 2" in own and "from −2 to 0.5" in opposite


def test_a_side_without_activations_is_not_the_stronger_one(tmp_path: Path) -> None:
    (render,) = fake_records.write(tmp_path, layers=1)
    record = json.loads((render / "L0.N1.json").read_text(encoding="utf-8"))
    quiet = record["statistics"] | {"lowest": 0.0, "highest": 0.0}
    assert not neuron_page.context(record | {"statistics": quiet}, None)["about"]["weaker"]


def test_the_activation_panel_tells_the_two_thresholds_apart(tmp_path: Path) -> None:
    (render,) = fake_records.write(tmp_path, layers=1)
    record = json.loads((render / "L0.N1.json").read_text(encoding="utf-8"))
    found = neuron_page.context(record, None)
    decision, maximum = record["graph"]["decision_threshold"], record["statistics"]["maximum"]
    assert f"decision threshold, {number(decision)}." in found["plot"]["caption"]
    assert f"firing threshold, {number(maximum / 2)}," in found["plot"]["caption"]
    marks = dict(found["plot"]["marks"])
    assert (marks["decision"] < marks["firing"]) == (decision < maximum / 2)
    assert ("Maximum, training", number(maximum)) in [entry[:2] for entry in found["statistics"]]


def test_written_pages_are_in_the_navigation(atlas):
    assert (atlas / "about/method/index.html").is_file()
    assert "about/method/index.html" in Page(atlas / "index.html").links


def test_neurons_are_ranked_by_what_their_f1_is_at_least() -> None:
    def one(name: str, hits: int, errors: int) -> dict:
        counts = {"true_positives": hits, "false_positives": errors, "false_negatives": 0}
        scores = {"graph": counts | {"firing": max(hits, 1), "f1": hits / max(hits + errors / 2, 1)}}
        return row({"id": name, "layer": 0, "status": "ok", "metrics": {"top": scores}})

    lucky, proven, idle = one("L0.N0", 2, 0), one("L0.N1", 95, 5), one("L0.N2", 0, 0) | {"f1_low": None}
    assert lucky["f1"] > proven["f1"]
    assert [found["id"] for found in sorted((idle, lucky, proven), key=best_first)] == [
        "L0.N1",
        "L0.N0",
        "L0.N2",
    ]
    unlucky, bad = one("L0.N3", 0, 2), one("L0.N4", 1, 40)
    assert unlucky["f1"] < bad["f1"]
    assert [found["id"] for found in sorted((lucky, unlucky, bad), key=worst_first)] == [
        "L0.N4",
        "L0.N3",
        "L0.N0",
    ]
