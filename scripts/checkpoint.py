"""Bring a fetched model into one form: config.json, safetensors weights, tokenizer.json, checkpoint.json."""

import argparse
from pathlib import Path

from n2g.model.conversion import convert
from n2g.texts.fetch import fetched_files, fetched_name
from n2g.workflow.run_script import run_script


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="manifest of the fetched model")
    parser.add_argument(
        "--tokenizer", type=Path, help="manifest of a fetched tokenizer that replaces the model's own"
    )
    parser.add_argument("--loader", default="auto", choices=["auto", "transformers", "tl_legacy", "native"])
    parser.add_argument("--hook", default="post", choices=["post", "mid"], help="where neurons are read")
    parser.add_argument(
        "--output", type=Path, required=True, help="checkpoint.json; other files are written next to it"
    )
    given = parser.parse_args()

    files = fetched_files(given.model)
    tokenizer = fetched_files(given.tokenizer) if given.tokenizer else []
    name = fetched_name(given.model)
    found = convert(files, given.output.parent, given.loader, tokenizer=tokenizer, name=name, hook=given.hook)
    print(f"{found.architecture}: {found.n_layers} layers of {found.d_mlp} neurons, SHA-256 {found.digest}")


if __name__ == "__main__":
    run_script(main)
