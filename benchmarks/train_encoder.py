"""Train a sparse autoencoder on the residual stream of a finished run's model: what there is to describe with `units`.

Two steps, as SAELens cannot share an environment with the workflow (foreign_encoders.txt says how to make its own):

    python benchmarks/train_encoder.py states results/smollm2 encoders/layer_3 --layer 3
    sae/bin/python benchmarks/train_encoder.py train encoders/layer_3

The first writes what the hook gives at the tokens of the training and validation documents, BOS left out; no test
document is read. The second trains a TopK autoencoder on the former, measures it on the latter, and writes cfg.json and
sae_weights.safetensors, which `units: {source: encoders/layer_3}` reads, and quality.json. States are large and can be
deleted then.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "scripts"))

import numpy as np  # noqa: E402
import torch  # noqa: E402

SPLITS = ("train", "validation")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    steps = parser.add_subparsers(required=True)
    first = steps.add_parser("states", help="in the workflow's environment")
    first.add_argument("run", type=Path, help="folder of a finished run")
    first.add_argument("output", type=Path, help="folder of the encoder")
    first.add_argument("--layer", type=int, default=3)
    first.add_argument("--hook", default="hook_resid_post", help="what comes after blocks.LAYER.")
    first.add_argument(
        "--tokens", type=int, default=400_000, help="at most so many, of whole training documents"
    )
    first.set_defaults(do=states)
    second = steps.add_parser("train", help="in the environment of SAELens")
    second.add_argument("output", type=Path, help="the same folder")
    second.add_argument("--latents", type=int, default=2304)
    second.add_argument("--k", type=int, default=32)
    second.add_argument(
        "--samples", type=int, default=2_000_000, help="tokens that it sees, each several times"
    )
    second.add_argument("--batch", type=int, default=2048)
    second.add_argument("--seed", type=int, default=0)
    second.set_defaults(do=train)
    given = parser.parse_args()
    given.do(given)


@torch.no_grad()
def states(given: argparse.Namespace) -> None:
    """Write states_{split}.npy, float16 [token, d_model], and about.json."""
    from n2g.method.activations import padded_batches
    from n2g.model.checkpoint import boot, checkpoint_key
    from n2g.model.forward_pass import ForwardPass
    from n2g.texts.corpus_files import load_documents

    manifest = json.loads((given.run / "manifest.json").read_text())
    checkpoint = given.run.absolute().parents[1] / "resources" / "checkpoints"
    model = manifest["config"]["model"]
    bridge = boot(checkpoint / checkpoint_key(model))
    hook = f"blocks.{given.layer}.{given.hook}"
    reader = ForwardPass(bridge, hook)
    documents = load_documents(given.run / "corpus")
    given.output.mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        numbers = documents.of(split)
        kept = numbers[
            np.cumsum(documents.lengths[numbers]) <= given.tokens // (1 if split == "train" else 10)
        ]
        parts = []
        for batch, tokens in padded_batches(documents, 2048, "cpu", kept):
            found = reader.read(tokens, [given.layer])[given.layer]
            parts += [found[row, 1 : documents.lengths[d]].half().numpy() for row, d in enumerate(batch)]
        np.save(given.output / f"states_{split}.npy", np.concatenate(parts))
    about = {"model_name": model["name"] or model["source"], "hook_name": hook}
    (given.output / "about.json").write_text(json.dumps(about))


def train(given: argparse.Namespace) -> None:
    """Train on the states, and write the autoencoder and how well it reconstructs."""
    from sae_lens.config import LoggingConfig, SAETrainerConfig
    from sae_lens.saes.sae import SAE, SAEMetadata
    from sae_lens.saes.topk_sae import TopKTrainingSAE, TopKTrainingSAEConfig
    from sae_lens.training.sae_trainer import SAETrainer

    known = {split: np.load(given.output / f"states_{split}.npy", mmap_mode="r") for split in SPLITS}
    about = SAEMetadata(**json.loads((given.output / "about.json").read_text()))
    torch.manual_seed(given.seed)
    config = TopKTrainingSAEConfig(
        d_in=known["train"].shape[1],
        d_sae=given.latents,
        k=given.k,
        normalize_activations="expected_average_only_in",
        metadata=about,
    )
    settings = SAETrainerConfig(
        total_training_samples=given.samples,
        train_batch_size_samples=given.batch,
        lr_decay_steps=given.samples // given.batch // 5,
        n_batches_for_norm_estimate=50,
        logger=LoggingConfig(log_to_wandb=False),
    )
    trainer = SAETrainer(settings, TopKTrainingSAE(config), drawn(known["train"], given.batch, given.seed))
    trainer.fit().save_inference_model(given.output)
    sae = SAE.load_from_disk(given.output)
    with torch.no_grad():
        x = torch.from_numpy(np.asarray(known["validation"], dtype=np.float32))
        latents = torch.cat([sae.encode(part) for part in x.split(4096)])
        error = x - torch.cat([sae.decode(part) for part in latents.split(4096)])
        firing = (latents > 0).float()
    quality = {
        "validation_tokens": len(x),
        "explained_variance": float(1 - error.square().sum() / (x - x.mean(0)).square().sum()),
        "active_latents_a_token": float(firing.sum(-1).mean()),
        "latents_that_never_fire": float((firing.sum(0) == 0).float().mean()),
    }
    (given.output / "quality.json").write_text(json.dumps(quality, indent=1) + "\n")
    print(json.dumps(quality))


def drawn(known: np.ndarray, batch: int, seed: int) -> Iterator[torch.Tensor]:
    """Batches of rows in random order, all of them once before any comes again."""
    random = np.random.default_rng(seed)
    while True:
        order = random.permutation(len(known))
        for begin in range(0, len(order) - batch + 1, batch):
            yield torch.from_numpy(known[np.sort(order[begin : begin + batch])].astype(np.float32))


if __name__ == "__main__":
    main()
