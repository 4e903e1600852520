"""Bad input through the real command: one sentence, no traceback, exit status not 0."""

import gzip
import json
from pathlib import Path

import pytest
import tiny
import tiny_run
import yaml

from n2g.files.tables import read_table

ROOT = Path(__file__).parents[2]
CORPUS = "results/tiny/corpus/corpus.json"


def snakemake(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run the workflow in a folder; exit status and everything it says."""
    return tiny_run.snakemake(folder, *arguments, "--snakefile", ROOT / "Snakefile")


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small model, small texts and a configuration, whose corpus is made."""
    folder = tmp_path_factory.mktemp("run")
    tiny.save_llama(folder / "model")
    (folder / "texts.txt").write_text("\n\n".join(tiny.TEXTS))
    configure(folder)
    status, said = snakemake(folder, CORPUS)
    assert status == 0, said
    return folder


def configure(folder: Path, **changes: object) -> None:
    """Write config.yaml; keys of a section are given as model__source."""
    config: dict = {
        "run": "tiny",
        "model": {"source": "model"},
        "corpus": {"source": "texts.txt", "max_length": 32},
        "layers": "0-1",
        "neurons": "0-3",
        "block_size": 4,
    }
    for key, value in changes.items():
        *outer, last = key.split("__")
        (config[outer[0]] if outer else config)[last] = value
    (folder / "config.yaml").write_text(yaml.safe_dump(config))


def test_a_second_run_has_nothing_to_do(ready: Path) -> None:
    configure(ready)
    status, said = snakemake(ready, CORPUS)
    assert status == 0
    assert "Nothing to be done" in said


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sede": 1}, "sede: is not a key of the configuration: did you mean seed?"),
        ({"layers": "0-3"}, "layers: 3 is out of range: choose from 0-2, or all."),
        (
            {"neurons": "0:3"},
            "neurons: '0:3' is not a selection: write numbers and ranges such as 0-31,100, or all.",
        ),
        ({"neuron": "L99.N0"}, "neuron: L99.N0 does not exist in this model: choose from L0.N0 to L2.N23."),
        (
            {"model__source": "gone"},
            "model.source: 'gone' does not exist: give the path of a file or folder that does.",
        ),
    ],
)
def test_mistakes_in_the_configuration_stop_before_any_job(ready: Path, changes: dict, sentence: str) -> None:
    configure(ready, **changes)
    status, said = snakemake(ready, CORPUS)
    assert status != 0
    assert said.strip().splitlines()[-1] == sentence
    assert "Traceback" not in said
    assert "Building DAG" not in said


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        (
            "ALL_PROXY",
            "socks5://127.0.0.1:1",
            "ALL_PROXY: names a proxy of the kind socks5, and only http and https",
        ),
        (
            "HTTP_PROXY",
            "127.0.0.1:99999",
            "HTTP_PROXY: is not the URL of a proxy: write it as http://HOST:PORT",
        ),
        ("TINY_KEY", "Bearer sk-1", "explain.key: TINY_KEY holds more than a key"),
        ("TINY_KEY", "sk-1…", "explain.key: TINY_KEY holds more than a key"),
        (
            "OPENAI_ORG_ID",
            "org-1\n",
            "OPENAI_ORG_ID: has a space, a line end or a character that is not ASCII",
        ),
        ("URL", "http://[::1", "explain.base_url: 'http://[::1' is not a URL"),
        ("URL", "http://127.0.0.1:80a", "explain.base_url: 'http://127.0.0.1:80a' is not a URL"),
        ("URL", "http://127.0.0.1:80/v1\n", "explain.base_url: 'http://127.0.0.1:80/v1\\n' is not a URL"),
        ("URL", "http://127.0.0.1:99999", "explain.base_url: 'http://127.0.0.1:99999' is not a URL"),
        ("URL", "http://[v1.a]/v1", "explain.base_url: 'http://[v1.a]/v1' is not a URL"),
        ("URL", "http:///v1", "explain.base_url: 'http:///v1' is not a URL (it names no host)"),
    ],
)
def test_an_endpoint_out_of_reach_stops_before_any_job(
    ready: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, sentence: str
) -> None:
    url = value if variable == "URL" else "http://127.0.0.1:1/v1"
    configure(ready, explain={"base_url": url, "model": "m", "key": "TINY_KEY"})
    monkeypatch.setenv(variable, value)
    status, said = snakemake(ready, CORPUS)
    assert status != 0
    assert said.strip().splitlines()[-1].startswith(sentence)
    assert "Traceback" not in said and "Building DAG" not in said


