"""Do our encoders give what their makers' own code gives? Each package saves encoders with random weights as it does
after training and encodes random numbers; ours reads the files and encodes the same.

Writes benchmarks/foreign_encoders.md. The packages cannot share an environment with the workflow, nor all with each
other (foreign_encoders.txt says how to make theirs): give the Python of each environment, which runs this file.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "scripts"))

import numpy as np  # noqa: E402
import torch  # noqa: E402

WIDTH, LATENTS, ROWS, K, LAYER = 576, 2304, 512, 32, 3
TOLERANCE = 1e-5  # of the largest activation
HOOK = f"blocks.{LAYER}.hook_resid_post"
MLP = {"hook_name": f"blocks.{LAYER}.mlp.hook_in", "hook_name_out": f"blocks.{LAYER}.hook_mlp_out"}
# (format, what the maker's own code gives, a folder with the files, hook)
Case = tuple[str, torch.Tensor, Path, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("environments", nargs="*", help="the Python of each environment")
    parser.add_argument("--rows", action="store_true", help="compare in this environment, and print JSON")
    given = parser.parse_args()
    if given.rows:
        print(json.dumps(list(rows())))
        return
    command = [str(HERE / "foreign_encoders.py"), "--rows"]
    found = [
        row
        for python in given.environments
        for row in json.loads(subprocess.check_output([python, *command], text=True).splitlines()[-1])
    ]
    if not found:
        raise SystemExit("none of the packages was found: give the Python of each environment.")
    (HERE / "foreign_encoders.md").write_text(page(found), encoding="utf-8")
    if wrong := [row["format"] for row in found if row["difference"] > TOLERANCE or row["columns"]]:
        raise SystemExit(f"not the same: {', '.join(wrong)}")


def page(found: list[dict[str, Any]]) -> str:
    """The page with one row for each format."""
    lines = [
        "# Encoders against their makers' code",
        "",
        f"Written by `benchmarks/foreign_encoders.py`: {LATENTS:,} latents with random weights, {ROWS} random inputs "
        f"of {WIDTH} numbers, in float32 on a CPU. The difference is the largest of all activations, as a share of the "
        "largest activation; other bits are activations of single latents that are not those of all at once.",
        "",
        "| Package | Format | Active latents a token | Largest difference | Other bits |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {row['package']} | {row['format']} | {row['active']:.1f} | {row['difference']:.1e} | {row['columns']} |"
        for row in found
    ]
    return "\n".join([*lines, ""])


@torch.no_grad()
def rows() -> Iterator[dict[str, Any]]:
    """A row for each format of each package that is installed here."""
    from n2g.units.sources import Subject, check_subject, find_encoders, read_encoder

    torch.manual_seed(0)
    x = torch.randn(ROWS, WIDTH)
    makers: dict[str, Callable[[Path, torch.Tensor], Iterator[Case]]]
    makers = {"sae-lens": saelens, "eai-sparsify": sparsify, "circuit-tracer": circuit_tracer}
    for package, cases in makers.items():
        try:
            named = f"{package} {version(package)}"
        except PackageNotFoundError:
            continue
        with TemporaryDirectory() as folder:
            for form, theirs, path, hook in cases(Path(folder), x):
                found = find_encoders(path, hook)
                check_subject(found, Subject(30, WIDTH))
                encoder = read_encoder(found[LAYER], Subject(30, WIDTH))
                ours = encoder.encode(x)
                some = [0, 255, 256, LATENTS - 1, 700]
                yield {
                    "package": named,
                    "format": form,
                    "active": float((theirs > 0).sum(-1).float().mean()),
                    "difference": float((ours - theirs).abs().max() / theirs.abs().max()),
                    "columns": int((encoder.encode_columns(x, some) != ours[:, some]).sum()),
                }


def drawn(module: torch.nn.Module) -> torch.nn.Module:
    """Random numbers for all weights; thresholds are positive, as a trained one's."""
    for name, value in module.named_parameters():
        scale = value.shape[-1] ** -0.5 if value.ndim > 1 else 0.5
        value.data = torch.randn_like(value) * scale
        if "threshold" in name:
            value.data = value.data.abs() + 0.5
    return module


