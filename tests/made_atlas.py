"""An atlas of made-up records, built as the site of a run is."""

from __future__ import annotations

from pathlib import Path

import fake_records

from n2g.site.build import build
from n2g.site.inputs import SiteInputs, Vocabulary

ROOT = Path(__file__).parents[1]
COUNTS = {
    "texts": {"read": 5000, "exact_duplicates": 1, "kept": 4000, "too_short": 0, "near_duplicates": 2},
    "skipped": {"no_text": 3, "not_json": 0},
    "files": {"read": 2, "other": {".csv": 4, ".pdf": 1}},
}
ADDRESS = "https://example.org/atlas/"  # where it says that it is published
EXPECTED = tuple(f"L{layer}.N{neuron}" for layer in range(2) for neuron in range(4))


def make(folder: Path, expected: tuple[str, ...] = EXPECTED, site_url: str | None = ADDRESS) -> Path:
    renders = fake_records.write(folder)
    fake_records.write_connections(folder)
    fake_records.write_effects(folder)
    similar = fake_records.write_similar(folder / "similar.parquet")
    docs = folder / "docs"
    docs.mkdir()
    (docs / "method.md").write_text(
        "# Method\n\n| a | b |\n| --- | ---: |\n| 1 | 2 |\n\n## Limits\n\n"
        "## Rewriting a layer\n\n## What a neuron does\n"
    )
    known = fake_records.tokenizer(folder / "tokenizer.json")
    words = [fake_records.TEXTS.get(token, f"w{token}") for token in range(known.get_vocab_size())]
    vocabulary = Vocabulary(folder / "tokenizer.json", None, words)
    diff = fake_records.write_diff(folder / "diff.parquet")
    config, tables = fake_records.CONFIG | {"against": "<b>old</b>", "site_url": site_url}, (similar, diff)
    rewritten = (fake_records.write_rewritten(folder / "0"),)
    atlas = SiteInputs(
        config,
        fake_records.summary(),
        expected,
        vocabulary,
        ("connections", "effects"),
        tables,
        COUNTS,
        None,
        rewritten,
    )
    build(atlas, renders, ROOT / "site", docs, folder / "atlas")
    return folder / "atlas"


def pages(atlas: Path) -> list[Path]:
    return sorted(atlas.rglob("*.html"))
