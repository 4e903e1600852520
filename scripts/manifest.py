"""Write the manifest of a finished run: what it was made from and with, and what each stage cost."""

import argparse
import json
from pathlib import Path

from n2g.files.tables import write_json
from n2g.ids import parse_blocks
from n2g.results.manifest import costs, manifest
from n2g.workflow.run_options import add_blocks_option
from n2g.workflow.run_script import run_script


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=json.loads, required=True, help="the whole configuration, as JSON")
    add_blocks_option(parser)
    parser.add_argument("--parts", type=int, default=1, help="number of jobs that a pass is split into")
    parser.add_argument("--without", nargs="*", default=[], help="rules to exclude from the costs")
    parser.add_argument("--base", type=Path, required=True, help="the checkout")
    parser.add_argument("--model", type=Path, required=True, help="manifest of the fetched model")
    parser.add_argument("--checkpoint", type=Path, required=True, help="the model's checkpoint.json")
    parser.add_argument("--texts", type=Path, required=True, help="manifest of the fetched texts")
    parser.add_argument("--units", type=Path, help="units.json, where latents are described")
    parser.add_argument("--encoders", type=Path, help="manifest of the fetched encoders, if they were")
    parser.add_argument("--output", type=Path, required=True, help="manifest.json in the run's folder")
    given = parser.parse_args()

    run, blocks = given.output.parent, parse_blocks(given.blocks)
    inputs = (given.base, given.model, given.checkpoint, given.texts, given.units, given.encoders)
    spent = costs(run / "benchmarks", blocks, given.parts, given.without)
    write_json(given.output, manifest(given.config, run, blocks, *inputs) | {"costs": spent})


if __name__ == "__main__":
    run_script(main)
