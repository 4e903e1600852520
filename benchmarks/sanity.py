"""Does the headline score notice worse explanations? Halve and double each graph's predicted firings in a finished run.

Writes benchmarks/sanity.md. Halving drops every other predicted firing token; doubling adds as many random tokens. Both
are worse descriptions, so a score that is worth something falls (NeuronEval's missing- and extra-labels tests, 2025).
The F1 expected after each is exact, as it depends only on the counts of `evaluate.parquet`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "scripts")]

from workload import Run  # noqa: E402

from n2g.files.tables import read_table  # noqa: E402
from n2g.ids import block_folder  # noqa: E402
from n2g.metrics import f1_score  # noqa: E402
from n2g.workflow.run_script import run_script  # noqa: E402

CHANGES = ("halved", "doubled")


def changed(counts: Mapping[str, int]) -> dict[str, float]:
    """F1 as it is, and as it is expected to be with half and with twice the predicted firings."""
    hits, firing = counts["true_positives"], counts["firing"]
    predicted = hits + counts["false_positives"]
    others = counts["tokens"] - predicted
    more = min(predicted, others)
    found = more * counts["false_negatives"] / max(others, 1)
    return {
        "as it is": f1_score(hits, predicted, firing),
        "halved": f1_score(hits / 2, predicted / 2, firing),
        "doubled": f1_score(hits + found, predicted + more, firing),
    }


def rows(run: Run, name: str) -> Iterator[dict[str, float]]:
    """What `changed` gives of every neuron that fires in a test set and whose graph hits at least once."""
    for layer, block in run.selected:
        table = read_table(block_folder(run.root, layer, block) / "evaluate.parquet", "evaluate")
        for row in table.to_pylist():
            if (row["set"], row["predictor"]) == (name, "graph") and row["true_positives"]:
                yield changed(row)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configfile", type=Path, default=Path("config.yaml"), help="names the run")
    parser.add_argument("--output", type=Path, default=HERE / "sanity.md", help="the table to write")
    given = parser.parse_args()

    run = Run.open(given.configfile)
    lines = [
        "# Does F1 notice worse graphs?",
        "",
        f"Graphs of the run `{run.config['run']}` that hit at least once, as they are and with every second predicted",
        "firing token left out or as many random tokens added. Written by `python benchmarks/sanity.py`.",
        "",
        "| Test set | Neurons | F1 | halved | doubled | falls if halved | falls if doubled |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name in ("top", "random"):
        found = list(rows(run, name))
        if not found:
            continue
        means = [sum(one[key] for one in found) / len(found) for key in ("as it is", *CHANGES)]
        falls = [sum(one[key] < one["as it is"] for one in found) / len(found) for key in CHANGES]
        cells = [f"{mean:.2f}" for mean in means] + [f"{100 * share:.0f} %" for share in falls]
        lines.append(f"| {name} | {len(found)} | {' | '.join(cells)} |")
    given.output.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"The table is in {os.path.relpath(given.output)}.")


if __name__ == "__main__":
    run_script(main)
