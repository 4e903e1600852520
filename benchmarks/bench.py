"""Measure the workflow on this machine and write benchmarks/report.md (`make bench`).

It needs a finished run and uses its neurons and texts; the run itself is not changed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "scripts")]

from n2g.workflow.run_script import run_script  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="measure very little of everything, as a check that it works"
    )
    parser.add_argument(
        "--configfile", type=Path, default=Path("config.yaml"), help="names the run to measure"
    )
    parser.add_argument("--output", type=Path, default=HERE / "report.md", help="the report to write")
    given = parser.parse_args()

    import measure
    import report
    from workload import Run

    run = Run.open(given.configfile)
    amount = measure.QUICK if given.quick else measure.FULL
    with tempfile.TemporaryDirectory(prefix="n2g-bench-") as folder:
        found = measure.everything(run, given.configfile, Path(folder), amount)
    text = report.write(run, found)
    given.output.write_text(text, encoding="utf-8")
    print(f"The report is in {os.path.relpath(given.output)}.")


if __name__ == "__main__":
    run_script(main)