def saelens(folder: Path, x: torch.Tensor) -> Iterator[Case]:
    """All architectures of SAELens that are read, and the configuration of older versions."""
    from sae_lens.registry import get_sae_class, get_sae_training_class
    from sae_lens.saes.sae import SAE, SAEMetadata

    def made(kind: str, training: bool = False, **changes: Any) -> Any:
        model, config = (get_sae_training_class if training else get_sae_class)(kind)
        about = SAEMetadata(model_name="tiny", **(MLP if "transcoder" in kind else {"hook_name": HOOK}))
        return drawn(model(config(d_in=WIDTH, d_sae=LATENTS, metadata=about, **changes)))

    def case(form: str, sae: Any) -> Case:
        path = folder / form
        sae.save_model(path)
        return form, SAE.load_from_disk(path).encode(x), path, "auto"

    for kind in ("standard", "gated", "jumprelu"):
        yield case(kind, made(kind))
    yield case("topk", made("topk", k=K))
    yield case("topk, rescaled by decoder norm", made("topk", k=K, rescale_acts_by_decoder_norm=True))
    for norm in ("layer_norm", "constant_norm_rescale", "expected_average_only_in"):
        yield case(f"standard, {norm}", made("standard", normalize_activations=norm))
    yield case("standard, b_dec not subtracted", made("standard", apply_b_dec_to_input=False))
    for kind in ("transcoder", "skip_transcoder", "jumprelu_transcoder", "jumprelu_skip_transcoder"):
        yield case(kind, made(kind, apply_b_dec_to_input=False, d_out=WIDTH))
    trained = made("batchtopk", training=True, k=float(K))
    trained.topk_threshold.fill_(1.5)
    trained.save_inference_model(folder / "batchtopk")
    form = "batchtopk, saved as jumprelu"
    yield form, SAE.load_from_disk(folder / "batchtopk").encode(x), folder / "batchtopk", "auto"
    for form, change in {
        "standard, before version 6": {},
        "topk, before version 6": {"activation_fn_str": "topk", "activation_fn_kwargs": {"k": K}},
    }.items():
        path = folder / form
        made("standard").save_model(path)
        flat = {"d_in": WIDTH, "d_sae": LATENTS, "dtype": "float32", "device": "cpu", "model_name": "tiny"}
        (path / "cfg.json").write_text(json.dumps({**flat, "hook_point": HOOK, **change}))
        yield form, SAE.load_from_disk(path).encode(x), path, "auto"


def sparsify(folder: Path, x: torch.Tensor) -> Iterator[Case]:
    """Sparse coders and transcoders."""
    from sparsify import SparseCoder
    from sparsify.config import SparseCoderConfig

    for form, module, changes in (
        ("topk", f"layers.{LAYER}", {}),
        ("groupmax", f"layers.{LAYER}", {"activation": "groupmax"}),
        ("transcoder", f"layers.{LAYER}.mlp", {"transcode": True}),
        ("skip transcoder", f"layers.{LAYER}.mlp", {"transcode": True, "skip_connection": True}),
    ):
        coder = drawn(SparseCoder(WIDTH, SparseCoderConfig(num_latents=LATENTS, k=K, **changes)))
        coder.save_to_disk(folder / form / module)
        kept = SparseCoder.load_from_disk(folder / form / module).encode(x)
        dense = torch.zeros(ROWS, LATENTS).scatter_(-1, kept.top_indices, kept.top_acts)
        yield form, dense, folder / form, "auto"


