"""Where memory has no room: smaller batches with the same results, then one sentence."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from test_engine import booted, draw

from n2g.files.tables import write_array, write_table
from n2g.method.activations import Keep, Units, collect
from n2g.model.engine import ROWS, Engine
from n2g.model.halved_batches import in_parts
from n2g.model.prompts import Prompt
from n2g.texts.corpus import Limits, build
from n2g.texts.documents import Documents
from n2g.texts.readers import Text

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture(scope="module", params=["gated", "llama"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return booted(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture
def small(model: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """A model that has room for as many tokens as the one element of the list says; it notes each refusal after it."""
    room = [10**9]
    forward = model.forward

    def limited(tokens: torch.Tensor, *rest: Any, **options: Any) -> Any:
        if tokens.numel() > room[0]:
            room.append(tokens.numel())
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return forward(tokens, *rest, **options)

    monkeypatch.setattr(model, "forward", limited)
    return room


@pytest.mark.parametrize("shared", [False, True])
def test_a_batch_without_room_is_halved_and_answers_stay_the_same(
    model: Any, small: list[int], shared: bool
) -> None:
    prompts, neurons = draw(7)
    prompts += [Prompt((0,), tuple(range(first, first + 40))) for first in range(30)]
    neurons += [first % 24 for first in range(30)]
    layer = model.cfg.n_layers - 1
    engine = Engine(model, batch_tokens=4096)
    expected = engine.ask(layer, prompts, neurons, shared)
    small[0] = ROWS * 64
    engine = Engine(model, batch_tokens=1024)
    found = engine.ask(layer, prompts, neurons, shared)
    refused = len(small) - 1
    assert refused, "no batch was refused"
    assert np.array_equal(found.view(np.int32), expected.view(np.int32))
    assert np.array_equal(engine.ask(layer, prompts, neurons, shared), found)
    assert len(small) - 1 - refused < refused  # it has become careful
    small[:] = [ROWS * 64 - 1]
    with pytest.raises(torch.OutOfMemoryError):  # the longest prompts: not even so few rows fit
        Engine(model, batch_tokens=4096).ask(layer, prompts, neurons, shared)


FIVE = {"validation": 5, "test": 5}  # documents of the random pools


def corpus(seed: int, count: int) -> Documents:
    """Documents of 5 to 40 random tokens."""
    random = np.random.default_rng(seed)
    lengths = random.integers(5, 40, count)
    tokens = random.integers(2, tiny.VOCABULARY - 20, lengths.sum()).astype(np.int32)
    offsets = np.cumsum(lengths) - lengths
    tokens[offsets] = 0
    return Documents(tokens, offsets, lengths, (np.arange(count) % 5 // 3).astype(np.int8))


def test_the_pass_over_the_corpus_is_halved_too(model: Any, small: list[int]) -> None:
    documents, units = corpus(0, 60), {1: [Units.of(range(4), ["positive"]), Units.of([7], ["negative"])]}
    engine = Engine(model, batch_tokens=128)
    expected = collect(engine, documents, units, Keep(pool=FIVE))
    small[0] = ROWS * 40
    found = collect(engine, documents, units, Keep(pool=FIVE))
    assert len(small) > 1, "no batch was refused"
    for one, other in zip(found[1], expected[1], strict=True):
        for table in ("statistics", "firings", "background", "pools", "examples"):
            assert one[table].keys() == other[table].keys()
            for name in one[table]:
                np.testing.assert_equal(one[table][name], other[table][name], f"{table}.{name}")
    small[:] = [ROWS * 5 - 1]
    with pytest.raises(torch.OutOfMemoryError):  # fewer rows would add in another order
        collect(engine, documents, units, Keep(pool=FIVE))


class Pretended:
    """An engine whose activations are made up from the token ids."""

    device, batch_tokens = "cpu", 128

    def read_columns(self, tokens: torch.Tensor, columns: dict[int, list]) -> dict[int, list[torch.Tensor]]:
        found = (tokens[..., None] * torch.arange(1, 9) * 7919 % 1000) / 1000
        return {layer: [found[..., part] for part in parts] for layer, parts in columns.items()}


def peak(documents: Documents, keep: Keep) -> int:
    """The most memory (bytes) that the pass over the corpus had in arrays at a time."""
    tracemalloc.start()
    try:
        list(collect(Pretended(), documents, {0: [Units.of(range(8), ["positive"])]}, keep)[0])
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_larger_corpus_needs_no_more_memory() -> None:
    """Eight times the texts: the activations that fire alone are 15 MB more, of which the largest alone are kept."""
    small, large = corpus(1, 1000), corpus(1, 8000)
    keep = Keep(pool=FIVE, firings=100, pending=20_000)
    assert peak(large, keep) - peak(small, keep) < 1_000_000
    hoarded = replace(keep, pending=10**9)
    assert peak(large, hoarded) - peak(small, hoarded) > 10_000_000, "the measure is blind"


def limit(room: int) -> None:
    """Give this process no more than `room` further bytes of memory."""
    used = re.search(r"VmData:\s+(\d+) kB", Path("/proc/self/status").read_text())
    resource.setrlimit(resource.RLIMIT_DATA, (int(used[1]) * 1024 + room,) * 2)


def in_own_process(program: str, *arguments: object) -> list[str]:
    """The lines that a Python program prints."""
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        env=os.environ
        | {
            "PYTHONPATH": f"{SCRIPTS}{os.pathsep}{Path(__file__).parent}{os.pathsep}{Path(__file__).parents[1]}"
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


CAPPED = """
import sys
from pathlib import Path
import numpy as np, torch
from n2g.method.activations import Keep, Units, collect
from n2g.texts.corpus_files import load_documents
from test_halved_batches import FIVE, Pretended, limit

