"""Write the record and the picture of every neuron of a block."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from n2g.files.atomic import replacing
from n2g.files.canonical_json import dump
from n2g.ids import HOOKS
from n2g.results.pictures import pictures
from n2g.results.records import record
from n2g.results.stage_outputs import read_block, read_texts
from n2g.units.description import read_latents
from n2g.workflow.run_script import run_script


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True, help="folder of the tokenised corpus")
    parser.add_argument("--block", type=Path, required=True, help="folder {layer}/{block} of the run")
    parser.add_argument("--layer", type=int, required=True, help="the block's layer")
    parser.add_argument("--method", default="atlas", help="method whose graphs to show: atlas or paper")
    parser.add_argument("--effects", nargs="*", type=Path, default=[], help="the table, if there is one")
    parser.add_argument("--explanations", nargs="*", type=Path, default=[], help="the table, if there is one")
    parser.add_argument("--provenance", type=json.loads, default={}, help="run, model, ... as JSON")
    parser.add_argument(
        "--units", type=Path, help="units.json, where latents are described instead of neurons"
    )
    parser.add_argument("--dot", default="graphviz-pure", help="the Graphviz program")
    parser.add_argument(
        "--output", type=Path, required=True, help="folder for {id}.json, {id}.dot and pictures"
    )
    given = parser.parse_args()

    names: Sequence[str] = ()
    if given.units:
        encoder = read_latents(given.units).layers[given.layer]
        kind, hook, names = "latents", encoder.hook, encoder.names
    else:
        kind = "neurons"
        hook = HOOKS[given.provenance.get("model", {}).get("hook", "post")].format(layer=given.layer)
    texts = read_texts(given.corpus)
    words = dict(enumerate(texts.words))
    records = {}
    optional = {name: path for name in ("effects", "explanations") for path in getattr(given, name)}
    found = read_block(given.block, given.layer, texts, given.method, optional, kind)
    for neuron, findings in found:
        command = f"snakemake neuron --cores 1 --resources gpu=1 --config neuron={neuron}"
        origin = {**given.provenance, "hook": hook, "command": command}
        origin |= {"name": names[neuron.neuron]} if names else {}
        records[str(neuron)] = record(neuron, findings, words, origin)
    with replacing(given.output) as folder:
        folder.mkdir()
        for name, one in records.items():
            (folder / f"{name}.json").write_text(dump(one), encoding="utf-8")
        for name, content in pictures(records, words, given.dot):
            (folder / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    run_script(main)
