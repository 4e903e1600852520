"""How far a small neural network gets that sees the same tokens as a graph: a reference from above, not a graph.

One network per layer reads the embeddings of a token and the three before it, and predicts where each neuron of the
layer's block fires. It is trained on all training tokens; its decision thresholds are chosen on validation documents,
as those of graphs are. Writes benchmarks/neural.md; the run itself is not changed.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "scripts")]

import numpy as np  # noqa: E402
import torch  # noqa: E402
from tqdm import tqdm  # noqa: E402
from workload import Run  # noqa: E402

from n2g.files.tables import read_json  # noqa: E402
from n2g.graphs.matching import Index  # noqa: E402
from n2g.method.evidence import Evidence  # noqa: E402
from n2g.method.fitting_data import FittingBlock  # noqa: E402
from n2g.method.observations import load_observations  # noqa: E402
from n2g.metrics import firing_scores  # noqa: E402
from n2g.model.checkpoint import boot  # noqa: E402
from n2g.scores.evaluate import hold_out, truths  # noqa: E402
from n2g.settings import Settings  # noqa: E402
from n2g.texts.corpus_files import load_documents  # noqa: E402
from n2g.workflow.run_script import run_script  # noqa: E402

WINDOW, COMPONENTS, BATCH, CHUNK = 4, 192, 2048, 16384
THRESHOLDS = 200  # tried on validation documents, among the largest hundredth of all predictions


def components(embedding: torch.Tensor) -> torch.Tensor:
    """float [token + 1, COMPONENTS]: principal components of the embedding, of unit variance; 0 for no token."""
    centred = embedding.detach().float().cpu()
    centred -= centred.mean(0)
    _, _, axes = torch.pca_lowrank(centred[::4], min(COMPONENTS, centred.shape[1]))
    found = centred @ axes
    return torch.cat([found / found.std(0), torch.zeros(1, found.shape[1])])


def windows(index: Index, at: np.ndarray, none: int) -> torch.Tensor:
    """int64 [token, WINDOW]: the token at each position and those before it, `none` where the text has not begun."""
    begins = index.begins_of(at)
    parts = [
        np.where(at - back >= begins, index.tokens[np.maximum(at - back, 0)], none) for back in range(WINDOW)
    ]
    return torch.from_numpy(np.stack(parts, 1).astype(np.int64))


def learn(
    inputs: torch.Tensor, seen: torch.Tensor, targets: torch.Tensor, epochs: int, label: str
) -> torch.nn.Module:
    """A network fitted to activations as fractions of the maximum, firing tokens having the largest weight.

    inputs: `components`. seen: `windows`. targets: float [token, neuron].
    """
    net = torch.nn.Sequential(
        torch.nn.Linear(WINDOW * inputs.shape[1], 384),
        torch.nn.GELU(),
        torch.nn.Dropout(0.1),
        torch.nn.Linear(384, 256),
        torch.nn.GELU(),
        torch.nn.Linear(256, targets.shape[1]),
    )
    optimiser = torch.optim.AdamW(net.parameters(), 1e-3, weight_decay=0.01)
    batch = min(BATCH, len(seen))
    steps = epochs * (len(seen) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps)
    with tqdm(total=steps, desc=label, mininterval=5) as progress:
        for _ in range(epochs):
            for chosen in torch.randperm(len(seen))[: len(seen) // batch * batch].view(-1, batch):
                wanted = targets[chosen]
                loss = torch.nn.functional.binary_cross_entropy_with_logits(
                    net(inputs[seen[chosen]].flatten(1)), wanted.clamp(0, 1), weight=1 + 20 * wanted
                )
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
                progress.update()
    return net.eval()


@torch.no_grad()
def predict(net: torch.nn.Module, inputs: torch.Tensor, seen: torch.Tensor) -> np.ndarray:
    """float [token, neuron]."""
    return torch.cat([net(inputs[part].flatten(1)) for part in seen.split(CHUNK)]).numpy()


def f1(firing: np.ndarray, predicted: np.ndarray) -> float:
    return firing_scores(firing, predicted)["f1"]


def best_threshold(
    known: Evidence, at: np.ndarray, predicted: np.ndarray, top: list[int], weight: float
) -> float:
    """The decision threshold with the best F1 on validation documents, the top ones weighted as for graphs."""
    fires = known.at(at) >= known.threshold
    near = np.isin(known.texts.numbers, top)[known.texts.rows(at)]
    large = predicted[predicted > np.quantile(predicted, 0.99)]
    gains = {
        threshold: f1(fires, predicted >= threshold) + weight * f1(fires[near], predicted[near] >= threshold)
        for threshold in np.unique(np.quantile(large, np.linspace(0, 1, THRESHOLDS))).tolist()
    }
    return max(gains, key=lambda threshold: gains[threshold])


def layer_scores(run: Run, layer: int, inputs: torch.Tensor, epochs: int) -> dict[str, float]:
    """Test set -> mean F1 over the neurons that fire in it."""
    torch.manual_seed(0)
    folder, none = run.blocks[layer], len(inputs) - 1
    settings = Settings(bos=read_json(run.corpus / "corpus.json")["bos"])
    block = FittingBlock(run.corpus, folder, settings)
    units = [unit for unit in block.units if unit.maximum > 0]

    at = block.train.every()
    targets = np.stack([block.evidence(u, block.train).at(at) / u.maximum for u in units], 1)
    seen = windows(block.train, at, none)
    net = learn(inputs, seen, torch.from_numpy(targets.astype(np.float32)), epochs, f"layer {layer}")
    later = block.documents.positions(block.validation.numbers)
    held = predict(net, inputs, windows(block.validation, later, none))
    documents, observations = load_documents(run.corpus), load_observations(folder)
    texts = hold_out(documents, observations)
    tested = predict(net, inputs, windows(texts.index, np.arange(len(texts.origin)), none))
    real = dict(truths(texts, observations, settings.firing_threshold))
    found: dict[str, list[float]] = {"top": [], "random": []}
    for column, unit in enumerate(units):
        top = [document for document, *_ in unit.top.get("validation", [])]
        known = block.evidence(unit, block.validation)
        threshold = best_threshold(known, later, held[:, column], top, settings.top_weight)
        for name, scores in found.items():
            at = texts.tokens_of(real[unit.key].sets[name].tolist())
            fires = real[unit.key].firing[at]
            if fires.any():
                scores.append(f1(fires, tested[at, column] >= threshold))
    return {name: float(np.mean(scores)) for name, scores in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configfile", type=Path, default=Path("config.yaml"), help="names the run")
    parser.add_argument("--epochs", type=int, default=6, help="epochs over the training tokens")
    parser.add_argument("--output", type=Path, default=HERE / "neural.md", help="the table to write")
    given = parser.parse_args()

    run = Run.open(given.configfile)
    torch.manual_seed(0)
    inputs = components(boot(run.checkpoint).W_E)
    layers = {layer: layer_scores(run, layer, inputs, given.epochs) for layer in run.blocks}
    lines = [
        "# A small neural network on the same tokens",
        "",
        f"F1 for firing tokens on the test documents of the run `{run.config['run']}`, mean over the neurons of each",
        f"layer, after {given.epochs} epochs over the training tokens. Written by `python benchmarks/neural.py`.",
        "",
        "| | " + " | ".join(f"L{layer}" for layer in layers) + " | mean |",
        "| --- |" + " ---: |" * (len(layers) + 1),
    ]
    for name in ("top", "random"):
        cells = [scores[name] for scores in layers.values()]
        lines.append(f"| {name} | " + " | ".join(f"{cell:.2f}" for cell in [*cells, np.mean(cells)]) + " |")
    given.output.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"The table is in {os.path.relpath(given.output)}.")


if __name__ == "__main__":
    run_script(main)
