"""Compare recomputed neurons with their published records and report the differences."""

import argparse
import shutil
import sys
from pathlib import Path

from n2g.files.tables import read_json, write_json, write_rows
from n2g.ids import NeuronId, block_folder
from n2g.results.manifest import hardware
from n2g.results.reproduce import compare, report, rows
from n2g.workflow.run_script import run_script


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--published", type=Path, required=True, help="folder of the run")
    parser.add_argument(
        "--recomputed", type=Path, required=True, help="folder of the recomputed run; removed afterwards"
    )
    parser.add_argument("--records", nargs="+", type=Path, required=True, help="the published ones")
    parser.add_argument("--device", default="auto", help="device used for recomputing")
    parser.add_argument("--table", type=Path, help="table to write")
    given = parser.parse_args()

    manifest = given.published / "manifest.json"
    moved = manifest.exists() and read_json(manifest)["hardware"] != hardware(given.device)
    found, strict = [], not moved
    for published in given.records:
        neuron = NeuronId.parse(published.stem)
        path = block_folder(given.recomputed, neuron.layer, neuron.block) / "render" / published.name
        record, recomputed = read_json(published), read_json(path)
        strict &= record["provenance"]["dtype"] == recomputed["provenance"]["dtype"]
        found.append(compare(record, recomputed))
        kept = given.published / "reproduced" / published.name
        if found[-1].outcome == "identical":
            kept.unlink(missing_ok=True)
        else:
            write_json(kept, recomputed)
    for line in report(found, strict):
        print(line)
    if given.table:
        write_rows(given.table, "reproduced", list(rows(found)))
    shutil.rmtree(given.recomputed)
    passing = ("identical",) if strict else ("identical", "equivalent")
    sys.exit(not all(one.outcome in passing for one in found))


if __name__ == "__main__":
    run_script(main)
