"""The explanations of a block of neurons: the rows of the `explanations` table."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

import numpy as np
from tqdm import tqdm

from n2g.errors import InputError
from n2g.explain.cache import Account
from n2g.explain.excerpts import Evidence, Excerpt, gather, shown
from n2g.explain.neuron import Models, explain_neuron
from n2g.explain.options import Options
from n2g.explain.revise import Run
from n2g.explain.score import Scores, score
from n2g.graphs.sentence import explain as sentence
from n2g.graphs.trie import NeuronGraph
from n2g.method.observations import Observations
from n2g.texts.documents import Documents

Key = tuple[int, str]
FIRST = 5  # neurons; where none of them is answered, the questions or the model are wrong, and not the texts


def explain_block(
    documents: Documents,
    observations: Observations,
    graphs: Mapping[Key, Mapping[str, Any]],
    words: Sequence[str],
    models: Models,
    runs: Callable[[Key], Run] | None,
    options: Options,
    seed: int = 0,
) -> Iterator[dict[str, Any]]:
    """Two rows for every (neuron, pole) that some training document activates: its graph, and the language model.

    Args:
        documents: the corpus.
        observations: what the pass over the corpus found for the block.
        graphs: the graph of each (neuron, pole), in the form of `NeuronGraph.to_dict()`.
        words: text of each token id.
        models: who explains and simulates.
        runs: (neuron, pole) -> what runs sentences through it; None where typed text cannot become tokens.
        options: how many neurons at a time (each asks one question at a time), at which price and budget.
        seed: of the choice of random documents.

    Raises:
        InputError: a model cannot answer, or answers nothing about the first neurons. What was answered is kept.
    """
    closed = documents.without_test()
    fitting = gather(closed, observations.without_test(documents), "validation", seed)
    tested = gather(documents, observations, "test", seed)
    pairs = [(one, test.held) for one, test in zip(fitting, tested, strict=True) if one.shown]

    def show(tokens: Sequence[int]) -> list[str]:
        return shown(tokens, words)

    ended = threading.Event()

    def work(pair: tuple[Evidence, Sequence[Excerpt]]) -> tuple[list[dict[str, Any]], str]:
        one, held = pair
        account = Account(options.budget, ended)
        run = runs(one.key) if runs else None
        found = explain_neuron(models, account, one, held, show, run)
        counts = {"prompt_tokens": account.prompt_tokens, "completion_tokens": account.completion_tokens}
        label = {
            name: getattr(found, name) for name in ("status", "label", "prompt", "revised", "validation")
        }
        names = {"explainer": "model", "model": models.explainer.name, "simulator": models.simulator.name}
        row = _row(one.key, held, found.scores, **names, **label, **counts, cost=options.cost(**counts))
        if found.reason:
            tqdm.write(f"neuron {one.key[0]}, {one.key[1]}: unanswered ({found.reason})")
        return [_graph_row(documents, one.key, held, graphs[one.key], words), row], found.reason

    with ThreadPoolExecutor(options.concurrency) as pool:
        waiting = [pool.submit(work, pair) for pair in pairs]
        answered = False
        try:
            for number, future in enumerate(tqdm(waiting, desc="explain", unit="neuron", mininterval=5), 1):
                rows, reason = future.result()
                answered = answered or not reason
                if number == FIRST and not answered:
                    raise InputError(
                        f"{models.keys}: nothing comes of the questions about the first {FIRST} neurons ({reason}): "
                        "name another model; answers so far are kept."
                    )
                yield from rows
        finally:
            ended.set()
            pool.shutdown(cancel_futures=True)


def _graph_row(
    documents: Documents,
    key: Key,
    held: Sequence[Excerpt],
    graph: Mapping[str, Any] | None,
    words: Sequence[str],
) -> dict[str, Any]:
    known = NeuronGraph.from_dict(dict(graph)) if graph else NeuronGraph()

    def predict(one: Excerpt) -> tuple[np.ndarray, int]:
        """The graph sees the whole document, as in the evaluation."""
        values = np.array(known.predict(documents.ids(one.document).tolist()))
        return values[one.start : one.start + len(one.tokens)], len(one.tokens)

    text = sentence(graph, dict(enumerate(words))) if graph else ""
    status = "ok" if text else "invalid"
    return _row(key, held, score(held, predict), explainer="graph", status=status, label=text)


def _row(key: Key, held: Sequence[Excerpt], scores: Scores, **given: Any) -> dict[str, Any]:
    empty = {"model": "", "simulator": "", "prompt": "", "revised": False, "validation": 0.0}
    empty |= {"prompt_tokens": 0, "completion_tokens": 0, "cost": 0.0}
    sequences = {"sequences": len(held)}
    return {"neuron": key[0], "pole": key[1], **empty, **given, **sequences, **asdict(scores)}


class Runner:
    """Runs typed sentences through single neurons of a layer, one sentence at a time, so that an activation does not
    depend on what else is asked.

    engine: an `n2g.model.engine.Engine`. encode: as `n2g.texts.corpus.encoder` gives it. longest: tokens of a sequence.
    """

    def __init__(
        self, engine: Any, layer: int, encode: Callable, bos: int, longest: int, words: Sequence[str]
    ):
        self._engine, self._layer, self._encode = engine, layer, encode
        self._bos, self._longest, self._words = bos, longest, words
        self._lock = threading.Lock()

    def of(self, key: Key) -> Run:
        """What runs sentences through one (neuron, pole)."""
        neuron, sign = key[0], 1 if key[1] == "positive" else -1

        def run(sentence: str) -> tuple[Sequence[str], np.ndarray]:
            import torch

            ids = [self._bos, *self._encode([sentence])[0]][: self._longest]
            with self._lock:
                tokens = torch.tensor([ids], device=self._engine.device)
                columns = {self._layer: [slice(neuron, neuron + 1)]}
                found = self._engine.read_columns(tokens, columns)[self._layer][0][0, 1:, 0]
            values = torch.nan_to_num(found.float(), 0, 0, 0).cpu().numpy().astype(np.float64)
            return shown(ids[1:], self._words), sign * values

        return run
