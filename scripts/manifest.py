"""Write the manifest of a finished run: what it was made of and with, and what each stage cost."""

import argparse
import json
from pathlib import Path

from n2g.errors import run_script
from n2g.manifest import manifest
from n2g.tables import write_json


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=json.loads, required=True, help="the whole configuration, as JSON")
    parser.add_argument("--base", type=Path, required=True, help="the checkout")
    parser.add_argument("--model", type=Path, required=True, help="manifest of the fetched model")
    parser.add_argument("--checkpoint", type=Path, required=True, help="the model's checkpoint.json")
    parser.add_argument("--texts", type=Path, required=True, help="manifest of the fetched texts")
    parser.add_argument("--output", type=Path, required=True, help="manifest.json in the run's folder")
    given = parser.parse_args()

    run = given.output.parent
    write_json(
        given.output, manifest(given.config, run, given.base, given.model, given.checkpoint, given.texts)
    )


if __name__ == "__main__":
    run_script(main)
