"""Neuron records made up from a seed, for tests of pictures and pages; some hold text meant to do harm."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from n2g.files.canonical_json import dump
from n2g.files.tables import write_rows
from n2g.graphs.token_display import visible
from n2g.ids import NeuronId
from n2g.results.pictures import pictures
from n2g.results.records import Findings, record

HOSTILE = [
    "<script>window.hacked=1</script>",
    "</svg><img src=x onerror='window.hacked=2'>",
    "{{ 7 * 7 }}{% raw %}",
    "[click](javascript:window.hacked=3)",
    "&amp;lt;b&amp;gt;",
    "\u202eesrever\u202c",
    "\x00\x07\x1b[31m",
    "]]></style><!--",
    '" onmouseover="window.hacked=4',
    "x" * 10_000,
    "</title></text>",
    "%%{init}%%`$(reboot)`",
    "\n\r\t\u2028\u2029",
    "🏳️‍🌈",
    "\u0301\u0302",
    "\\N\\G\\l",
    "<0xE2>",
]
WORDS = [" the", " bank", " river", "ing", " of", ",", '"', ":", " Paris", "日本", " été", "\n", " "]
TEXTS = dict(enumerate([*HOSTILE, *WORDS]))
HARMLESS = dict(enumerate(WORDS, start=len(HOSTILE)))

CONFIG = {
    "run": "fake",
    "poles": ["positive"],
    "model": {
        "source": "pypi:fake==1",
        "name": "Fake-1M",
        "licence": "MIT",
        "url": "https://example.org/model",
    },
    "corpus": {"source": "texts.txt", "name": None, "licence": "CC0", "url": None},
}
UNITS = {
    "source": "saes/<b>fake</b>",
    "hook": "auto",
    "model": None,
    "name": "<i>Fake</i> encoders",
    "licence": "CC BY 4.0",
}
PREDICTORS = ("graph", "paper", "token_lookup")
SETS = ("top", "quantile", "random")


def graph(random: Random, texts: dict[int, str], size: int = 12) -> dict:
    """A graph with every kind of node."""
    nodes: list[dict] = [{"id": 0, "parent": None}]
    kinds = ["token", "class", "wildcard", "gap", "start", "token", "class"]
    for number in range(1, size + 1):
        open_nodes = [node["id"] for node in nodes if node.get("kind") != "start"]
        parent = 0 if number == 1 else random.choice(open_nodes)
        kind = "token" if parent == 0 else random.choice(kinds)
        node = {"id": number, "parent": parent, "kind": kind, "importance": round(random.random(), 3)}
        node["cost"] = 0.02
        if kind in ("token", "class"):
            count = 1 if kind == "token" else random.randint(2, min(9, len(texts)))
            tokens = sorted(random.sample(sorted(texts), count))
            node |= {"tokens": tokens, "weights": [1.0, *(0.5 for _ in tokens[1:])]}
        if kind == "gap":
            node["max"] = 8
        if kind in ("token", "class", "start"):
            node["end"] = {"activation": round(1 + random.random(), 3), "support": 3, "precision": 0.9}
        nodes.append(node)
    return {
        "version": 2,
        "method": "atlas",
        "bos": None,
        "decision_threshold": 0.7,
        "scale": 2.0,
        "nodes": nodes,
    }


def example(random: Random, texts: dict[int, str], kind: str, split: str) -> dict:
    """An excerpt of 40 tokens."""
    tokens = [random.choice(sorted(texts)) for _ in range(40)]
    activations = [round(random.uniform(-0.5, 2), 3) for _ in tokens]
    return {
        "set": kind,
        "split": split,
        "document": random.randrange(100),
        "title": random.choice(list(texts.values()))[:50],
        "start": 0,
        "pivot": 20,
        "tokens": tokens,
        "activations": activations,
        "predictions": [
            1.5 * (at % 2) if split == "train" else random.choice((0.0, 1.5)) for at in range(40)
        ],
    }


def findings(random: Random, texts: dict[int, str], status: str = "ok") -> Findings:
    """What the stages might have found."""
    histogram = {
        "edges": [-0.5 + index / 8 for index in range(21)],
        "counts": [2 ** (20 - i) for i in range(20)],
    }
    names = ("density", "maximum", "mean", "std", "skewness", "kurtosis")
    statistics = {name: round(random.random(), 4) for name in names}
    statistics |= {"histogram": histogram, "firing": 12, "tokens": 5000, "lowest": -0.5, "highest": 2.0}
    if status != "ok":
        statistics |= {"lowest": 0.0, "highest": 0.0}
        reason = "Nothing was above zero." if status == "dead" else "<b>Out of memory</b>"
        return Findings(None, status, reason, statistics)
    scores = {name: round(random.random(), 3) for name in ("precision", "recall", "f1", "correlation")}
    counts = {"firing": 9, "true_positives": 5, "false_positives": 3, "false_negatives": 4}
    metrics = {kind: dict.fromkeys(PREDICTORS, scores | counts) for kind in SETS}
    kinds = [("top", "train"), ("top", "test"), ("quantile", "test"), ("random", "test")]
    kinds += [("false-positive", "test"), ("false-negative", "test")]
    examples = [example(random, texts, *kind) for kind in kinds for _ in range(3)]
    further = Random(repr(examples))
    examples += [example(further, texts, "firing", "test") for _ in range(9)]
    logits = {"promoted": [[token, 1.5] for token in sorted(texts)[:5]], "suppressed": []}
    made = graph(random, texts)
    tested = {
        node["id"]: {"top": [3, 2], "random": [7, 4]}
        for node in made["nodes"]
        if "end" in node and node["id"] % 2
    }
    strongest = [[token, 1.25, 3] for token in sorted(texts)[:15]]
    rule = {"line": f'"{HOSTILE[0]}"|" river" … " bank"'}
    return Findings(
        made,
        status,
        None,
        statistics,
        metrics,
        examples,
        logits,
        effects(sorted(texts)),
        top_tokens=strongest,
        tested=tested,
        rule=rule,
    )


def effects(tokens: list[int]) -> dict:
    """Two of the promoted tokens are among those that the weights name; nothing was measured in one document alone."""
    figures = {"places": 9, "documents": 7, "loss": -0.25, "loss_low": -0.5, "loss_high": -0.125}
    figures |= {"entropy": 0.0625, "entropy_low": -0.125, "entropy_high": 0.25, "divergence": 0.03}
    unknown = dict.fromkeys(("loss_low", "loss_high", "entropy_low", "entropy_high"), float("nan"))
    lists = {
        "promoted": [[token, 0.75] for token in tokens[3:13]],
        "suppressed": [[token, -0.5] for token in tokens[13:20]],
    }
    elsewhere = figures | unknown | {"places": 1, "documents": 1, "loss": 0.001} | lists
    return {"firing": figures | lists, "false-positive": elsewhere}


def write(
    root: Path, layers: int = 2, neurons: int = 4, texts: dict[int, str] = TEXTS, letter: str = "N"
) -> list[Path]:
    """Write the `render` folders of made-up blocks below `root`; one neuron each is dead and failed. Of latents (F)
    each has a name, too."""
    provenance = {
        "run": "fake",
        "model": CONFIG["model"],
        "corpus": CONFIG["corpus"],
        "settings": {"seed": 0},
    }
    folders = []
    for layer in range(layers):
        folder = root / str(layer) / f"00000-{neurons - 1:05d}" / "render"
        folder.mkdir(parents=True)
        folders.append(folder)
        records = {}
        for number in range(neurons):
            neuron = NeuronId(layer, number, letter=letter)
            status = {(1, 2): "dead", (1, 3): "failed"}.get((layer, number), "ok")
            command = f"snakemake neuron --cores 1 --resources gpu=1 --config neuron={neuron}"
            made = findings(Random(f"{neuron}"), texts, status)
            named = {"units": UNITS, "name": HOSTILE[number]} if letter == "F" else {}
            records[str(neuron)] = record(neuron, made, texts, provenance | named | {"command": command})
        for name, one in records.items():
            (folder / f"{name}.json").write_text(dump(one), encoding="utf-8")
        for name, content in pictures(records, texts):
            (folder / name).write_text(content, encoding="utf-8")
    return folders


def write_connections(root: Path) -> None:
    """Connections of the made-up neurons: of L0.N1 with one that has a page and one that has none."""
    for layer, rows in ((0, [(1, 1, 2, 0.5), (1, 1, 99, 0.25)]), (1, [])):
        found = [
            {"neuron": neuron, "pole": "positive", "direction": "downstream", "sign": "positive"}
            | {"rank": rank, "other_layer": other_layer, "other_neuron": other, "weight": weight}
            for rank, (neuron, other_layer, other, weight) in enumerate(rows)
        ]
        (folder,) = (root / str(layer)).iterdir()
        write_rows(folder / "connections.parquet", "connections", found)


def write_effects(root: Path, layers: int = 2) -> None:
    """What the first neuron of each layer does, as its record says."""
    for layer in range(layers):
        (folder,) = (root / str(layer)).iterdir()
        (record,) = folder.glob(f"render/L{layer}.?0.json")
        known = json.loads(record.read_text())["effects"]
        rows = []
        for name, effect in known.items():
            row = {"neuron": 0, "pole": "positive", "set": name}
            row |= {key: float("nan") if value is None else value for key, value in effect.items()}
            for end in ("promoted", "suppressed"):
                row |= {end: [t for t, _ in effect[end]], f"{end}_by": [value for _, value in effect[end]]}
            rows.append(row)
        write_rows(folder / "effects.parquet", "effects", rows)


def write_similar(path: Path) -> Path:
    """L0.N1 is like L1.N0; both have pages."""
    other = {"other_layer": 1, "other_neuron": 0, "other_pole": "positive"}
    unit = {"layer": 0, "neuron": 1, "pole": "positive"}
    write_rows(path, "similar", [unit | other | {"kind": "behaviour", "score": 0.875, "rank": 0}])
    return path


def write_diff(path: Path) -> Path:
    """Changes with hostile patterns in L0.N0 and L0.N1; L1.N3 is new, and L9.N9 is gone."""

    def row(layer: int, neuron: int, kind: str, what: str, before: float, after: float) -> dict:
        unit = {"layer": layer, "neuron": neuron, "pole": "positive"}
        return unit | {"kind": kind, "what": what, "before": before, "after": after}

    rows = [row(0, 0, "added", visible(text), 0.0, 0.5) for text in HOSTILE[:5]]
    rows += [row(0, 0, "removed", visible(text), 0.25, 0.0) for text in HOSTILE[5:]]
    rows += [
        row(0, 1, "status", "dead → ok", 0.0, 0.0),
        row(0, 1, "score", "f1 on top", 0.25, 0.75),
        row(0, 1, "reweighted", visible(HOSTILE[0]), 0.5, 1.0),
        row(1, 3, "only now", "", 0.0, 0.0),
        row(9, 9, "only before", "", 0.0, 0.0),
    ]
    write_rows(path, "diff", rows)
    return path


def write_rewritten(folder: Path) -> Path:
    """A layer that was rewritten; setting its neurons to 0 recovers far less than nothing. The first neuron keeps half
    of its effect, the second has none."""
    known = {"model": 1.0, "zero": -2.5, "mean": 0.0, "token_mean": 0.25, "token_lookup_calibrated": -0.125}
    known |= {"shuffled": -0.5, "texts_only": 0.5, "graph": 0.625, "graph_token_mean": 0.75}
    counts = {"neurons": 4, "poles": 1, "documents": 210, "tokens": 19_580}
    rows = [
        counts
        | {"condition": name, "loss": 3 - value / 8, "loss_low": 2.0, "loss_high": 4.0}
        | {"recovered": value, "recovered_low": value - 0.125, "recovered_high": value + 0.125}
        | {
            "divergence": (1 - value) / 8,
            "kept": value,
            "kept_low": value - 0.125,
            "kept_high": value + 0.125,
        }
        for name, value in known.items()
    ]
    write_rows(folder / "rewrite.parquet", "rewrite", rows)
    counts = {"documents": 210, "tokens": 19_580}
    bounds = {
        "kept": 0.5,
        "kept_low": 0.25,
        "kept_high": 0.625,
        "token_mean_kept": 0.125,
        "graph_token_mean_kept": 0.75,
    }
    nothing = dict.fromkeys(bounds, float("nan"))
    rows = [
        {"neuron": 0, "mean_effect": 2e-5, "graph_effect": 1e-5} | counts | bounds,
        {"neuron": 1, "mean_effect": 0.0, "graph_effect": 0.0} | counts | nothing,
    ]
    write_rows(folder / "rewrite_neurons.parquet", "rewrite_neurons", rows)
    return folder


def summary(layers: int = 2) -> dict:
    """Macro averages as in `summary.json`."""
    scores = {"precision": 0.7, "recall": 0.5, "f1": 0.6, "f1_low": 0.55, "f1_high": 0.65, "correlation": 0.5}
    return {
        "layers": {
            str(layer): {kind: dict.fromkeys(PREDICTORS, scores) for kind in SETS} for layer in range(layers)
        }
    }


def tokenizer(path: Path) -> Tokenizer:
    """A small byte-level tokenizer with a special token, written as tokenizer.json; low ids are characters."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        show_progress=False,
        special_tokens=[],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    made.train_from_iterator(
        ["the river bank of Paris is by the sea, and it's 1,234 years old.\n\n"] * 9, trainer
    )
    made.add_special_tokens(["<|endoftext|>"])
    made.encode_special_tokens = True
    made.save(str(path))
    return made


def texts_of(path: Path) -> dict[int, str]:
    """The vocabulary of a record on disk."""
    return {int(token): text for token, text in json.loads(path.read_text())["vocabulary"].items()}