def test_mistakes_on_the_command_line(ready: Path) -> None:
    configure(ready)
    status, said = snakemake(ready, "neuron", "--config", "neuron=L99.N0")
    assert status != 0
    assert said.strip().splitlines()[-1].startswith("neuron: L99.N0 does not exist in this model")
    status, said = snakemake(ready, CORPUS, "--resources", "gpu=0")
    assert status != 0 and "Traceback" not in said
    assert said.strip().splitlines()[-1].startswith("--resources gpu=0: a job that runs the model takes one")
    status, said = snakemake(ready, "neuron")
    assert status != 0
    assert said.strip().splitlines()[-1] == "neuron: is not set: name one, as in --config neuron=L3.N42."


def test_the_program_for_drawings_is_looked_for_first(
    ready: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(ready, dot="dot")
    monkeypatch.setenv("PATH", str(tmp_path))
    status, said = snakemake(ready, CORPUS, "--force", "--dry-run")
    assert status == 0, said
    status, said = snakemake(ready, CORPUS, "--force")
    assert status != 0 and "Traceback" not in said
    assert (
        said.strip().splitlines()[-1].startswith("dot: the program 'dot' is not installed: install Graphviz")
    )


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"neurons: 10:20\n", "neurons: '10:20' is not a selection: write numbers and ranges such as"),
        (b"seed: 010\n", "seed: '010' is not a whole number: give a whole number."),
        (b"seed: 2026-01-05\n", "seed: '2026-01-05' is not a whole number: give a whole number."),
        (b"# Gr\xf6\xdfe\n", "config.yaml: is not UTF-8 at byte "),
        (b"layers: [0\n", "config.yaml: line "),
        (b"run: twice\n", "config.yaml: line 10 is not valid YAML (run is given twice): correct it."),
    ],
    ids=["base 60", "base 8 or 10", "date", "Latin-1", "syntax", "key twice"],
)
def test_files_that_mean_something_else_or_nothing(ready: Path, content: bytes, sentence: str) -> None:
    configure(ready)
    file = ready / "config.yaml"
    key = content.partition(b":")[0]
    kept = [
        line
        for line in file.read_bytes().splitlines(keepends=True)
        if not line.startswith(key) or key == b"run"
    ]
    file.write_bytes(b"".join(kept) + content)
    status, said = snakemake(ready, CORPUS)
    assert status != 0
    assert said.strip().splitlines()[-1].startswith(sentence)
    assert "Traceback" not in said


@pytest.mark.parametrize("name", ["2026-01-05", "2024_01", "1.10", "7", "no"])
def test_a_run_has_the_name_that_is_written(ready: Path, name: str) -> None:
    configure(ready)
    file = ready / "config.yaml"
    target = f"results/{name}/corpus/corpus.json"
    status, said = snakemake(ready, target, "--dry-run", "--config", f"run={name}")
    assert status == 0, said
    file.write_text(file.read_text().replace("run: tiny", f"run: {name}"))
    status, said = snakemake(ready, target, "--dry-run")
    assert status == 0, said


