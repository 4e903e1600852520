"""The evaluation on planted neurons: figures by hand, nothing of the test in what is fitted, honest zeros."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from planted import BOS, Rule, after, corpus, observations, on, random_corpus, save

from n2g.files.tables import CONTRACTS, read_json, read_table, write_rows
from n2g.graphs.elements import WILDCARD, End, Pattern, one_of
from n2g.graphs.trie import NeuronGraph
from n2g.method.observations import Observations, load_observations
from n2g.metrics import SCORES
from n2g.scores.evaluate import (
    Evaluation,
    HeldOut,
    evaluate,
    graph_predictors,
    hold_out,
    node_rows,
    score_rows,
)
from n2g.scores.predictions import ERRORS, FIRING, prediction_rows
from n2g.scores.summary import summarise
from n2g.texts.documents import Documents

SCRIPTS = Path(__file__).parents[2] / "scripts"
SETS = ("top", "quantile", "random")


def bigram(first: int, second: int, value: float = 2.0) -> NeuronGraph:
    elements = (one_of([second]), one_of([first]))
    return NeuronGraph([Pattern(elements, End(value))], decision_threshold=value / 2, scale=value, bos=BOS)


def line(neuron: int, graph: NeuronGraph | None, method: str = "atlas", status: str = "ok") -> dict:
    return {
        "id": f"L3.N{neuron}",
        "layer": 3,
        "neuron": neuron,
        "pole": "positive",
        "method": method,
        "status": status,
        "reason": None,
        "graph": graph.to_dict() if graph else None,
    }


def graphs(*lines: dict) -> dict:
    found: dict = {}
    for one in lines:
        found.setdefault((one["neuron"], one["pole"]), {})[one["method"]] = one
    return found


def rows_of(documents: Documents, observed: Observations, made: Mapping) -> dict[tuple, dict]:
    texts = hold_out(documents, observed)
    rows = [row for unit in evaluate(documents, observed, made) for row in score_rows(texts, unit)]
    return {(row["neuron"], row["set"], row["predictor"]): row for row in rows}


def units(documents: Documents, observed: Observations, made: Mapping) -> tuple[HeldOut, list[Evaluation]]:
    return hold_out(documents, observed), list(evaluate(documents, observed, made))


# One test document has the rule, one has its token without the context, one has neither.
HAND = corpus(
    [[3, 4, 1, 1], [4, 1, 3, 4], [3, 4, 1, 1], [1, 3, 4, 4, 1], [4, 4, 1, 1], [1, 1, 1, 1]],
    ["train", "train", "validation", "test", "test", "test"],
)


def test_figures_by_hand() -> None:
    observed = observations(HAND, [after(3, 4)], top=2)
    found = rows_of(HAND, observed, graphs(line(0, bigram(3, 4)), line(0, bigram(1, 4), "paper")))
    assert {key[1:] for key in found} >= {
        (name, who) for name in ("top", "quantile", "random") for who in ("graph", "paper", "ngram")
    }
    top, random = found[0, "top", "token_lookup"], found[0, "random", "token_lookup"]
    # Token 4 stands at two places of the first test document and two of the second; it fires at one of them.
    assert (top["documents"], top["tokens"], top["firing"]) == (2, 9, 1)
    assert (top["true_positives"], top["false_positives"], top["false_negatives"]) == (1, 3, 0)
    assert (random["documents"], random["tokens"], random["firing"]) == (3, 13, 1)
    assert (random["precision"], random["recall"], random["f1"]) == (0.25, 1.0, pytest.approx(0.4))
    assert random["nonfiring_recall"] == pytest.approx(9 / 12)
    for name in ("top", "random"):
        assert all(found[0, name, "graph"][score] == pytest.approx(1) for score in SCORES)
        paper = found[0, name, "paper"]
        assert (paper["true_positives"], paper["false_positives"], paper["f1"]) == (0, 0, 0)
        assert paper["r2"] < 0 == paper["precision"]


def test_top_documents_outside_the_pool_are_tested_on() -> None:
    documents = random_corpus()
    observed = observations(documents, [after(3, 4)], pool=5)
    found = rows_of(documents, observed, graphs(line(0, bigram(3, 4))))
    assert found[0, "random", "graph"]["documents"] == 5
    assert found[0, "top", "graph"]["documents"] == 4
    assert found[0, "top", "graph"]["f1"] == 1


def test_begin_of_sequence_never_counts() -> None:
    rule = after(3, 4)
    documents = random_corpus()
    made = graphs(line(0, bigram(3, 4)))
    quiet = rows_of(documents, observations(documents, [rule]), made)
    loud = rows_of(documents, observations(documents, [lambda ids: [9.0, *list(rule(ids))[1:]]]), made)
    assert quiet == loud


def test_half_precision_does_not_move_labels() -> None:
    below = float(np.nextafter(np.float32(1), np.float32(0)))  # rounds to 1 in half precision
    documents = corpus([[1], [2, 3], [2], [3]], ["train", "validation", "test", "test"])
    observed = observations(documents, [on({1: 2.0, 2: below, 3: 1.0})], top=0)
    found = rows_of(documents, observed, {})
    assert (found[0, "random", "graph"]["tokens"], found[0, "random", "graph"]["firing"]) == (2, 1)


def test_half_precision_labels_what_lies_below_a_raised_floor() -> None:
    """Where a neuron fires too often for all its tokens to be listed, the pool alone knows the rest."""
    documents = corpus([[1], [2, 3], [2, 3, 4], [1, 4]], ["train", "validation", "test", "test"])
    observed = observations(documents, [on({1: 2.0, 2: 1.5, 3: 1.25, 4: 0.5})], top=0)
    statistics = observed.statistics
    at = statistics.column_names.index("floor")
    raised = statistics.set_column(at, statistics.schema.field("floor"), pa.array([1.9]))
    listed = observed.firings.filter(pa.array(observed.firings["activation"].to_numpy() > 1.9))
    found = rows_of(documents, replace(observed, statistics=raised, firings=listed), {})
    assert found[0, "random", "graph"]["firing"] == 3


def test_activations_too_large_for_half_precision_stay_finite() -> None:
    documents = random_corpus()
    with np.errstate(over="ignore"):
        observed = observations(documents, [on({1: 1e6, 2: -1e6})], top=2)
    found = rows_of(documents, observed, {})
    assert all(np.isfinite(row[score]) for row in found.values() for score in SCORES)
    assert found[0, "random", "token_lookup_all"]["f1"] == 1


@pytest.mark.parametrize(
    ("made", "rule"),
    [
        ({}, after(3, 4)),
        (graphs(line(0, None, status="failed")), after(3, 4)),
        (graphs(line(0, NeuronGraph(decision_threshold=0.0, bos=BOS), status="no-pattern")), after(3, 4)),
        (graphs(line(0, NeuronGraph(decision_threshold=0.0, bos=BOS), status="dead")), on({})),
        (graphs(line(0, bigram(3, 4), status="dead")), on({5: -1.0})),
    ],
    ids=["no line", "failed", "no-pattern", "dead", "dead with a graph"],
)
def test_neurons_without_a_graph_have_rows_of_zeros(made: dict, rule: Rule) -> None:
    documents = random_corpus()
    observed = observations(documents, [rule])
    found = rows_of(documents, observed, made)
    for name in SETS:
        row = found[0, name, "graph"]
        assert row["precision"] == row["recall"] == row["f1"] == row["true_positives"] == 0
        assert all(np.isfinite(row[score]) for score in SCORES)
        dead = rule(list(range(9))) == on({})(list(range(9))) or min(rule([5])) < 0
        assert bool(row["firing"]) is not dead
    texts, (unit,) = units(documents, observed, made)
    assert list(prediction_rows(texts, unit))


def test_which_graph_is_the_graph() -> None:
    ours, theirs = line(0, bigram(3, 4)), line(0, bigram(1, 2), "paper")
    both = graph_predictors(graphs(ours, theirs)[0, "positive"])
    assert list(both) == ["graph", "paper"]
    assert (both["graph"].graph.to_dict(), both["paper"].graph.to_dict()) == (ours["graph"], theirs["graph"])
    alone = graph_predictors(graphs(theirs)[0, "positive"])
    assert list(alone) == ["graph"] and alone["graph"].graph.to_dict() == theirs["graph"]


def test_quantile_documents_come_equally_from_every_tenth() -> None:
    documents = random_corpus(count=1200, length=12)
    random = np.random.default_rng(0)
    values = {token: float(value) for token, value in enumerate(random.normal(size=12))}
    noise = {tuple(documents.ids(d).tolist()): random.normal() for d in range(len(documents))}
    observed = observations(documents, [lambda ids: [values[t] + noise[tuple(ids)] for t in ids]])
    texts, (unit,) = units(documents, observed, {})
    peaks = {int(n): unit.truth.activations[texts.span(n)][1:].max() for n in texts.numbers}
    edges = np.quantile(list(peaks.values()), np.arange(1, 10) / 10)
    chosen = unit.truth.sets["quantile"]
    assert np.bincount(np.digitize([peaks[n] for n in chosen], edges)).tolist() == [10] * 10
    assert len(set(chosen)) == 100 and set(chosen) <= set(texts.numbers)
    assert [peaks[n] for n in chosen] == sorted((peaks[n] for n in chosen), reverse=True)


def shuffled(documents: Documents, observed: Observations, seed: int = 0) -> Observations:
    """The same neurons, their activations on test documents shuffled among the tokens there."""
    random = np.random.default_rng(seed)
    places = documents.positions(documents.of("test"))
    places = places[documents.tokens[places] != BOS]
    moved = dict(zip(places.tolist(), random.permutation(places).tolist(), strict=True))
    table = observed.firings.to_pydict()
    table["position"] = [moved.get(position, position) for position in table["position"]]
    firings = pa.Table.from_pydict(table, schema=observed.firings.schema).sort_by("position")
    back = {new: old for old, new in moved.items()}
    pooled = documents.positions(observed.pools["test_documents"])
    rank = {position: at for at, position in enumerate(pooled.tolist())}
    order = [rank[back.get(position, position)] for position in pooled.tolist()]
    known = observed.pools["test"][:, order]
    examples = observed.examples.to_pylist()
    for row in (row for row in examples if row["split"] == "test"):
        begin = rank[int(documents.offsets[row["document"]])]
        row["activations"] = known[0, begin : begin + documents.lengths[row["document"]]]
    return replace(
        observed,
        firings=firings,
        examples=pa.Table.from_pylist(examples, schema=observed.examples.schema),
        pools={**observed.pools, "test": known},
    )


def test_shuffled_test_labels_make_the_scores_collapse() -> None:
    documents = random_corpus(count=600)
    observed = observations(documents, [after(3, 4)])
    made = graphs(line(0, bigram(3, 4)))
    real = rows_of(documents, observed, made)
    fake = rows_of(documents, shuffled(documents, observed), made)
    for name in SETS:
        before, after_ = real[0, name, "graph"], fake[0, name, "graph"]
        assert before["f1"] == 1 and before["correlation"] == pytest.approx(1)
        assert after_["f1"] < 0.1 and after_["correlation"] < 0.1 and after_["average_precision"] < 0.1
    backing_off = real[0, "random", "ngram_backoff"], fake[0, "random", "ngram_backoff"]
    assert backing_off[0]["f1"] > 0.9 > 0.1 > backing_off[1]["f1"]
    assert fake[0, "random", "graph"]["firing"] == real[0, "random", "graph"]["firing"]


def test_only_test_documents_are_tested_on() -> None:
    documents = random_corpus()
    with pytest.raises(ValueError, match="not of the test split"):
        HeldOut.beside(documents, documents.of("test"), documents.of("train")[:1])


def test_hits_and_misses_are_counted_by_the_pattern_that_decides() -> None:
    documents = random_corpus(count=600)
    observed = observations(documents, [after(3, 4)])
    patterns = [Pattern((one_of([4]), one_of([3])), End(2.0)), Pattern((one_of([5]),), End(2.0))]
    graph = NeuronGraph(patterns, decision_threshold=1.0, bos=BOS)
    texts, (unit,) = units(documents, observed, graphs(line(0, graph)))
    rows = list(node_rows(texts, unit))
    scores = {row["set"]: row for row in score_rows(texts, unit) if row["predictor"] == "graph"}
    for name in ("top", "random"):
        mine = [row for row in rows if row["set"] == name]
        right = next(row for row in mine if row["hits"])
        assert right["predicted"] == right["hits"] == scores[name]["true_positives"], "3 4 always fires"
        assert sum(row["predicted"] for row in mine if row is not right) == scores[name]["false_positives"]
    assert len({row["node"] for row in rows if row["set"] == "random"}) == 2


def test_predictions_show_each_set_and_the_worst_errors() -> None:
    documents = random_corpus(count=600)
    observed = observations(documents, [after(3, 4), on({5: 2.0, 6: 1.5})])
    # Neuron 0 gets a graph that fires on any 4; neuron 1 one that knows only token 6 and says too little.
    wide = NeuronGraph([Pattern((one_of([4]), WILDCARD), End(1.5))], decision_threshold=1.0, bos=BOS)
    low = NeuronGraph([Pattern((one_of([6]),), End(1.25))], decision_threshold=1.0, bos=BOS)
    texts, found = units(documents, observed, graphs(line(0, wide), line(1, low)))
    rows = [list(prediction_rows(texts, unit, seed=7)) for unit in found]
    table = pa.Table.from_pylist(rows[0] + rows[1], schema=CONTRACTS["predictions"].schema)
    truth = found[0].truth
    spans = {one: texts.span(one) for one in np.setdiff1d(truth.sets["random"], truth.sets["top"]).tolist()}
    beyond = {one: truth.activations[span].max() for one, span in spans.items() if truth.firing[span].any()}
    strongest = [r["activations"][r["pivot"] - r["start"]] for r in rows[0] if r["set"] == "firing"]
    assert strongest == sorted(beyond.values(), reverse=True)[:FIRING]
    assert {r["document"] for r in rows[0] if r["set"] == "firing"} <= set(beyond)
    counts = {name: [r["rank"] for r in rows[0] if r["set"] == name] for name in {r["set"] for r in rows[0]}}
    assert counts == {
        "top": list(range(4)),
        "quantile": list(range(5)),
        "random": list(range(5)),
        "firing": list(range(min(FIRING, len(beyond)))),
        "false-positive": list(range(ERRORS)),
    }
    for row in table.to_pylist():
        ids = documents.ids(row["document"])
        assert documents.split[row["document"]] == 2
        end = row["start"] + len(row["activations"])
        assert row["start"] <= row["pivot"] < end <= len(ids)
        assert len(row["activations"]) == len(row["predictions"]) == len(row["nodes"])
        real, said = (row[name][row["pivot"] - row["start"]] for name in ("activations", "predictions"))
        assert (np.array(row["nodes"]) > 0).tolist() == (np.array(row["predictions"]) > 0).tolist()
        if row["set"] == "firing":
            assert real >= found[row["neuron"]].truth.threshold
        elif row["set"] == "false-positive":
            assert (ids[row["pivot"]], real, said) == (4, 0, 1.5)
        elif row["set"] == "false-negative":
            assert (row["neuron"], ids[row["pivot"]], real, said) == (1, 5, 2.0, 0)
        else:
            assert row["start"] == 0 and end == len(ids)
            assert real == max(row["activations"][1:])
    shown = [[r["document"] for r in part if r["set"] == "random"] for part in rows]
    assert shown[0] != shown[1], "other random texts for each neuron"
    again = [list(prediction_rows(texts, unit, seed=7)) for unit in found]
    assert pa.Table.from_pylist(again[0] + again[1], schema=table.schema).equals(table)


def scored(layer: int, values: Sequence[tuple[int, float, int]]) -> tuple[int, pa.Table]:
    """A table of neurons given as (firing tokens, F1, tokens predicted to fire) on one set."""
    counts = dict.fromkeys(("documents", "tokens", "false_negatives"), 0)
    rows = [
        {"neuron": n, "pole": "positive", "set": "top", "predictor": "graph", "firing": firing}
        | counts
        | {"true_positives": said, "false_positives": 0}
        | dict.fromkeys(SCORES, 0.0)
        | {"f1": f1}
        for n, (firing, f1, said) in enumerate(values)
    ]
    return layer, pa.Table.from_pylist(rows, schema=CONTRACTS["evaluate"].schema)


def test_summary_counts_silence_as_zero_and_leaves_out_what_never_fires() -> None:
    tables = [
        scored(10, [(5, 1.0, 4), (2, 0.0, 0)]),
        scored(2, [(1, 0.25, 1), (0, 0.0, 3)]),
        scored(2, [(3, 0.75, 1)]),
        scored(7, [(0, 0.0, 0)]),
    ]
    lines = [line(0, bigram(3, 4)), line(1, None, status="failed"), line(0, bigram(1, 2), "paper")]
    found = summarise(tables, lines)
    assert list(found["layers"]) == ["2", "7", "10"]
    two, ten = (found["layers"][layer]["top"]["graph"] for layer in ("2", "10"))
    assert (two["f1"], two["neurons"], two["not_firing"], two["silent"]) == (0.5, 2, 1, 0)
    assert (ten["f1"], ten["neurons"], ten["not_firing"], ten["silent"]) == (0.5, 2, 0, 1)
    assert (two["f1_low"], two["f1_high"]) == (0.25, 0.75)
    assert found["layers"]["7"]["top"]["graph"]["neurons"] == 0
    overall = found["overall"]["top"]["graph"]
    assert (overall["f1"], overall["neurons"], overall["not_firing"], overall["silent"]) == (0.5, 4, 2, 1)
    assert set(two) == {f"{s}{e}" for s in SCORES for e in ("", "_low", "_high")} | {
        "neurons",
        "not_firing",
        "silent",
    }
    assert found["graph_size"]["3"] == {
        "atlas": {"nodes": 2.0, "patterns": 1.0, "statuses": {"failed": 1, "ok": 1}},
        "paper": {"nodes": 2.0, "patterns": 1.0, "statuses": {"ok": 1}},
    }
    assert summarise(tables[::-1], lines) == found


def run(stage: str, *arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, str(SCRIPTS / f"{stage}.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_the_programs_write_what_they_promise(tmp_path: Path) -> None:
    documents = random_corpus()
    observed = observations(documents, [after(3, 4), on({})])
    folder, block = save(tmp_path, documents, observed)
    made = block / "graph.jsonl"
    lines = [line(0, bigram(3, 4)), line(1, None, status="dead")]
    lines[0]["rule"] = {"line": "token3 token4", "activation": 2.0, "halves": None}
    lines[1]["rule"] = {"line": "", "activation": 0.0, "halves": None}
    words = [{"token": token, "text": f" token{token}", "special": False} for token in range(12)]
    write_rows(folder / "vocabulary.parquet", "vocabulary", words)
    made.write_text("".join(json.dumps(one) + "\n" for one in lines))
    arguments = ("--corpus", folder, "--observations", block, "--graphs", made, "--output", block)
    done = run("evaluate", *arguments)
    assert done.returncode == 0, done.stderr
    table = read_table(block / "evaluate.parquet", "evaluate")
    assert len(table) == 2 * 3 * 8
    found = {
        row["set"]: row["f1"]
        for row in table.to_pylist()
        if (row["neuron"], row["predictor"]) == (0, "texts_only")
    }
    assert found == {"top": 1, "quantile": 1, "random": 1}, "the texts alone tell what fires here"
    ruled = [row for row in table.to_pylist() if row["predictor"] == "rule"]
    assert {(row["neuron"], row["set"], row["f1"]) for row in ruled if row["neuron"] == 0} == {
        (0, name, 1) for name in found
    }, "the line is what is run"
    assert {row["f1"] for row in ruled if row["neuron"] == 1} == {0}
    assert len(read_table(block / "predictions.parquet", "predictions"))
    first = [(block / f"{name}.parquet").read_bytes() for name in ("evaluate", "predictions", "nodes")]
    assert run("evaluate", *arguments).returncode == 0
    assert first == [
        (block / f"{name}.parquet").read_bytes() for name in ("evaluate", "predictions", "nodes")
    ]

    summary = tmp_path / "summary.json"
    options = ("--run", block.parents[1], "--blocks", "/".join(block.parts[-2:]), "--output", summary)
    done = run("summary", *options)
    assert done.returncode == 0, done.stderr
    content = read_json(summary)
    assert content["layers"]["3"]["random"]["graph"]["f1"] == 1
    assert content["rule"] == {
        "rules": 1,
        "characters": 13.0,
        "f1_share": {"top": 1.0, "quantile": 1.0, "random": 1.0},
        "halved": 0,
        "identical": None,
        "shared": None,
    }
    assert content["layers"]["3"]["random"]["graph"]["not_firing"] == 1

    strict = run("evaluate", *arguments, "--settings", '{"firing_threshold": 1.0}')
    assert strict.returncode == 0, strict.stderr

    made.write_text("{}\n")
    done = run("evaluate", *arguments)
    assert done.returncode == 1 and done.stderr.startswith(f"{made} is damaged: delete it and run again, or")


def test_a_corpus_without_test_documents_is_no_error(tmp_path: Path) -> None:
    documents = corpus([[3, 4, 1, 1], [4, 1, 3, 4], [3, 4, 1, 1]], ["train", "train", "validation"])
    observed = observations(documents, [after(3, 4)])
    found = rows_of(documents, observed, graphs(line(0, bigram(3, 4))))
    assert {row["tokens"] for row in found.values()} == {0}
    texts, (unit,) = units(documents, observed, {})
    assert list(prediction_rows(texts, unit)) == []
    assert load_observations(save(tmp_path, documents, observed)[1]).pools["test"].shape == (1, 0)
