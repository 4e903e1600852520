"""From texts to token ids."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny
from hypothesis import example, given, settings
from hypothesis import strategies as st

from n2g.errors import InputError
from n2g.files.tables import read_array, read_json, read_table
from n2g.model.vocabulary import vocabulary
from n2g.texts.corpus import Limits, begin_token, build, encoder, pieces, split_of
from n2g.texts.near_duplicates import bands, missed
from n2g.texts.readers import Text, read_texts

BOS = 7
SPLITS = {"train", "validation", "test"}


def letters(texts: list[str]) -> list[list[int]]:
    """An encoder for tests: one token a character."""
    return [[ord(character) for character in text] for text in texts]


@dataclass
class Made:
    tokens: np.ndarray
    rows: list[dict]
    counts: dict[str, dict]


def corpus(texts: list[str], **limits: object) -> Made:
    source = [Text(n, f"title {n}", text) for n, text in enumerate(texts)]
    with TemporaryDirectory() as folder:
        path = Path(folder, "tokens.npy")
        try:
            made = build(source, letters, BOS, Limits(**limits), path)
        finally:
            left = [file.name for file in path.parent.iterdir()]
        assert left == ["tokens.npy"]
        return Made(np.load(path), made.documents.to_pylist(), made.counts)


def sentences(count: int) -> list[str]:
    random = np.random.default_rng(0)
    return ["".join(map(chr, random.integers(97, 123, 40))) for _ in range(count)]


@given(st.integers(1, 1000), st.integers(1, 100))
def test_pieces_cover_everything_evenly(length: int, longest: int) -> None:
    found = pieces(length, longest)
    assert [position for piece in found for position in piece] == list(range(length))
    sizes = {len(piece) for piece in found}
    assert max(sizes) <= longest
    assert max(sizes) - min(sizes) <= 1
    assert len(found) == -(-length // longest)


def test_splits_are_60_20_20_and_independent_of_the_order() -> None:
    digests = sorted(hashlib.sha256(str(n).encode()).digest() for n in range(5000))
    for part in (digests[:2500], digests[2500:]):
        shares = {name: sum(split_of(digest) == name for digest in part) / len(part) for name in SPLITS}
        assert shares == pytest.approx({"train": 0.6, "validation": 0.2, "test": 0.2}, abs=0.03)


def test_sequences_hold_the_texts() -> None:
    texts = [*sentences(30), "x" * 100, "x" * 99 + "yz" * 60]
    made = corpus(texts, max_length=50, near_duplicates=None)
    assert made.tokens.dtype == np.int32
    assert made.rows[-1]["offset"] + made.rows[-1]["length"] == len(made.tokens)
    joined: dict[int, str] = {}
    for number, row in enumerate(made.rows):
        sequence = made.tokens[row["offset"] : row["offset"] + row["length"]]
        assert row["document"] == number
        assert sequence[0] == BOS and len(sequence) <= 50
        assert row["title"] == f"title {row['text']}"
        assert row["sha256"] == hashlib.sha256(texts[row["text"]].encode()).hexdigest()
        joined[row["text"]] = joined.get(row["text"], "") + "".join(map(chr, sequence[1:]))
    assert joined == dict(enumerate(texts))
    for number in range(len(texts)):
        assert len({row["split"] for row in made.rows if row["text"] == number}) == 1
    assert made.counts["tokens"]["total"] == len(made.tokens)
    assert sum(made.counts["sequences"].values()) == len(made.rows)


def test_a_smaller_limit_takes_the_first_part() -> None:
    texts = sentences(50)
    whole = corpus(texts)
    part = corpus(texts, max_tokens=500)
    assert 500 <= len(part.tokens) < 500 + 41
    np.testing.assert_array_equal(part.tokens, whole.tokens[: len(part.tokens)])
    assert part.rows == whole.rows[: len(part.rows)]


def test_the_order_in_the_source_does_not_matter() -> None:
    texts = sentences(20)
    assert sorted(row["sha256"] for row in corpus(texts).rows) == [
        row["sha256"] for row in corpus(texts[::-1]).rows
    ]
    np.testing.assert_array_equal(corpus(texts).tokens, corpus(texts[::-1]).tokens)


def test_duplicates_are_dropped() -> None:
    texts = sentences(20)
    near = [text[:38] + "!?" for text in texts[:5]]
    made = corpus([*texts, *texts[:3], *near], near_duplicates=0.8)
    assert made.counts["texts"] == {
        "read": 28,
        "exact_duplicates": 3,
        "kept": 20,
        "too_short": 0,
        "near_duplicates": 5,
    }
    assert corpus([*texts, *near], near_duplicates=None).counts["texts"]["kept"] == 25
    for strict in (0.95, 1.0):
        assert corpus([*texts, *near], near_duplicates=strict).counts["texts"]["kept"] == 25


def test_near_duplicates_of_long_texts_are_found_whatever_their_pieces() -> None:
    """What was taken is read again from the file of tokens, where a BOS stands before each piece."""
    long = "".join(sentences(30))
    for longest in (16, 50, 4096):
        made = corpus([long, f"{long[:-1]}!", long[::-1]], max_length=longest)
        assert made.counts["texts"]["near_duplicates"] == 1


@settings(deadline=None)  # the first one imports datasketch
@given(st.integers(4, 40), st.integers(0, 2**32))
@example(13, 573944)
@example(18, 16082)
def test_near_duplicates_are_decided_by_the_exact_similarity(changed: int, seed: int) -> None:
    """At the threshold, too, where the index misses one in a million."""
    random = np.random.default_rng(seed)
    first = "".join(map(chr, random.integers(97, 123, 60)))
    second = first[:-changed] + "".join(map(chr, random.integers(65, 91, changed)))
    sets = [{text[start : start + 5] for start in range(len(text) - 4)} for text in (first, second)]
    similarity = len(sets[0] & sets[1]) / len(sets[0] | sets[1])
    kept = corpus([first, second], near_duplicates=0.5).counts["texts"]["kept"]
    assert kept == (1 if similarity >= 0.5 else 2)


@pytest.mark.parametrize("threshold", [0.11, 0.25, 0.5, 0.8, 0.95, 1.0])
def test_hardly_a_near_duplicate_is_missed(threshold: float) -> None:
    """A thousand pairs of texts whose similarity is the threshold: so often do their hashes agree."""
    found = bands(threshold)
    width = found[0].stop
    assert all(part.stop - part.start == width for part in found) and found[-1].stop <= 128
    agree = np.random.default_rng(0).random((1000, 128)) < threshold
    assert all(any(pair[part].all() for part in found) for pair in agree)
    assert missed(threshold, width) <= 1e-6 and (width == 128 or missed(threshold, width + 1) > 1e-6)


def test_short_texts_are_left_out_and_nothing_left_is_an_error() -> None:
    texts = sentences(3)
    assert corpus([*texts, "abc", ""]).counts["texts"]["too_short"] == 2
    with pytest.raises(InputError, match=r"shorter than 8 tokens.*corpus\.min_length"):
        corpus(["abc", "de"])
    for empty in ([], ["", ""]):
        with pytest.raises(InputError, match="the corpus is empty"):
            corpus(empty)


def test_nothing_is_left_of_a_corpus_that_failed(tmp_path: Path) -> None:
    def texts(number: int) -> Iterator[Text]:
        yield from (Text(n, "", text) for n, text in enumerate(sentences(number)))
        raise InputError("no more of it")

    with pytest.raises(InputError, match="no more of it"):
        build(texts(2000), letters, BOS, Limits(), tmp_path / "tokens.npy")
    assert list(tmp_path.iterdir()) == []


FULL = """
import sys; from pathlib import Path
from n2g.texts.corpus import Limits, build
from n2g.workflow.run_script import run_script
from n2g.texts.readers import Text

