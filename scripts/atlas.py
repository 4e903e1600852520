"""Build the atlas: a static site with a page for every selected neuron."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from n2g.errors import run_script
from n2g.ids import Block, NeuronId
from n2g.site import Atlas, build


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--renders", nargs="+", type=Path, required=True, help="{layer}/{block}/render")
    parser.add_argument("--summary", type=Path, required=True, help="summary.json")
    parser.add_argument(
        "--config", type=json.loads, required=True, help="run, model, corpus and poles, as JSON"
    )
    parser.add_argument("--site", type=Path, required=True, help="templates, style sheets, scripts")
    parser.add_argument("--docs", type=Path, required=True, help="folder of written pages")
    parser.add_argument("--out", type=Path, required=True, help="folder of the site")
    given = parser.parse_args()
    expected = tuple(
        str(NeuronId(int(folder.parts[-3]), neuron, pole == "negative"))
        for folder in given.renders
        for neuron in Block.parse(folder.parts[-2]).neurons
        for pole in given.config["poles"]
    )
    summary = json.loads(given.summary.read_text(encoding="utf-8"))
    build(Atlas(given.config, summary, expected), given.renders, given.site, given.docs, given.out)


if __name__ == "__main__":
    run_script(main)