torch.set_num_threads(1)
documents = load_documents(Path(sys.argv[1]))
limit(documents.tokens.nbytes * 3 // 4)
try:
    np.array(documents.tokens)
except MemoryError:
    print("no room for the corpus")
Pretended.batch_tokens, keep = 1024, Keep(pool=FIVE, firings=100, pending=20_000, floor=0.99)
found = next(collect(Pretended(), documents, {0: [Units.of([3], ["positive"])]}, keep)[0])
print(found["statistics"]["tokens"].tolist())
"""


COUNT, LENGTH = 32_768, 256  # documents, and tokens of each


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of 34 MB without the places of its tokens."""
    folder = tmp_path_factory.mktemp("large")
    tokens = np.random.default_rng(0).integers(2, 300, COUNT * LENGTH, dtype=np.int32)
    write_array(folder / "tokens.npy", tokens)
    numbers = np.arange(COUNT)
    columns = {"document": numbers, "text": numbers, "piece": numbers * 0, "title": [""] * COUNT}
    splits = ["train", "train", "validation", "test"] * (COUNT // 4)
    columns |= {"split": splits, "offset": numbers * LENGTH}
    columns |= {"length": numbers * 0 + LENGTH, "sha256": ["0" * 64] * COUNT}
    write_table(folder / "documents.parquet", "documents", columns)
    return folder


def test_a_corpus_larger_than_memory_is_read(large: Path) -> None:
    """The texts are on disk; the process may have three quarters of their size for all that it does with them."""
    assert in_own_process(CAPPED, large) == ["no room for the corpus", str([COUNT * (LENGTH - 1)])]


FITTING = """
import sys
from pathlib import Path
import numpy as np
from n2g.scores.baselines import Occurrences, Seen, fit_baselines
from n2g.scores.node_costs import node_costs, node_shares
from n2g.method.evidence import Evidence, Texts
from n2g.method.fit import Selection, choose
from n2g.graphs.elements import WILDCARD, End, Pattern, one_of; from n2g.graphs.trie import NeuronGraph
from n2g.method.neutral_text import from_texts
from n2g.settings import Settings
from n2g.texts.corpus_files import load_documents, write_places
from test_halved_batches import limit

folder = Path(sys.argv[1])
documents = load_documents(folder)
limit(documents.tokens.nbytes * 3 // 4)
write_places(folder, documents)
documents, settings = documents.without_test(), Settings(bos=0)
texts = {split: Texts.of(documents, split) for split in ("train", "validation")}
from_texts(texts["train"], settings)
pattern = Pattern((one_of([7]), WILDCARD, one_of([8])), End(1.0))
wide = Pattern((one_of(range(2, 300)),), End(0.1))
graph = NeuronGraph([pattern, wide], decision_threshold=0.5, bos=0)
known, evidence = {}, {}
for split, some in texts.items():
    places = some.positions(7)
    places = places[(places - 2 >= some.begins_of(places)) & (some.tokens[places - 2] == 8)]
    values = np.ones(len(places), np.float32)
    evidence[split] = Evidence(some, places, values, 0.5)
    known[split] = Occurrences(some.tokens[places].astype(np.int64), values.astype(np.float64))
assert evidence["train"].count(pattern.elements)[:2] == (len(evidence["train"].firing),) * 2
choose(Selection(evidence["train"], settings), [], {7: 1.0}, evidence["validation"], [])
for worth in (node_costs, node_shares):
    print(max(worth(graph, evidence["validation"]).values()))
counts = {split: documents.counts(split) for split in texts}
ids = documents.ids(0).astype(np.int64)
seen = Seen(1.0, *known.values(), counts, texts["validation"], evidence["validation"].positions, [(ids, ids * 0.0)])
print(len(fit_baselines(seen, 0.5)))
"""


def test_graphs_are_fitted_to_a_corpus_larger_than_memory(large: Path) -> None:
    """So is what finds the places of tokens, and what the baselines see."""
    assert in_own_process(FITTING, large) == ["1.0", "1.0", "5"]


BUILDING = """
import json, sys
from pathlib import Path
import numpy as np
from n2g.texts.corpus import Limits, build
from n2g.texts.readers import read_texts
from test_halved_batches import digits, limit

file = Path(sys.argv[1])
build(read_texts([file.with_name("few.jsonl")], "text", None), digits, 0, Limits(), file.with_name("few.npy"))
limit(file.stat().st_size * 3 // 4)
try:
    file.read_bytes()
except MemoryError:
    print("no room for the texts")
made = build(read_texts([file], "text", None), digits, 0, Limits(), file.with_name("tokens.npy"))
print(json.dumps(made.counts["texts"]))
"""


def digits(texts: list[str]) -> list[list[int]]:
    """An encoder for tests: four characters in sixty, as one token."""
    return [(np.frombuffer(text.encode(), "<u4")[::15] % 50_000).tolist() for text in texts]


def random_texts(count: int, every: int) -> Iterator[str]:
    """15,000 characters, 250 tokens of `digits`; each so many-th text is the one before it but for a token."""
    random = np.random.default_rng(0)
    text = ""
    for number in range(count):
        text = f"{text[:-60]}{'x' * 60}" if number % every == every - 1 else random.bytes(7500).hex()
        yield text


def test_texts_larger_than_memory_become_a_corpus(tmp_path: Path) -> None:
    """All are read and compared with those before them in three quarters of the memory that they would need."""
    for name, count in (("few", 3), ("texts", 3200)):
        with (tmp_path / f"{name}.jsonl").open("w") as file:
            file.writelines(f"{json.dumps({'text': text})}\n" for text in random_texts(count, 320))
    said = in_own_process(BUILDING, tmp_path / "texts.jsonl")
    assert said[0] == "no room for the texts"
    counts = {"read": 3200, "exact_duplicates": 0, "kept": 3190, "too_short": 0, "near_duplicates": 10}
    assert json.loads(said[1]) == counts
    assert len(np.load(tmp_path / "tokens.npy", mmap_mode="r")) == 3190 * 251


def test_a_text_more_is_a_row_more(tmp_path: Path) -> None:
    """Of a text of 15 kB and 250 tokens memory keeps what the table of documents says of it."""

    def peak_of(count: int) -> int:
        texts = (Text(number, "", text) for number, text in enumerate(random_texts(count, count)))
        tracemalloc.start()
        try:
            build(texts, digits, 0, Limits(), tmp_path / "tokens.npy")
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak_of(10)  # imports
    assert (peak_of(400) - peak_of(100)) / 300 < 600


@pytest.mark.parametrize("neurons", [range(8), range(7), [3], [5, 3]])
def test_it_does_not_matter_when_activations_are_forgotten(neurons: Sequence[int]) -> None:
    """More of them fire than are kept. A block forgets the sooner, the more neurons it has."""
    documents, keep = corpus(1, 500), Keep(pool=FIVE, firings=100, pending=700)

    def found(neurons: Sequence[int], keep: Keep) -> dict[str, Any]:
        return next(collect(Pretended(), documents, {0: [Units.of(neurons, ["positive"])]}, keep)[0])

    hoarded, block = found(range(8), replace(keep, pending=10**9)), found(neurons, keep)
    assert len(hoarded["firings"]["position"]) > 300
    for table in ("statistics", "firings", "background"):
        for neuron in neurons:
            mine, expected = (one[table]["neuron"] == neuron for one in (block, hoarded))
            for name, values in hoarded[table].items():
                np.testing.assert_array_equal(
                    np.array(block[table][name])[mine], np.array(values)[expected], f"{table}.{name}"
                )


def test_parts_cover_every_row_once_in_order() -> None:
    for room in (8, 9, 24, 40, 100):

        def run(begin: int, end: int, room: int = room) -> tuple[int, int]:
            if end - begin > room:
                raise torch.OutOfMemoryError
            return begin, end

        parts = list(in_parts(run, 88, 8))
        assert [row for part in parts for row in range(*part)] == list(range(88))
        assert all(begin % 8 == 0 for begin, _ in parts)


def test_a_full_gpu_is_one_sentence() -> None:
    program = (
        "import torch; from n2g.workflow.run_script import run_script\n"
        "def main(): raise torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2 GiB.')\n"
        "run_script(main)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=SCRIPTS, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("the GPU's memory is full, ")
    assert len(done.stderr.splitlines()) == 1