texts = (Text(number, "", f"{number} " * 100_000) for number in range(100))
run_script(lambda: build(texts, lambda texts: [[1] * 9] * len(texts), 0, Limits(), Path(sys.argv[1])))
"""


def test_texts_that_the_disk_has_no_room_for_are_one_sentence(tmp_path: Path) -> None:
    command = f"ulimit -f 10000; exec {sys.executable} -c '{FULL}' {tmp_path}/tokens.npy"
    scripts = Path(__file__).parents[2] / "scripts"
    done = subprocess.run(["bash", "-c", command], cwd=scripts, capture_output=True, text=True)
    assert done.stderr.startswith(f"{tmp_path}/tokens.npy cannot be written ("), done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def write_all_formats(folder: Path, texts: list[str]) -> dict[str, list[Path]]:
    records = [{"body": text, "name": f"T{n}", "other": n} for n, text in enumerate(texts)]
    (folder / "list.json").write_text(json.dumps(records), encoding="utf-8")
    (folder / "object.json").write_text(json.dumps({str(n): record for n, record in enumerate(records)}))
    (folder / "lines.jsonl").write_text("\n".join(map(json.dumps, records)) + "\n\n", encoding="utf-8")
    pq.write_table(pa.Table.from_pylist(records), folder / "rows.parquet")
    (folder / "one.txt").write_text("\n\n".join(texts), encoding="utf-8")
    (folder / "many").mkdir()
    for number, text in enumerate(texts):
        (folder / "many" / f"{number}.txt").write_text(text + "\n", encoding="utf-8")
    return {path.name: [path] for path in folder.iterdir() if path.is_file()} | {
        "many": sorted((folder / "many").iterdir())
    }


def test_all_formats_hold_the_same_texts(tmp_path: Path) -> None:
    texts = ["Ein Fluß.\r\nZweite Zeile", "naïve 日本語", "third"]
    texts[0] = texts[0].replace("\r\n", "\n")
    for name, files in write_all_formats(tmp_path, texts).items():
        found = list(read_texts(files, "body", "name"))
        assert [text.text for text in found] == texts, name
        assert [text.number for text in found] == [0, 1, 2]
        titles = {"one.txt": ["one 1", "one 2", "one 3"], "many": ["0", "1", "2"]}.get(
            name, ["T0", "T1", "T2"]
        )
        assert [text.title for text in found] == titles


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.txt", b"good \xff bad", "a.txt is not UTF-8 at byte 5"),
        ("a.json", b'["\xc3("]', "a.json is not UTF-8 at byte 2"),
        ("a.json", b"{", "a.json is not valid JSON"),
        ("a.json", b"3", "neither a list nor an object"),
        ("a.json", b"[" * 100_000, "a.json is not valid JSON"),
        ("a.jsonl", b"[1", "a.jsonl is not valid JSON"),
        ("a.json", b'[{"body": "x"}]', r"has a text in the field 'text' \(the first one has body\)"),
        ("a.jsonl", b'{"text": null}', r"has a text in the field 'text' \(what it holds is no text\)"),
        ("a.jsonl", b"text", r"has a text in the field 'text' \(they are not JSON\)"),
        ("a.parquet", b"PAR1", "cannot be read as Parquet"),
        ("a.csv", b"x", "unsupported format"),
    ],
)
def test_unreadable_texts_are_one_sentence(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=said) as caught:
        list(read_texts([tmp_path / name], "text", None))
    assert "\n" not in str(caught.value)


def test_tokens_are_the_tokenizers_and_control_tokens_are_plain_text(tmp_path: Path) -> None:
    encode = encoder(tiny.save_tokenizer(tmp_path))
    found = vocabulary(tmp_path / "tokenizer.json", tiny.VOCABULARY)
    texts = [tiny.TEXTS[0], "a literal <s> and </s>", "naïve 日本語 🙂"]
    for text, ids in zip(texts, encode(texts), strict=True):
        assert not {0, 1} & set(ids)
        shown = "".join(found["text"][token] for token in ids)
        if text.isascii():
            assert shown == text


def test_vocabulary_for_display(tmp_path: Path) -> None:
    found = vocabulary(tiny.save_tokenizer(tmp_path), tiny.VOCABULARY + 2)
    assert found["token"] == list(range(tiny.VOCABULARY + 2))
    assert found["special"][:3] == [True, True, False]
    assert found["text"][0] == "<s>"
    assert " the" in found["text"]
    assert "<0xE2>" in found["text"]
    assert found["text"][-1] == f"<id {tiny.VOCABULARY + 1}>"


def test_the_token_before_every_sequence() -> None:
    assert begin_token(None, 3, 4, 10) == 3
    assert begin_token(None, None, 4, 10) == 4
    assert begin_token(5, 3, 4, 10) == 5
    with pytest.raises(InputError, match=r"corpus\.bos: the model has no begin"):
        begin_token(None, None, None, 10)
    with pytest.raises(InputError, match=r"corpus\.bos: 10 is not in"):
        begin_token(10, None, None, 10)
    with pytest.raises(InputError, match=r"corpus\.max_length: 65 exceeds"):
        Limits(max_length=65).check(64)


def test_the_program_writes_the_same_bytes_again(tmp_path: Path) -> None:
    from n2g.model.conversion import convert
    from n2g.texts.fetch import fetch
    from n2g.texts.sources import Source, wanted_files

    tiny.save_native_model(tmp_path / "model")
    convert(Source.parse(str(tmp_path / "model")).local_files(wanted_files("model")), tmp_path / "checkpoint")
    (tmp_path / "texts.txt").write_text("\n\n".join(tiny.TEXTS))
    fetch(Source.parse(str(tmp_path / "texts.txt")), tmp_path / "fetched", wanted_files("corpus"))
    script = Path(__file__).parents[2] / "scripts" / "corpus.py"
    outputs = []
    for name in ("a", "b"):
        command = [
            sys.executable,
            script,
            "--texts",
            tmp_path / "fetched/fetched.json",
            "--output",
            tmp_path / name,
        ]
        command += ["--checkpoint", tmp_path / "checkpoint/checkpoint.json", "--max-length", "16"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        outputs.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert outputs[0] == outputs[1]
    documents = read_table(tmp_path / "a" / "documents.parquet", "documents")
    tokens = read_array(tmp_path / "a" / "tokens.npy", np.int32)
    assert (tokens[documents["offset"].to_numpy()] == 0).all()
    assert (tokens == 0).sum() == len(documents)
    assert read_json(tmp_path / "a" / "corpus.json")["tokens"]["total"] == len(tokens)
    assert len(read_table(tmp_path / "a" / "vocabulary.parquet", "vocabulary")) == tiny.VOCABULARY
