"""How well is a neuron's effect known? The tokens that it promotes and suppresses, measured on one sample of held-out
firings, against those that its weights alone name, those measured on other firings, and those of another neuron: tokens
that are likely everywhere are in many lists.

    python benchmarks/effect_lists.py --run results/smollm2 --checkpoint resources/checkpoints/.../checkpoint.json \\
        --blocks 0/00000-00031 3/00000-00031 5/00000-00031
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "scripts")]

import numpy as np  # noqa: E402

from n2g.files.tables import read_table  # noqa: E402
from n2g.graphs.graph_file import read_graphs  # noqa: E402
from n2g.ids import parse_blocks  # noqa: E402
from n2g.method.observations import by_unit, load_observations  # noqa: E402
from n2g.metrics import list_precision  # noqa: E402
from n2g.model.engine import Engine  # noqa: E402
from n2g.scores.effect_places import Places, choose_places  # noqa: E402
from n2g.scores.effects import Measured, effect_rows, means, measure  # noqa: E402
from n2g.scores.evaluate import hold_out  # noqa: E402
from n2g.scores.rewrite import ENDS, resampled  # noqa: E402
from n2g.texts.corpus_files import load_documents  # noqa: E402
from n2g.workflow.model_options import add_model_options, open_engine  # noqa: E402

LISTS = ("promoted", "suppressed")
LEAST = 4  # firings in each sample, for a neuron to count


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_model_options(parser)
    parser.add_argument("--run", type=Path, required=True, help="folder of a finished run")
    parser.add_argument("--blocks", nargs="+", required=True, help="such as 3/00000-00031")
    parser.add_argument("--places", type=int, default=20, help="firings in both samples together, at most")
    parser.add_argument("--share", type=float, default=0.5, help="the run's firing threshold")
    given = parser.parse_args()

    blocks = list(parse_blocks(given.blocks))
    engine = open_engine(given, [layer for layer, _ in blocks], [block.last for _, block in blocks])
    for layer, block in blocks:
        begin = time.process_time()
        folder = given.run / str(layer) / str(block)
        first, second = samples(engine, given.run / "corpus", folder, layer, given.places, given.share)
        seconds = (time.process_time() - begin) / len(first)
        rows = list(precisions(first, second, folder))
        print(
            json.dumps({"block": f"{layer}/{block}", **summary(rows), "core_s": round(seconds, 2)}),
            flush=True,
        )


def samples(
    engine: Engine, corpus: Path, folder: Path, layer: int, places: int, share: float
) -> tuple[list[Measured], list[Measured]]:
    """What two samples of each neuron's firings show, which have no document in common."""
    documents, observations = load_documents(corpus), load_observations(folder)
    graphs = read_graphs(folder / "graph.jsonl")
    chosen = choose_places(hold_out(documents, observations), observations, graphs, share)
    halves = [half for one in chosen if one.set == "firing" for half in halved(one.some(0, places))]
    found = measure(engine, documents, layer, halves, means(documents, observations))
    return found[::2], found[1::2]


def halved(places: Places) -> tuple[Places, Places]:
    """Every other document of some places."""
    _, number = np.unique(places.documents, return_inverse=True)
    return tuple(
        places._replace(documents=places.documents[kept], positions=places.positions[kept])
        for kept in (number % 2 == 0, number % 2 == 1)
    )


def precisions(
    first: Sequence[Measured], second: Sequence[Measured], folder: Path
) -> Iterator[dict[str, float]]:
    """Of each neuron with enough firings the average precision of each list, by where it comes from, against the first
    sample's list. `another` is the second sample's list of the neuron before it in the layer."""
    weights = dict(by_unit(read_table(folder / "logits.parquet", "logits")))
    theirs = list(effect_rows(second))
    for at, (here, there) in enumerate(zip(effect_rows(first), theirs, strict=True)):
        if min(here["places"], there["places"]) < LEAST:
            continue
        named = sorted(weights[here["neuron"], here["pole"]].to_pylist(), key=lambda row: row["rank"])
        alone = {name: [row["token"] for row in named if row["direction"] == name] for name in LISTS}
        yield {
            "weights": fmean(list_precision(alone[name], here[name]) for name in LISTS),
            "measured": fmean(list_precision(there[name], here[name]) for name in LISTS),
            "another": fmean(list_precision(theirs[at - 1][name], here[name]) for name in LISTS),
        }


def summary(rows: Sequence[dict[str, float]]) -> dict[str, object]:
    """Means over neurons, their ratio, and its 95 % interval from a bootstrap over neurons."""
    if not rows:
        return {"neurons": 0}
    weights, measured = (np.array([row[name] for row in rows]) for name in ("weights", "measured"))
    drawn = resampled(len(rows), 0)
    below = np.sum(drawn * weights, axis=1)
    ratios = np.sum(drawn * measured, axis=1)[below > 0] / below[below > 0]
    return {
        "neurons": len(rows),
        "weights": round(float(weights.mean()), 3),
        "measured": round(float(measured.mean()), 3),
        "another": round(fmean(row["another"] for row in rows), 3),
        "ratio": round(float(measured.mean() / weights.mean()), 2) if weights.any() else None,
        "interval": [round(float(end), 2) for end in np.percentile(ratios, ENDS)] if len(ratios) else None,
        "weights_better": int((weights > measured).sum()),
    }


if __name__ == "__main__":
    main()
