"""Queries to a finished run: as objects and on the command line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
from browsing import served
from tiny_run import RUN

from n2g import InputError, load_atlas
from n2g.files import tables
from n2g.files.contracts import VERSION
from n2g.files.tables import read_table, write_rows
from n2g.graphs.trie import NeuronGraph
from n2g.queries import run_reader
from n2g.queries.atlas import Atlas
from n2g.queries.cli import main
from n2g.queries.comparison import compare
from n2g.queries.notebook import neuron_html
from n2g.results.stored_records import VERSION as VERSION_OF_RECORDS

TEXT = "The heron of Cairo likes to sing in the evening, but never when it rains."


@pytest.fixture(scope="module")
def run(finished: Path) -> Path:
    return finished / RUN


@pytest.fixture(scope="module")
def atlas(run: Path) -> Atlas:
    return load_atlas(run)


def firing(atlas: Atlas, text: str) -> set[tuple[int, str]]:
    """(position, neuron) where any graph fires, by the graphs themselves."""
    found = set()
    tokens = atlas.tokenise(text)
    for name in atlas.names():
        graph = NeuronGraph.from_dict(atlas[name].record["graph"])
        for position, value in enumerate(graph.predict(tokens)):
            if value > 0 and value >= graph.decision_threshold:
                found.add((position, str(name)))
    return found


def test_an_atlas_has_every_neuron(atlas: Atlas, run: Path) -> None:
    assert [str(name) for name in atlas.names()] == ["L0.N0", "L0.N1", "L1.N0", "L1.N1"]
    neuron = atlas["L1.N0"]
    block = run / "1" / "00000-00001"
    assert neuron.record == json.loads((block / "render" / "L1.N0.json").read_text())
    assert neuron.draw() == (block / "render" / "L1.N0.svg").read_text()
    assert nx.is_arborescence(neuron.graph)
    with pytest.raises(InputError, match=r"L7\.N0 is not part of the run"):
        atlas["L7.N0"]
    with pytest.raises(InputError, match="is not a finished run"):
        load_atlas(run / "logs")


def test_tables_are_frames(atlas: Atlas) -> None:
    statistics = atlas.table("statistics")
    assert list(zip(statistics["layer"], statistics["neuron"], strict=True)) == [
        (0, 0),
        (0, 1),
        (1, 0),
        (1, 1),
    ]
    assert len(atlas.table("patterns"))


def test_shown_in_a_notebook_all_text_is_escaped(atlas: Atlas) -> None:
    neuron = atlas["L0.N0"]
    assert neuron.draw()._repr_svg_().startswith("<svg") and neuron.draw() in neuron._repr_html_()
    shown = neuron_html(neuron.record, "Fires on <script>", ["<img>"] * len(atlas.words), neuron.draw())
    assert "&lt;script&gt;" in shown and "<mark>&lt;img&gt;</mark>" in shown
    assert "<script>" not in shown and "<img>" not in shown
    assert "4 neurons" in atlas._repr_html_()


@pytest.mark.parametrize("published", [False, True], ids=["folder", "address"])
def test_the_site_answers_as_the_run_does(published: bool, atlas: Atlas, run: Path) -> None:
    with served(run / "atlas") as address:
        site = load_atlas(f"{address}/index.html" if published else run / "atlas")
        assert site.names() == atlas.names()
        for name in map(str, atlas.names()):
            assert (site[name].record, site[name].draw()) == (atlas[name].record, atlas[name].draw())
            assert nx.utils.graphs_equal(site[name].graph, atlas[name].graph)
            assert site[name].predict(TEXT) == atlas[name].predict(TEXT)
            assert site.similar(name) == atlas.similar(name)
        assert site.fires(TEXT) == atlas.fires(TEXT) != []
        assert site.search("of") == atlas.search("of")
        assert site.words == atlas.words
        for table in ("statistics", "evaluate", "patterns", "similar"):
            assert site.table(table).equals(atlas.table(table))
        with pytest.raises(InputError, match=r"L7\.N0 is not part of the atlas"):
            site["L7.N0"]
        if published:
            with pytest.raises(
                InputError, match=r"explanations\.parquet cannot be fetched \(File not found\)"
            ):
                site.table("explanations")
    with pytest.raises(InputError, match=r"cannot be fetched \(.*refused\)"):
        load_atlas(address)


@pytest.mark.parametrize("site", [False, True], ids=["run", "site"])
def test_tables_of_another_version_are_refused(
    site: bool, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_reader if site else tables, "VERSION", VERSION + 1)
    other = load_atlas(run / "atlas" if site else run)
    for ask in (lambda: other.search("of"), lambda: other.table("similar")):
        with pytest.raises(
            InputError, match=rf"version {VERSION}, and this code reads version {VERSION + 1}: "
        ):
            ask()


@pytest.mark.parametrize(
    "change",
    [
        *({"version": VERSION_OF_RECORDS - 1}, {"vocabulary": None}, {"metrics": []}, {"status": None}, None),
        *({"graph": {}}, {"graph": []}, {"graph": NeuronGraph().to_dict() | {"nodes": [{}, {"id": 1}]}}),
    ],
)
def test_records_of_another_form_are_refused(change: dict | None, copied: Path) -> None:
    path = copied / RUN / "0" / "00000-00001" / "render" / "L0.N0.json"
    path.write_text("[]" if change is None else json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(
        InputError, match=r"L0\.N0\.json is no record of version \d, which this code reads: run the"
    ):
        load_atlas(copied / RUN)["L0.N0"]


@pytest.mark.parametrize("content", ["[]", "{}", '{"config": {"model": {"source": "model"}}}'])
def test_a_manifest_of_another_form_is_refused(content: str, copied: Path) -> None:
    (copied / RUN / "manifest.json").write_text(content)
    with pytest.raises(InputError, match=r"manifest\.json is not as a run has it: delete it and run again"):
        load_atlas(copied / RUN).fires(TEXT)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        *(("data/ids.json", content) for content in ("<html>", "3", '{"a": 1}', "[[1]]")),
        *(("data/tokenizer.json", content) for content in ("{}", "[]", '{"pieces": "1"}')),
        *((name, "<html>") for name in ("data/tokenizer/0.bin", "neurons/L0/N0/record.json.gz")),
        *((f"data/tables/{name}.parquet", "PAR1") for name in ("patterns", "vocabulary")),
    ],
)
def test_a_site_that_came_in_part_is_one_sentence(name: str, content: str, copied: Path) -> None:
    """A server may also give a page of its own in the place of a file."""
    site = copied / RUN / "atlas"
    assert (site / name).is_file()
    (site / name).write_text(content)
    with pytest.raises(
        InputError, match=r"is damaged or no part of an atlas: build the atlas again\.$"
    ) as said:
        load_atlas(site)["L0.N0"].predict(TEXT)
        load_atlas(site).fires(TEXT)
    assert str(said.value).startswith(f"{site}/{name.removesuffix('0.bin')} ")


@pytest.mark.parametrize("address", ["http://127.0.0.1:80a", "http://127.0.0.1/a b", "http://[::1"])
def test_an_address_that_is_none_is_one_sentence(address: str) -> None:
    with pytest.raises(InputError, match=r"cannot be fetched \(.*\): give the URL of an atlas\.$"):
        load_atlas(address)


def command(run: Path, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    scripts = Path(__file__).parents[2] / "scripts"
    environment = os.environ | {"PYTHONPATH": str(scripts)} | options.pop("variables", {})
    words = (sys.executable, "-m", "n2g", "--run", str(run), *words)
    return subprocess.run(words, env=environment, stderr=subprocess.PIPE, text=True, **options)


def test_a_program_that_reads_no_further_is_no_error(run: Path) -> None:
    """As `head`."""
    reading, writing = os.pipe()
    os.close(reading)
    done = command(run, "predict", "L0.N0", TEXT, stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


def test_a_terminal_that_lacks_characters_gets_their_codes(run: Path) -> None:
    ascii_only: dict[str, Any] = {"variables": {"PYTHONIOENCODING": "ascii"}, "stdout": subprocess.PIPE}
    table = command(run, "predict", "L0.N0", "é 🙂", **ascii_only)
    answer = command(run, "--json", "predict", "L0.N0", "é 🙂", **ascii_only)
    assert (table.returncode, answer.returncode) == (0, 0), table.stderr + answer.stderr
    assert "\\u2423" in table.stdout or "\\xe9" in table.stdout
    assert "é" in "".join(token["text"] for token in json.loads(answer.stdout))


def test_a_tokenizer_is_that_of_the_run(run: Path, tmp_path: Path) -> None:
    own = load_atlas(run).origin.tokenizer()
    assert load_atlas(run, own).tokenise(TEXT) == load_atlas(run).tokenise(TEXT)
    other = tmp_path / "tokenizer.json"
    content = json.loads(own.read_text())
    vocabulary = content["model"]["vocab"]
    vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]
    other.write_text(json.dumps(content))
    with pytest.raises(InputError, match="has other tokens than this run: name the tokenizer"):
        load_atlas(run, other).fires(TEXT)
    other.write_text("a text")
    with pytest.raises(InputError, match="cannot be read as a tokenizer"):
        load_atlas(run, other).fires(TEXT)


def test_fires_says_what_the_graphs_say(atlas: Atlas) -> None:
    found = atlas.fires(TEXT)
    assert {(one.position, one.neuron) for one in found} == firing(atlas, TEXT)
    assert found
    for one in found:
        predicted = atlas[one.neuron].predict(TEXT)[one.position]
        assert predicted.fires
        assert predicted.text == one.text
        assert predicted.predicted == pytest.approx(one.predicted)


def test_the_rule_of_a_neuron_matches_where_it_is_run(atlas: Atlas) -> None:
    for name in atlas.names():
        neuron = atlas[name]
        if neuron.rule:
            found = atlas.match(neuron.rule, TEXT)
            assert [one.text for one in found] == [one.text for one in neuron.predict(TEXT)]
    with pytest.raises(InputError, match="name the one that fires"):
        atlas.match("∗ …", TEXT)


def test_search_finds_patterns_by_their_tokens(atlas: Atlas) -> None:
    every = {one for token in set(atlas.words) - {"<s>", "</s>"} for one in atlas.search(activating=token)}
    assert every
    word = max(every).pattern.split(" ")[-1].replace("␣", " ")
    found = atlas.search(activating=word)
    assert found == sorted(found, key=lambda one: -one.share)
    assert all(one.pattern.split(" ")[-1].replace("␣", " ") in (word, f" {word}") for one in found)
    before = [one for one in every if " " in one.pattern and "[" not in one.pattern]
    for one in before[:3]:
        context = one.pattern.split(" ")[-2].replace("␣", " ")
        assert one in atlas.search(context=context)
        assert one in atlas.search(activating=one.pattern.split(" ")[-1].replace("␣", " "), context=context)
    with pytest.raises(InputError, match="is not a token"):
        atlas.search(activating="no such token")
    with pytest.raises(InputError, match="name an activating token"):
        atlas.search()


def test_a_word_with_its_space_is_that_token_alone(atlas: Atlas) -> None:
    known = Atlas(atlas.origin)
    known.words = ["bank", " bank", "  bank", "banks"]
    assert (known._tokens("bank"), known._tokens(" bank")) == ({0, 1}, {1})


def test_a_neuron_is_equal_to_itself(atlas: Atlas) -> None:
    found = atlas.compare("L0.N0", "L0.N0")
    assert (found["similarity"], found["covered"], found["duplicate"]) == (1, [1, 1], True)
    assert found["both"]
    assert not found["first"]
    assert not found["second"]
    empty = NeuronGraph().to_dict()
    assert compare(empty, None, str) == {
        "similarity": 0.0,
        "covered": [0.0, 0.0],
        "duplicate": False,
        "both": [],
        "first": [],
        "second": [],
    }


def test_neurons_of_two_runs_compare_by_the_texts_of_their_tokens(run: Path, tmp_path: Path) -> None:
    """The other run has another tokenizer: every token id is turned around."""
    other = shutil.copytree(run, tmp_path / "other")
    vocabulary = read_table(other / "corpus" / "vocabulary.parquet", "vocabulary").to_pylist()
    last = len(vocabulary) - 1
    turned = [{**row, "token": last - row["token"]} for row in reversed(vocabulary)]
    write_rows(other / "corpus" / "vocabulary.parquet", "vocabulary", turned)
    rows = read_table(other / "patterns.parquet", "patterns").to_pylist()
    for row in rows:
        row["pattern"] = [code if code < 0 else last - code for code in row["pattern"]]
        row["token"] = max(-1, row["pattern"][0])
    write_rows(other / "patterns.parquet", "patterns", rows)
    for path in other.glob("*/*/render/*.json"):
        record = json.loads(path.read_text())
        for node in record["graph"]["nodes"]:
            if "tokens" in node:
                node["tokens"] = [last - token for token in node["tokens"]]
        path.write_text(json.dumps(record))
    old, new = load_atlas(run), load_atlas(other)
    for name in map(str, old.names()):
        compared = old.compare(name, name, new)
        assert (compared["similarity"], compared["covered"], compared["duplicate"]) == (1, [1, 1], True)
        assert compared["both"] == old.compare(name, name)["both"]
        best = old.similar(name, new)
        assert best[0] == {"kind": "similar", "neuron": name, "score": 1.0}
        within = {one["neuron"]: one["score"] for one in old.similar(name) if one["kind"] == "similar"}
        assert {one["neuron"]: one["score"] for one in best[1:]} == pytest.approx(within)
        assert old.compare(name, "L1.N1", new)["similarity"] == new.compare("L1.N1", name, old)["similarity"]


@pytest.mark.parametrize(
    "command",
    [
        ["predict", "L0.N0", TEXT],
        ["fires", TEXT],
        ["match", "^ ∗ ∗", TEXT],
        ["search", "--activating", "of"],
        ["similar", "L0.N0"],
        ["compare", "L0.N0", "L1.N0"],
        ["similar", "L0.N0", "--in", RUN],
        ["compare", "L0.N0", "L1.N0", "--in", RUN],
    ],
    ids=lambda command: command[0] + " in another run" * ("--in" in command),
)
def test_commands_print_tables_and_json(
    command: list[str], run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [str(run) if word == RUN else word for word in command]
    main(["--run", str(run), "--limit", "2", *command])
    table = capsys.readouterr().out
    assert table == "nothing found\n" or 2 <= len(table.splitlines()) <= 4
    main(["--run", str(run), "--json", *command])
    answer = json.loads(capsys.readouterr().out)
    asked = load_atlas(run)
    other = asked if "--in" in command else None
    expected = {
        "predict": lambda: [one._asdict() for one in asked["L0.N0"].predict(TEXT)],
        "fires": lambda: [one._asdict() for one in asked.fires(TEXT)],
        "match": lambda: [
            {"text": token.text, "matches": at == 1} for at, token in enumerate(asked["L0.N0"].predict(TEXT))
        ],
        "search": lambda: [one._asdict() for one in asked.search("of")],
        "similar": lambda: asked.similar("L0.N0", other),
        "compare": lambda: asked.compare("L0.N0", "L1.N0", other),
    }[command[0]]()
    assert answer == json.loads(json.dumps(expected))
    assert answer or table == "nothing found\n"
