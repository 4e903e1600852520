"""How many neurons does a prediction need? Those that attribution puts first are kept, all others have their mean.

Writes benchmarks/trace_faithfulness.md. The prompts are made by the templates of trace_prompts.py, and those count
after which the model gives the right token a larger logit than the wrong one. A neuron is kept or not at all positions
of the prompt.
Each prompt has its own order of neurons, and the same number of them is kept in all: which share of the mean difference
of the two logits is left (Marks et al. 2025; Arora et al. 2026)? Means are over training documents, BOS left out.
"""

from __future__ import annotations

import argparse
import os
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "scripts")]

import numpy as np  # noqa: E402
from tqdm import tqdm  # noqa: E402
from trace_prompts import Prompt, prompts  # noqa: E402
from workload import Run  # noqa: E402

from n2g.errors import InputError  # noqa: E402
from n2g.model.checkpoint import read_description  # noqa: E402
from n2g.model.engine import Engine  # noqa: E402
from n2g.texts.corpus import encoder  # noqa: E402
from n2g.texts.corpus_files import load_texts_for_fitting  # noqa: E402
from n2g.trace.ablation import Case, by_length, differences, mean_activations  # noqa: E402
from n2g.trace.attribution import Attribution, attribute_many  # noqa: E402
from n2g.workflow.device_options import add_device_options  # noqa: E402
from n2g.workflow.model_options import open_engine  # noqa: E402
from n2g.workflow.run_script import run_script  # noqa: E402

WANTED = 0.9  # of the logit difference
SHOWN = (300, 3000)
STEPS = 6  # of the bisection, in the logarithm of the number of neurons


def supporting(found: Attribution, means: np.ndarray, _: int) -> np.ndarray:
    """Relevance of what a neuron does beyond its mean, summed over the prompt: [layer, neuron], the largest first."""
    beyond = found.slopes[:, 1:] * (found.activations[:, 1:] - means[:, None])
    return beyond.sum(1)


def by_size(found: Attribution, means: np.ndarray, _: int) -> np.ndarray:
    """The size of a neuron's relevance, for or against: the order in which the command lists neurons."""
    return np.abs(found.relevance[:, 1:].sum(1))


def drawn(found: Attribution, means: np.ndarray, seed: int) -> np.ndarray:
    """Nothing about the neurons; another order for each prompt."""
    own = zlib.crc32(np.ascontiguousarray(found.logits).tobytes())
    return np.random.default_rng([seed, own]).random(means.shape)


# Name of an order -> how derivatives are taken, and what is the larger the stronger a neuron is.
ORDERS: Mapping[str, tuple[str, Callable[[Attribution, np.ndarray, int], np.ndarray]]] = {
    "relevance, for the prediction": ("relevance", supporting),
    "relevance, for or against": ("relevance", by_size),
    "random": ("relevance", drawn),
    "gradient × activation, for the prediction": ("gradient", supporting),
    "gradient × activation, for or against": ("gradient", by_size),
}


def cases_of(found: Sequence[Prompt], tokenizer: Path, bos: int) -> list[Case]:
    """The prompts as token ids. Raises InputError where an answer is not one token of the model."""
    encode = encoder(tokenizer)
    answers = sorted({answer for prompt in found for answer in (prompt.target, prompt.against)})
    ids = {answer: list(map(int, encode([answer])[0])) for answer in answers}
    if longer := [answer for answer, tokens in ids.items() if len(tokens) != 1]:
        raise InputError(f"{longer[0]!r} is not one token of this model: leave it out of trace_prompts.py.")
    return [
        Case((bos, *map(int, encode([prompt.text])[0])), ids[prompt.target][0], ids[prompt.against][0])
        for prompt in found
    ]


def ranks(strengths: np.ndarray) -> np.ndarray:
    """0 for the strongest of all: int32 [layer, 1, neuron]."""
    order = np.argsort(-strengths, axis=None, kind="stable")
    found = np.empty(strengths.size, dtype=np.int32)
    found[order] = np.arange(strengths.size, dtype=np.int32)
    return found.reshape(strengths.shape)[:, None]