def test_all_layers_need_the_model(tmp_path: Path) -> None:
    tiny.save_llama(tmp_path / "model")
    (tmp_path / "texts.txt").write_text("\n\n".join(tiny.TEXTS))
    configure(tmp_path, layers="all")
    status, said = snakemake(tmp_path, "--dry-run")
    assert status != 0
    assert said.strip().splitlines()[-1].endswith("run `snakemake model` first.")
    assert "Traceback" not in said


TEXT = "a text of a few words, long enough to be one"


@pytest.mark.parametrize(
    ("content", "changes", "sentence"),
    [
        (b"", {}, "the corpus is empty: name a source with texts in corpus.source."),
        (TEXT.encode() + b"\xff", {}, "texts.txt is not UTF-8 at byte 44: convert it to UTF-8."),
        (
            b"a b\n\nc d",
            {},
            "every text of the corpus is shorter than 8 tokens: lower corpus.min_length or choose",
        ),
        (
            TEXT.encode(),
            {"corpus__sha256": "0" * 64},
            "and not " + "0" * 64 + ": correct sha256 if you trust it",
        ),
        (TEXT.encode(), {"corpus__max_length": 65}, "corpus.max_length: 65 exceeds the model's context"),
        (TEXT.encode(), {"corpus__bos": 999}, "corpus.bos: 999 is not in the model's vocabulary"),
        (
            TEXT.encode(),
            {},
            "the corpus has 1 document after short ones and duplicates are dropped, none of which",
        ),
        ("\n\n".join([TEXT] * 300).encode(), {}, "the corpus has 1 document after short ones and duplicates"),
        (
            "\n".join(tiny.TEXTS).encode(),
            {},
            "what stands between the documents of a .txt file in corpus.separator.",
        ),
        ("\n\n".join(tiny.TEXTS).encode(), {"corpus__max_tokens": 10}, "raise corpus.max_tokens"),
    ],
    ids=[
        *("empty", "not UTF-8", "short", "checksum", "too long", "begin token"),
        *("one document", "one document 300 times", "one line each", "one document taken"),
    ],
)
def test_texts_that_cannot_be_used(ready: Path, content: bytes, changes: dict, sentence: str) -> None:
    (ready / "bad").mkdir(exist_ok=True)
    (ready / "bad" / "texts.txt").write_bytes(content)
    configure(ready, run="bad", corpus__source="bad/texts.txt", **changes)
    failed_with(sentence, ready, "results/bad/corpus/corpus.json")
    assert not list((ready / "results" / "bad" / "corpus").glob("*"))


BAD_ROWS = [
    {"text": None},
    {"body": TEXT},
    {"text": f"{TEXT} \ud83d", "title": "\ude42"},
    {"text": TEXT, "title": 3},
]


def test_a_corpus_is_not_lost_to_a_bad_row(ready: Path) -> None:
    (ready / "rows").mkdir(exist_ok=True)
    rows = [json.dumps(row) for row in [*BAD_ROWS, *({"text": text, "title": None} for text in tiny.TEXTS)]]
    (ready / "rows" / "texts.jsonl").write_text("\n".join([*rows, '{"text": "cut o']))
    configure(ready, run="rows", corpus__source="rows/texts.jsonl", corpus__title="title")
    status, said = snakemake(ready, "results/rows/corpus/corpus.json")
    assert status == 0, said
    counts = json.loads((ready / "results" / "rows" / "corpus" / "corpus.json").read_text())
    assert counts["skipped"] == {"no_text": 2, "not_json": 1}
    assert counts["texts"]["read"] == len(tiny.TEXTS) + 2
    titles = read_table(ready / "results" / "rows" / "corpus" / "documents.parquet", "documents")["title"]
    assert {"texts 5"} < set(titles.to_pylist()) and "None" not in titles.to_pylist()


