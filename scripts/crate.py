"""Turn the folder of a finished run into an RO-Crate: a description, and a copy of the workflow next to the results."""

import argparse
import shutil
from pathlib import Path

import yaml

from n2g.errors import InputError
from n2g.files.atomic import replacing
from n2g.files.digests import files_digest
from n2g.files.tables import read_json, write_json
from n2g.ids import parse_blocks
from n2g.results.crate import WORKFLOW, describe
from n2g.workflow.code_digests import SOURCES, source_files
from n2g.workflow.run_options import add_run_options
from n2g.workflow.run_script import run_script

COPIED = (
    *SOURCES,
    *("envs", "profiles", "requirements", "Makefile", "pyproject.toml"),
    *("README.md", "LICENSE", "CITATION.cff"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_run_options(parser)
    parser.add_argument("--files", nargs="+", type=Path, required=True, help="results of the whole run")
    parser.add_argument("--base", type=Path, required=True, help="the checkout")
    parser.add_argument(
        "--output", type=Path, required=True, help="ro-crate-metadata.json in the run's folder"
    )
    given = parser.parse_args()

    manifest = read_json(given.run / "manifest.json")
    if files_digest(source_files(given.base, SOURCES), given.base) != manifest["code"]["digest"]:
        raise InputError(
            "The code was edited since the run's manifest was written: "
            "run `snakemake crate --forcerun manifest` to refresh both."
        )
    with replacing(given.run / WORKFLOW) as folder:
        for file in source_files(given.base, COPIED):
            target = folder / file.relative_to(given.base)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
        (folder / "config.yaml").write_text(yaml.safe_dump(manifest["config"], allow_unicode=True))
    files = [file.relative_to(given.run).as_posix() for file in given.files]
    write_json(given.output, describe(given.run, files, parse_blocks(given.blocks)))


if __name__ == "__main__":
    run_script(main)
