"""Build the atlas: a static site with a page for every selected neuron."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from n2g.files.tables import read_json
from n2g.ids import LETTERS, NeuronId, block_folders, parse_blocks
from n2g.site.build import build
from n2g.site.inputs import SiteInputs, Vocabulary
from n2g.texts.corpus_files import load_words
from n2g.units.description import read_latents
from n2g.workflow.run_options import add_run_options
from n2g.workflow.run_script import run_script


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_run_options(parser)
    parser.add_argument("--corpus", type=Path, required=True, help="folder of the tokenised corpus")
    parser.add_argument("--checkpoint", type=Path, required=True, help="the model's checkpoint.json")
    parser.add_argument(
        "--units", type=Path, help="units.json, where latents are described instead of neurons"
    )
    parser.add_argument("--summary", type=Path, required=True, help="summary.json")
    parser.add_argument("--tables", default="", help="block tables to offer for download, comma-separated")
    parser.add_argument(
        "--run-tables", nargs="*", type=Path, default=[], help="tables of the whole run, likewise"
    )
    parser.add_argument("--rewritten", nargs="*", type=Path, default=[], help="folders of rewritten layers")
    parser.add_argument(
        "--config", type=json.loads, required=True, help="run, site_url, model, corpus and poles, as JSON"
    )
    parser.add_argument("--site", type=Path, required=True, help="templates, style sheets, scripts")
    parser.add_argument("--docs", type=Path, required=True, help="folder of written pages")
    parser.add_argument("--out", type=Path, required=True, help="folder of the site")
    parser.add_argument("--processes", type=int, default=1, help="number of processes")
    given = parser.parse_args()
    kind = "latents" if given.units else "neurons"
    expected = tuple(
        str(NeuronId.of(layer, neuron, pole, LETTERS[kind]))
        for layer, block in parse_blocks(given.blocks)
        for neuron in block.neurons
        for pole in given.config["poles"]
    )
    renders = [folder / "render" for _, folder in block_folders(given.run, given.blocks)]
    summary = read_json(given.summary)
    known = vocabulary(given.corpus, given.checkpoint)
    tables = tuple(filter(None, given.tables.split(",")))
    run_tables = (given.corpus / "vocabulary.parquet", *given.run_tables)
    counts = read_json(given.corpus / "corpus.json")
    model = read_json(given.checkpoint)
    latents = read_latents(given.units) if given.units else None
    size = (len(latents.layers), latents.latents) if latents else (model["n_layers"], model["d_mlp"])
    atlas = SiteInputs(
        given.config,
        summary,
        expected,
        known,
        tables,
        run_tables,
        counts,
        size,
        tuple(given.rewritten),
        {layer: one.summary for layer, one in latents.layers.items()} if latents else {},
    )
    build(atlas, renders, given.site, given.docs, given.out, given.processes)


def vocabulary(corpus: Path, checkpoint: Path) -> Vocabulary | None:
    """The tokenizer of the run, or None where the model came without one."""
    tokenizer = checkpoint.parent / "tokenizer.json"
    if not tokenizer.exists():
        return None
    counts = read_json(corpus / "corpus.json")
    words = load_words(corpus)
    return Vocabulary(tokenizer, counts["bos"], words)


if __name__ == "__main__":
    run_script(main)
