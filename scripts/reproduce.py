"""Compare neurons computed anew with their published records, and say what differs."""

import argparse
import shutil
import sys
from pathlib import Path

from n2g.again import published_records
from n2g.errors import run_script
from n2g.ids import NeuronId
from n2g.manifest import hardware
from n2g.reproduce import TOLERANCE, compare, report, rows, worst
from n2g.tables import read_json, write_json, write_rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--published", type=Path, required=True, help="folder of the run")
    parser.add_argument(
        "--again", type=Path, required=True, help="folder of the same, computed anew; is removed"
    )
    parser.add_argument("--neurons", nargs="+", type=NeuronId.parse, required=True, help="such as L3.N42")
    parser.add_argument("--device", default="auto", help="where they were computed anew")
    parser.add_argument("--table", type=Path, help="table to write")
    parser.add_argument(
        "--tolerance", type=float, default=TOLERANCE, help="on other hardware, as a share of the maximum"
    )
    given = parser.parse_args()

    manifest = given.published / "manifest.json"
    moved = manifest.exists() and read_json(manifest)["hardware"] != hardware(given.device)
    found, strict = [], not moved
    for neuron in given.neurons:
        path = given.again / str(neuron.layer) / str(neuron.block) / "render" / f"{neuron}.json"
        again = read_json(path)
        records = [read_json(record) for record in published_records(given.published, neuron)]
        strict &= all(record["provenance"]["dtype"] == again["provenance"]["dtype"] for record in records)
        found.append(worst(compare(record, again, given.tolerance) for record in records))
        if found[-1].outcome != "identical":
            write_json(given.published / "reproduced" / path.name, again)
    for line in report(found, strict, given.tolerance):
        print(line)
    if given.table:
        write_rows(given.table, "reproduced", list(rows(found)))
    shutil.rmtree(given.again)
    passing = ("identical",) if strict else ("identical", "equivalent")
    sys.exit(not all(one.outcome in passing for one in found))


if __name__ == "__main__":
    run_script(main)
