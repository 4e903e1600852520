"""Train a sparse autoencoder and a transcoder of a finished run's model: something to describe with `units`.

Two steps, as SAELens cannot share an environment with the workflow (foreign_encoders.txt says how to make its own):

    python benchmarks/train_encoder.py states results/smollm2 encoders --layer 3
    sae/bin/python benchmarks/train_encoder.py train encoders sae
    sae/bin/python benchmarks/train_encoder.py train encoders transcoder

The first writes what the hooks give at the tokens of training and validation documents, BOS left out; no test document
is read. The others train on the former: a TopK autoencoder of the residual stream after the layer, and a BatchTopK
transcoder of its MLP, which is saved with a threshold. They write cfg.json and sae_weights.safetensors into a folder of
`encoders`, which `units: {source: encoders/sae}` reads, and beside them quality.json: what validation documents say of
the encoder, and how far our reader is from SAELens. `encoders/states` is large and can be deleted then.

    python benchmarks/train_encoder.py untrained encoders --latents 65536

instead writes `encoders/untrained`, a JumpReLU autoencoder of random directions, to see what many latents cost: each
has the threshold that the same share of the training states exceeds.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from time import process_time
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "scripts"))

import numpy as np  # noqa: E402
import torch  # noqa: E402

SPLITS = ("train", "validation")
MASSIVE = 4  # times the median length: states that are not trained on
HOOKS = {"sae": ("hook_resid_post", "hook_resid_post"), "transcoder": ("mlp.hook_in", "hook_mlp_out")}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    steps = parser.add_subparsers(required=True)
    first = steps.add_parser("states", help="in the workflow's environment")
    first.add_argument("run", type=Path, help="folder of a finished run")
    first.add_argument("output", type=Path, help="folder of the encoders")
    first.add_argument("--layer", type=int, default=3)
    first.add_argument(
        "--tokens", type=int, default=250_000, help="at most so many, of whole training documents"
    )
    first.set_defaults(do=states)
    second = steps.add_parser("train", help="in the environment of SAELens")
    second.add_argument("output", type=Path, help="the same folder")
    second.add_argument("kind", choices=sorted(HOOKS))
    second.add_argument("--latents", type=int, default=2304)
    second.add_argument("--k", type=int, default=32, help="latents that are active at a token")
    second.add_argument(
        "--samples", type=int, default=1_000_000, help="tokens that it sees, each several times"
    )
    second.add_argument("--batch", type=int, default=1024)
    second.add_argument("--rate", type=float, default=1e-3, help="learning rate")
    second.add_argument("--seed", type=int, default=0)
    second.set_defaults(do=train)
    third = steps.add_parser("untrained", help="in either environment")
    third.add_argument("output", type=Path, help="the same folder")
    third.add_argument("--latents", type=int, default=65_536)
    third.add_argument("--share", type=float, default=0.001, help="of the tokens at which a latent is active")
    third.add_argument("--seed", type=int, default=0)
    third.set_defaults(do=untrained)
    given = parser.parse_args()
    given.do(given)


@torch.no_grad()
def states(given: argparse.Namespace) -> None:
    """Write states/{split}_{hook}.npy, float16 [token, d_model], and states/about.json."""
    from n2g.method.activations import padded_batches
    from n2g.model.checkpoint import boot, checkpoint_key
    from n2g.texts.corpus_files import load_documents

    manifest = json.loads((given.run / "manifest.json").read_text())
    checkpoints = given.run.absolute().parents[1] / "resources" / "checkpoints"
    model = manifest["config"]["model"]
    bridge = boot(checkpoints / checkpoint_key(model))
    names = {kind: f"blocks.{given.layer}.{kind}" for pair in HOOKS.values() for kind in pair}
    documents = load_documents(given.run / "corpus")
    folder = given.output / "states"
    folder.mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        numbers = documents.of(split)
        limit = given.tokens // (1 if split == "train" else 10)
        kept = numbers[np.cumsum(documents.lengths[numbers]) <= limit]
        parts: dict[str, list[np.ndarray]] = {kind: [] for kind in names}
        for batch, tokens in padded_batches(documents, 2048, "cpu", kept):
            _, found = bridge.run_with_cache(
                tokens, names_filter=list(names.values()), stop_at_layer=given.layer + 1
            )
            for kind, name in names.items():
                parts[kind] += [
                    found[name][row, 1 : documents.lengths[d]].half().numpy() for row, d in enumerate(batch)
                ]
        for kind, rows in parts.items():
            np.save(folder / f"{split}_{kind}.npy", np.concatenate(rows))
    about = {"model_name": model["name"] or model["source"], "layer": given.layer}
    (folder / "about.json").write_text(json.dumps(about))


def train(given: argparse.Namespace) -> None:
    """Train on the states, and write the encoder and how good it is."""
    from sae_lens.config import SAETrainerConfig
    from sae_lens.saes.sae import SAEMetadata
    from sae_lens.training.sae_trainer import SAETrainer

    began = process_time()
    about = json.loads((given.output / "states" / "about.json").read_text())
    reads, writes = (f"blocks.{about['layer']}.{kind}" for kind in HOOKS[given.kind])
    names = {"model_name": about["model_name"], "hook_name": reads}
    if reads != writes:
        names["hook_name_out"] = writes
    known = {
        split: [
            np.load(given.output / "states" / f"{split}_{kind}.npy")
            for kind in dict.fromkeys(HOOKS[given.kind])
        ]
        for split in SPLITS
    }
    # A few tokens, such as the first ones of texts, have massive activations, which would be most of the loss.
    lengths = _lengths(known["train"][0])
    most = MASSIVE * np.median(lengths)
    usual = np.flatnonzero(lengths < most)
    known["train"] = [part[usual] for part in known["train"]]
    # Scaled so that a row's length is that of one with variance 1, as SAELens does; undone in what is saved.
    scales = [part.shape[1] ** 0.5 / _lengths(part).mean() for part in known["train"]]
    torch.manual_seed(given.seed)
    settings = SAETrainerConfig(
        total_training_samples=given.samples,
        train_batch_size_samples=given.batch,
        lr=given.rate,
        lr_end=given.rate / 10,
        lr_warm_up_steps=50,
        lr_decay_steps=given.samples // given.batch // 3,
        dead_feature_window=100,  # batches, of which there are few
    )
    make = autoencoder if given.kind == "sae" else transcoder
    sae, save = make(known["train"][0].shape[1], given.latents, given.k, SAEMetadata(**names))
    sae.b_dec.data = torch.from_numpy(known["train"][-1].mean(0, dtype=np.float32) * scales[-1])
    SAETrainer(settings, sae, drawn(known["train"], scales, given.batch, given.seed)).fit()
    folder = given.output / given.kind
    save(scales, folder)
    kept = _lengths(known["validation"][0]) < most
    found = quality(folder, [part[kept].astype(np.float32) for part in known["validation"]])
    found |= {
        "training_tokens": len(usual),
        "massive_tokens": len(lengths) - len(usual),
        "samples": given.samples,
        "cpu_seconds": round(process_time() - began),
    }
    (folder / "quality.json").write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found))


def untrained(given: argparse.Namespace) -> None:
    """Write an autoencoder of random directions, in the form of SAELens."""
    from safetensors.torch import save_file

    from n2g.units.saelens import SETTINGS, WEIGHTS

    about = json.loads((given.output / "states" / "about.json").read_text())
    reads = HOOKS["sae"][0]
    known = np.load(given.output / "states" / f"train_{reads}.npy")
    sample = np.random.default_rng(given.seed).choice(len(known), min(len(known), 20_000), replace=False)
    states = torch.from_numpy(known[np.sort(sample)].astype(np.float32))
    torch.manual_seed(given.seed)
    directions = torch.nn.functional.normalize(torch.randn(given.latents, states.shape[1]), dim=1)
    active = max(round(given.share * len(states)), 1)
    thresholds = torch.cat([(part @ states.T).topk(active).values[:, -1] for part in directions.split(1024)])
    folder = given.output / "untrained"
    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        "W_enc": directions.T.contiguous(),
        "W_dec": directions,
        "b_enc": torch.zeros(given.latents),
        "b_dec": torch.zeros(states.shape[1]),
        "threshold": thresholds.clamp(min=1e-6),
    }
    save_file(weights, folder / WEIGHTS)
    hook = f"blocks.{about['layer']}.{reads}"
    settings = {
        "architecture": "jumprelu",
        "d_in": states.shape[1],
        "d_sae": given.latents,
        "apply_b_dec_to_input": False,
        "metadata": {"model_name": about["model_name"], "hook_name": hook, "sae_lens_version": "6.0.0"},
    }
    (folder / SETTINGS).write_text(json.dumps(settings, indent=1) + "\n")


def autoencoder(width: int, latents: int, k: int, about: Any) -> tuple[Any, Any]:
    """A TopK autoencoder to train, and what saves it."""
    from sae_lens.saes.topk_sae import TopKTrainingSAE, TopKTrainingSAEConfig

    sae = TopKTrainingSAE(TopKTrainingSAEConfig(d_in=width, d_sae=latents, k=k, metadata=about))

    def save(scales: list[float], folder: Path) -> None:
        sae.fold_activation_norm_scaling_factor(scales[0])
        sae.save_inference_model(folder)

    return sae, save


def transcoder(width: int, latents: int, k: int, about: Any) -> tuple[Any, Any]:
    """A transcoder to train, and what saves it. SAELens has no trainer for transcoders: its BatchTopK autoencoder is
    given inputs and outputs side by side."""
    from sae_lens.saes.batchtopk_sae import BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig
    from sae_lens.saes.sae import TrainStepInput, TrainStepOutput
    from sae_lens.saes.transcoder import JumpReLUTranscoder, JumpReLUTranscoderConfig

    class TranscoderInTraining(BatchTopKTrainingSAE):
        def training_forward_pass(self, step_input: TrainStepInput) -> TrainStepOutput:
            given, wanted = step_input.sae_in.split(width, -1)
            acts, before = self.encode_with_hidden_pre(given)
            made = self.decode(acts)
            error = (made - wanted).square().sum(-1).mean()
            dead = self.calculate_topk_aux_loss(wanted, made, before, step_input.dead_neuron_mask)
            self.update_topk_threshold(acts)
            return TrainStepOutput(
                sae_in=wanted,
                sae_out=made,
                feature_acts=acts,
                hidden_pre=before,
                loss=error + dead,
                losses={"mse_loss": error, "auxiliary_reconstruction_loss": dead},
            )

    sae = TranscoderInTraining(
        BatchTopKTrainingSAEConfig(d_in=width, d_sae=latents, k=k, apply_b_dec_to_input=False, metadata=about)
    )

    def save(scales: list[float], folder: Path) -> None:
        weights = {name: value.detach().clone() for name, value in sae.state_dict().items()}
        sae.process_state_dict_for_saving_inference(weights)
        weights["W_enc"] *= scales[0]
        weights["W_dec"] /= scales[1]
        weights["b_dec"] /= scales[1]
        saved = JumpReLUTranscoder(
            JumpReLUTranscoderConfig(
                d_in=width, d_sae=latents, d_out=width, apply_b_dec_to_input=False, metadata=about
            )
        )
        saved.load_state_dict(weights)
        saved.save_model(folder)

    return sae, save


@torch.no_grad()
def quality(folder: Path, known: list[np.ndarray]) -> dict[str, float]:
    """What validation documents say of an encoder, and how far our reader's activations are from SAELens's.

    known: what it reads, and what it writes where that is something else; [token, d_model].
    """
    from sae_lens.saes.sae import SAE

    from n2g.units.sources import Subject, find_encoders, read_encoder

    sae = SAE.load_from_disk(folder)
    x, y = torch.from_numpy(known[0]), torch.from_numpy(known[-1])
    latents = torch.cat([sae.encode(part) for part in x.split(4096)])
    error = y - torch.cat([sae.decode(part) for part in latents.split(4096)])
    firing = (latents > 0).float()
    (one,) = find_encoders(folder).values()
    ours = read_encoder(one, Subject(n_layers=1 << 16, d_model=x.shape[1]))
    apart = max(
        float((ours.encode(part) - theirs).abs().max())
        for part, theirs in zip(x.split(4096), latents.split(4096), strict=True)
    )
    return {
        "validation_tokens": len(x),
        "explained_variance": float(1 - error.square().sum() / (y - y.mean(0)).square().sum()),
        "active_latents_a_token": float(firing.sum(-1).mean()),
        "latents_that_never_fire": float((firing.sum(0) == 0).float().mean()),
        "largest_difference_from_saelens": apart / float(latents.max()),
    }


def drawn(known: list[np.ndarray], scales: list[float], batch: int, seed: int) -> Iterator[torch.Tensor]:
    """Batches of rows in random order, all of them once before any comes again; arrays side by side."""
    random = np.random.default_rng(seed)
    while True:
        order = random.permutation(len(known[0]))
        for begin in range(0, len(order) - batch + 1, batch):
            rows = order[begin : begin + batch]
            parts = [part[rows].astype(np.float32) * scale for part, scale in zip(known, scales, strict=True)]
            yield torch.from_numpy(np.concatenate(parts, -1))


def _lengths(rows: np.ndarray) -> np.ndarray:
    """The length of each row."""
    return np.linalg.norm(rows.astype(np.float32), axis=1)


if __name__ == "__main__":
    main()
