"""Bring sparse autoencoders and transcoders into one form: units.json and a file of weights for each layer."""

import argparse
from pathlib import Path

from n2g.model.checkpoint import read_description
from n2g.units.converted import convert_encoders
from n2g.units.sources import AUTO, Subject
from n2g.workflow.run_script import run_script


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True, help="the model's checkpoint.json")
    parser.add_argument("--source", type=Path, required=True, help="folder with the encoders")
    parser.add_argument("--file", help="what the folder is called within the source, if it is a part of it")
    parser.add_argument("--hook", default=AUTO, help="where they read, if their files do not say")
    parser.add_argument(
        "--names", nargs="*", default=[], help="all that the model is called; none: any name will do"
    )
    parser.add_argument(
        "--output", type=Path, required=True, help="units.json; other files are written next to it"
    )
    given = parser.parse_args()

    model = read_description(given.checkpoint)
    subject = Subject(model.n_layers, model.d_model, given.names, model.hooks)
    found = convert_encoders(given.source, given.hook, subject, given.output, given.file)
    print(f"{found.latents} latents in each of the layers {', '.join(map(str, found.numbers))}")


if __name__ == "__main__":
    run_script(main)