def test_a_folder_of_texts(ready: Path) -> None:
    """Whatever the case and the place, compressed or linked; not what is hidden, and no file without a word."""
    folder, elsewhere = ready / "folder", ready / "elsewhere"
    for place in (folder / ".ipynb_checkpoints", folder / "deep", elsewhere):
        place.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"text": text}) + "\n" for text in tiny.TEXTS]
    (folder / "a.jsonl").write_text("".join(lines[:10]))
    (folder / "b.jsonl.gz").write_bytes(gzip.compress("".join(lines[10:20]).encode()))
    (folder / "C.JSONL").write_text("".join(lines[20:30]))
    (folder / "deep" / "d.ndjson").write_text("".join(lines[30:40]))
    (elsewhere / "e.jsonl").write_text("".join(lines[40:]))
    (folder / "linked").symlink_to(elsewhere)
    (folder / "deep" / "loop").symlink_to(folder)
    for name in (".ipynb_checkpoints/x.txt", ".hidden.txt", "notes.csv", "README"):
        (folder / name).write_text(TEXT)
    configure(ready, run="folder", corpus__source="folder")
    status, said = snakemake(ready, "results/folder/corpus/corpus.json")
    assert status == 0, said
    counts = json.loads((ready / "results/folder/corpus/corpus.json").read_text())
    assert counts["files"] == {"read": 5, "other": {".csv": 1, "README": 1}}
    assert counts["texts"]["read"] == len(tiny.TEXTS)
    titles = read_table(ready / "results/folder/corpus/documents.parquet", "documents")["title"].to_pylist()
    assert {title.split()[0] for title in titles} == {"a", "b", "C", "d", "e"}


def test_one_text_a_line(ready: Path) -> None:
    (ready / "lines").mkdir(exist_ok=True)
    (ready / "lines" / "texts.txt").write_text("\n".join(tiny.TEXTS))
    configure(ready, run="lines", corpus__source="lines/texts.txt", corpus__separator="\n")
    status, said = snakemake(ready, "results/lines/corpus/corpus.json")
    assert status == 0, said
    assert json.loads((ready / "results/lines/corpus/corpus.json").read_text())["texts"]["read"] == len(
        tiny.TEXTS
    )


@pytest.mark.parametrize("damage", ["truncated", "no weights", "more layers", "not a model"])
def test_models_that_cannot_be_read(ready: Path, tmp_path: Path, damage: str) -> None:
    model = tiny.save_llama(tmp_path / "model")
    weights = model / "model.safetensors"
    if damage == "truncated":
        weights.write_bytes(weights.read_bytes()[:-100])
        sentence = "model.safetensors cannot be read as a model"
    elif damage == "no weights":
        weights.unlink()
        sentence = "the model has no .safetensors weights: convert it with save_pretrained"
    elif damage == "more layers":
        config = json.loads((model / "config.json").read_text())
        (model / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 4}))
        sentence = "the model is not whole: its files lack 9 of 39 tensors"
    else:
        (model / "config.json").write_text("[]")
        sentence = "cannot be read as a model"
    configure(ready, model__source=str(model))
    failed_with(sentence, ready, "model")


def failed_with(sentence: str, folder: Path, target: str) -> None:
    """A job fails, Snakemake shows its log, and that holds the sentence but no traceback."""
    status, said = snakemake(folder, target)
    assert status != 0
    assert [line for line in said.splitlines() if sentence in line], said
    assert "Traceback" not in said


def test_another_tokenizer_is_fetched(ready: Path, tmp_path: Path) -> None:
    tiny.save_native_model(tmp_path / "model")
    tokenizer = (tmp_path / "model" / "tokenizer.json").rename(tmp_path / "tokenizer.json")
    (tmp_path / "model" / "tokenizer_config.json").unlink()
    configure(ready, model__source=str(tmp_path / "model"))
    failed_with("name one in model.tokenizer", ready, "model")
    configure(ready, model__source=str(tmp_path / "model"), model__tokenizer=str(tokenizer))
    status, said = snakemake(ready, "model")
    assert status == 0, said
