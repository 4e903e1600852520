"""Write the atlas in the formats of other tools."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from n2g.export.neuron import Neuron, read_neurons
from n2g.export.package import About, write_export
from n2g.files.atomic import replacing
from n2g.files.tables import read_json, read_table
from n2g.ids import block_folders
from n2g.texts.corpus_files import load_documents, load_words
from n2g.units.description import read_latents
from n2g.workflow.run_options import add_run_options
from n2g.workflow.run_script import run_script


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_run_options(parser)
    parser.add_argument("--checkpoint", type=Path, required=True, help="the model's checkpoint.json")
    parser.add_argument(
        "--units", type=Path, help="units.json, where latents are described instead of neurons"
    )
    parser.add_argument(
        "--config", type=json.loads, required=True, help="run, model, corpus and units, as JSON"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed for choosing random documents")
    parser.add_argument("--schema", type=Path, required=True, help="JSON Schema of the records")
    parser.add_argument("--output", type=Path, required=True, help="folder of the export")
    given = parser.parse_args()

    documents = load_documents(given.run / "corpus")
    table = read_table(given.run / "corpus" / "documents.parquet", "documents")
    words = load_words(given.run / "corpus")

    latents = read_latents(given.units) if given.units else None
    kind = "latents" if latents else "neurons"
    folders = block_folders(given.run, given.blocks)

    def blocks() -> Iterator[list[Neuron]]:
        for layer, folder in folders:
            writes = latents.layers[layer].writes if latents else None
            yield list(read_neurons(folder, layer, documents, words, given.seed, kind, writes))

    model = read_json(given.checkpoint)

    def source(name: str) -> dict[str, str | None]:
        part = given.config[name]
        return {"name": part["name"] or part["source"], "licence": part["licence"], "url": part["url"]}

    each = latents.latents if latents else model["d_mlp"]
    size = (model["n_layers"], each)
    encoders = source("units") if latents else None
    about = About(given.config["run"], source("model"), source("corpus"), size, encoders)
    drawings = {dot.stem: dot for _, folder in folders for dot in (folder / "render").glob("*.dot")}
    titles = {name: table[name].to_pylist() for name in ("title", "sha256")}
    with replacing(given.output) as folder:
        write_export(folder, blocks(), about, titles, drawings, given.schema)


if __name__ == "__main__":
    run_script(main)