class Kept:
    """What is left of the mean logit difference when each prompt keeps its strongest neurons."""

    def __init__(
        self,
        engine: Engine,
        cases: Sequence[Case],
        means: np.ndarray,
        whole: np.ndarray,
        order: Sequence[np.ndarray],
    ) -> None:
        self.engine, self.cases, self.means, self.whole, self.order = engine, cases, means, whole, order
        self.known: dict[int, np.ndarray] = {}

    def share(self, count: int) -> float:
        """Of the mean difference, if `count` neurons are kept."""
        if count not in self.known:
            kept = [rank < count for rank in self.order]
            self.known[count] = differences(self.engine, self.cases, kept, self.means)
        return float(self.known[count].mean() / self.whole.mean())

    def least(self) -> int:
        """So many neurons are enough, and fewer by a step of the bisection are not."""
        below, enough = 1.0, float(self.means.size)
        for count in sorted(self.known):
            if self.share(count) < WANTED:
                below = max(below, count)
        enough = min([count for count in self.known if count > below], default=enough)
        for _ in range(STEPS):
            middle = round((below * enough) ** 0.5)
            if self.share(middle) < WANTED:
                below = middle
            else:
                enough = middle
        return round(enough)


def lines_of(
    engine: Engine, cases: Sequence[Case], means: np.ndarray, whole: np.ndarray, seed: int
) -> Iterator[str]:
    """A line of the table for each order, as soon as it is known."""
    for how in dict.fromkeys(how for how, _ in ORDERS.values()):
        wanted = {name: strength for name, (used, strength) in ORDERS.items() if used == how}
        orders: dict[str, dict[int, np.ndarray]] = {name: {} for name in wanted}
        with tqdm(total=len(cases), desc=how, unit="prompt", mininterval=5) as progress:
            for rows in by_length(cases, engine.batch_tokens // 4):
                given = (
                    [getattr(cases[row], one) for row in rows] for one in ("tokens", "target", "against")
                )
                for row, found in zip(rows, attribute_many(engine, *given, how), strict=True):
                    for name, strength in wanted.items():
                        orders[name][row] = ranks(strength(found, means, seed))
                progress.update(len(rows))
        for name, order in orders.items():
            kept = Kept(engine, cases, means, whole, [order[at] for at in range(len(cases))])
            shares = " | ".join(f"{kept.share(count):.0%}" for count in SHOWN)
            yield f"| {name} | {kept.least():,} | {shares} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configfile", type=Path, default=Path("config.yaml"), help="names the run")
    parser.add_argument("--prompts", type=int, default=200, help="how many (200)")
    parser.add_argument(
        "--tokens", type=int, default=5000, help="of training documents, for the means (5000)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of prompts and random order")
    parser.add_argument(
        "--output", type=Path, default=HERE / "trace_faithfulness.md", help="the table to write"
    )
    add_device_options(parser)
    given = parser.parse_args()

    run = Run.open(given.configfile)
    model = read_description(run.checkpoint)
    options = argparse.Namespace(**vars(given) | {"checkpoint": run.checkpoint})
    engine = open_engine(options, [model.n_layers - 1], [0])
    documents = load_texts_for_fitting(run.root / "corpus")
    bos = int(documents.tokens[documents.offsets[documents.of("train")[0]]])
    made = prompts(given.prompts, given.seed)
    cases = cases_of(made, run.checkpoint.with_name("tokenizer.json"), bos)
    means = mean_activations(engine, documents, given.tokens)
    whole = differences(engine, cases, None, means)
    right = np.flatnonzero(whole > 0)
    cases, whole = [cases[at] for at in right], whole[right]
    none = differences(engine, cases, [np.zeros((len(means), 1, 1), dtype=bool)] * len(cases), means)
    counts, all_counts = Counter(made[at].kind for at in right), Counter(one.kind for one in made)
    kinds = ", ".join(f"{kind} {counts[kind]} of {count}" for kind, count in all_counts.items())
    lines = [
        "# How many neurons a prediction needs",
        "",
        f"Of the {means.size:,} neurons of `{model.architecture}` those that come first are kept, all others have",
        f"their mean over {given.tokens:,} tokens of training documents. {len(cases)} of {given.prompts} prompts",
        f"count, which the model gets right ({kinds}).",
        f"The mean difference of the logits is {whole.mean():.2f}; with all neurons at their mean, {none.mean():.2f}.",
        f"Written by `python benchmarks/trace_faithfulness.py --prompts {given.prompts} --tokens {given.tokens}`.",
        "",
        f"| Neurons kept first | enough for {WANTED:.0%} | {' | '.join(f'{count:,} leave' for count in SHOWN)} |",
        f"| --- | ---: |{' ---: |' * len(SHOWN)}",
    ]
    for row in lines_of(engine, cases, means, whole, given.seed):
        print(row, flush=True)
        lines.append(row)
        given.output.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"The table is in {os.path.relpath(given.output)}.")


if __name__ == "__main__":
    run_script(main)