def circuit_tracer(folder: Path, x: torch.Tensor) -> Iterator[Case]:
    """Its own sets of transcoders, and the files of Gemma Scope, which it reads, too."""
    import yaml
    from circuit_tracer.transcoder import single_layer_transcoder as maker
    from circuit_tracer.transcoder.activation_functions import JumpReLU
    from safetensors.torch import save_file

    cpu = torch.device("cpu")
    for form, activation, skip in (
        ("transcoder set, relu", torch.nn.functional.relu, False),
        ("transcoder set, jumprelu", JumpReLU(torch.zeros(LATENTS)), False),
        ("transcoder set, jumprelu and skip", JumpReLU(torch.zeros(LATENTS)), True),
    ):
        path = folder / form
        path.mkdir()
        made = drawn(
            maker.SingleLayerTranscoder(WIDTH, LATENTS, activation, LAYER, skip, device=cpu, dtype=x.dtype)
        )
        file = path / f"layer_{LAYER}.safetensors"
        made.to_safetensors(str(file))
        config = {"model_name": "tiny", "model_kind": "transcoder_set"}
        config |= {"feature_input_hook": "mlp.hook_in", "feature_output_hook": "hook_mlp_out"}
        (path / "config.yaml").write_text(yaml.safe_dump(config))
        yield form, maker.load_relu_transcoder(str(file), LAYER, cpu).encode(x), path, "auto"
    parts = {"W_enc": (WIDTH, LATENTS), "W_dec": (LATENTS, WIDTH), "b_enc": (LATENTS,), "b_dec": (WIDTH,)}
    arrays = {name: torch.randn(shape) * WIDTH**-0.5 for name, shape in parts.items()}
    arrays["threshold"] = torch.rand(LATENTS) + 0.5
    path = folder / "gemma-scope-2b-pt-transcoders" / f"layer_{LAYER}" / "width_2k" / "average_l0_9"
    path.mkdir(parents=True)
    np.savez(path / "params.npz", **{name: value.numpy() for name, value in arrays.items()})
    read = maker.load_gemma_scope_transcoder(str(path / "params.npz"), LAYER, cpu)
    yield "Gemma Scope (params.npz)", read.encode(x), folder / "gemma-scope-2b-pt-transcoders", "auto"
    path = folder / "gemma-scope-2" / f"layer_{LAYER}_width_2k_l0_small_affine"
    path.mkdir(parents=True)
    save_file({name.lower(): value for name, value in arrays.items()}, path / "params.safetensors")
    hooks = {
        f"hf_hook_point_{a}": f"model.layers.{LAYER}.{b}_feedforward_layernorm.output"
        for a, b in (("in", "pre"), ("out", "post"))
    }
    (path / "config.json").write_text(
        json.dumps({"architecture": "jump_relu", "model_name": "tiny", **hooks})
    )
    read = maker.load_gemma_scope_2_transcoder(str(path / "params.safetensors"), LAYER, cpu)
    yield "Gemma Scope 2 (params.safetensors)", read.encode(x), folder / "gemma-scope-2", "auto"
    yield from cross_layer(folder, x)


def cross_layer(folder: Path, x: torch.Tensor) -> Iterator[Case]:
    """Cross-layer transcoders, saved and read by circuit-tracer: what a layer's latents read."""
    import yaml
    from circuit_tracer.transcoder import cross_layer_transcoder as maker

    for activation in ("relu", "jump_relu"):
        form = f"cross-layer transcoder, {activation.replace('_', '')}"
        path = folder / form
        path.mkdir()
        sizes = {"n_layers": LAYER + 2, "d_transcoder": LATENTS, "d_model": WIDTH}
        made = maker.CrossLayerTranscoder(
            **sizes,
            activation_function=activation,
            lazy_decoder=False,
            device=torch.device("cpu"),
            dtype=x.dtype,
        )
        drawn(made).to_safetensors(str(path))
        config = {"model_name": "tiny", "model_kind": "cross_layer_transcoder"}
        config |= {"feature_input_hook": "mlp.hook_in", "feature_output_hook": "hook_mlp_out"}
        (path / "config.yaml").write_text(yaml.safe_dump(config))
        read = maker.load_clt(str(path), device=torch.device("cpu"), dtype=x.dtype)
        theirs = read.encode_layer(x, LAYER)
        yield form, theirs, path, "auto"


if __name__ == "__main__":
    if find_spec("jaxtyping") is None:
        raise SystemExit("this environment has no jaxtyping: install it beside the package.")
    main()
