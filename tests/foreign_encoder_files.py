"""Encoders with random weights in the file formats of their makers, and what each formula makes of an input.

The formulas are written out once more here, in float64, from the makers' papers and code.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import yaml
from safetensors.torch import save_file

WIDTH, LATENTS, LAYER, K = 16, 48, 1, 5
HOOK = f"blocks.{LAYER}.hook_resid_post"


@dataclass(frozen=True)
class Weights:
    """Random weights that any format can take its own from."""

    enc: np.ndarray  # [d_in, d_sae]
    dec: np.ndarray  # [d_sae, d_in]
    b_enc: np.ndarray
    b_dec: np.ndarray
    threshold: np.ndarray
    b_gate: np.ndarray
    r_mag: np.ndarray


def weights(latents: int = LATENTS, width: int = WIDTH, seed: int = 0) -> Weights:
    random = np.random.default_rng(seed)

    def draw(*shape: int) -> np.ndarray:
        return random.standard_normal(shape).astype(np.float32)

    return Weights(
        draw(width, latents),
        draw(latents, width),
        draw(latents),
        draw(width),
        np.abs(draw(latents)) + 1,
        draw(latents),
        0.2 * draw(latents),
    )


def inputs(rows: int = 40, width: int = WIDTH, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, width)).astype(np.float32)


def top(pre: np.ndarray, k: int) -> np.ndarray:
    kept = np.zeros_like(pre)
    at = np.argsort(-pre, axis=-1)[:, :k]
    np.put_along_axis(kept, at, np.take_along_axis(pre, at, -1), -1)
    return np.maximum(kept, 0)


def tensors(**parts: np.ndarray) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in parts.items()}


def save_saelens(folder: Path, architecture: str, w: Weights, **changes: object) -> Path:
    """As version 6 writes it."""
    folder.mkdir(parents=True, exist_ok=True)
    transcodes = "transcoder" in architecture
    about = {"model_name": "tiny", "hook_name": HOOK, "hook_head_index": None, "sae_lens_version": "6.54.12"}
    about |= {"hook_name_out": f"blocks.{LAYER}.hook_mlp_out"} if transcodes else {}
    config = {
        "architecture": architecture,
        "d_in": w.enc.shape[0],
        "d_sae": w.enc.shape[1],
        "dtype": "float32",
    }
    config |= {"apply_b_dec_to_input": not transcodes, "normalize_activations": "none", "metadata": about}
    config |= {"k": K, "rescale_acts_by_decoder_norm": False} if architecture == "topk" else {}
    parts = {"W_enc": w.enc, "W_dec": w.dec, "b_dec": w.b_dec}
    parts |= (
        {"b_gate": w.b_gate, "b_mag": w.b_enc, "r_mag": w.r_mag}
        if architecture == "gated"
        else {"b_enc": w.b_enc}
    )
    parts |= {"threshold": w.threshold} if "jumprelu" in architecture else {}
    parts |= {"W_skip": np.zeros((w.enc.shape[0],) * 2, np.float32)} if "skip" in architecture else {}
    for name in list(changes):
        if name in about:
            about[name] = changes.pop(name)
    (folder / "cfg.json").write_text(json.dumps(config | changes))
    save_file(tensors(**parts), folder / "sae_weights.safetensors")
    return folder


def save_old_saelens(folder: Path, w: Weights, **changes: object) -> Path:
    """As versions before 6 wrote it: flat, with `hook_point`, and no version."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "model_name": "tiny",
        "hook_point": HOOK,
        "d_in": w.enc.shape[0],
        "d_sae": w.enc.shape[1],
        "dtype": "torch.float32",
    }
    (folder / "cfg.json").write_text(json.dumps(config | changes))
    save_file(
        tensors(W_enc=w.enc, W_dec=w.dec, b_enc=w.b_enc, b_dec=w.b_dec), folder / "sae_weights.safetensors"
    )
    return folder


def save_gemma_scope(folder: Path, w: Weights) -> Path:
    folder = folder / "gemma-scope-2b-pt-res" / f"layer_{LAYER}" / "width_16k" / "average_l0_5"
    folder.mkdir(parents=True, exist_ok=True)
    parts = {"W_enc": w.enc, "W_dec": w.dec, "b_enc": w.b_enc, "b_dec": w.b_dec, "threshold": w.threshold}
    np.savez(folder / "params.npz", **parts)
    return folder


def save_gemma_scope_2(folder: Path, w: Weights) -> Path:
    folder = folder / "transcoder" / f"layer_{LAYER}_width_16k_l0_small_affine"
    folder.mkdir(parents=True, exist_ok=True)
    hooks = {
        f"hf_hook_point_{side}": f"model.layers.{LAYER}.{name}_feedforward_layernorm.output"
        for side, name in (("in", "pre"), ("out", "post"))
    }
    config = {"architecture": "jump_relu", "model_name": "tiny", "affine_connection": True, **hooks}
    (folder / "config.json").write_text(json.dumps(config))
    parts = tensors(w_enc=w.enc, w_dec=w.dec, b_enc=w.b_enc, b_dec=w.b_dec, threshold=w.threshold)
    parts |= tensors(affine_skip_connection=np.zeros((w.enc.shape[0],) * 2, np.float32))
    save_file(parts, folder / "params.safetensors")
    return folder


def save_sparsify(folder: Path, w: Weights, module: str = f"layers.{LAYER}", **changes: object) -> Path:
    (folder / module).mkdir(parents=True, exist_ok=True)
    config = {
        "k": K,
        "num_latents": w.enc.shape[1],
        "activation": "topk",
        "transcode": False,
        "d_in": w.enc.shape[0],
    }
    (folder / module / "cfg.json").write_text(json.dumps(config | changes))
    (folder / "config.json").write_text(json.dumps({"model": "someone/tiny"}))
    parts = {"encoder.weight": w.enc.T, "encoder.bias": w.b_enc, "W_dec": w.dec, "b_dec": w.b_dec}
    save_file(tensors(**parts), folder / module / "sae.safetensors")
    return folder


def save_circuit_tracer(
    folder: Path, w: Weights, threshold: bool = True, stored_k: int | None = None, **said: object
) -> Path:
    """stored_k: a tensor, as of a set with TopK."""
    folder.mkdir(parents=True, exist_ok=True)
    hooks = {"feature_input_hook": "mlp.hook_in", "feature_output_hook": "mlp.hook_out"}
    config = {"model_name": "someone/tiny", "model_kind": "transcoder_set", **hooks, "scan": "tiny"}
    (folder / "config.yaml").write_text(yaml.safe_dump(config | said))
    parts = tensors(W_enc=w.enc.T, W_dec=w.dec, b_enc=w.b_enc, b_dec=w.b_dec)
    parts |= tensors(**{"activation_function.threshold": w.threshold}) if threshold else {}
    parts |= {"k": torch.tensor(stored_k)} if stored_k else {}
    save_file(parts, folder / f"layer_{LAYER}.safetensors")
    return folder


def save_cross_layer(folder: Path, w: Weights, threshold: bool = True) -> Path:
    """As circuit-tracer saves them: the rows of the decoder come in two parts, for this layer and for the next."""
    folder.mkdir(parents=True, exist_ok=True)
    hooks = {"feature_input_hook": "mlp.hook_in", "feature_output_hook": "mlp.hook_out"}
    config = {"model_name": "someone/tiny", "model_kind": "cross_layer_transcoder", **hooks}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    parts = tensors(W_enc=w.enc.T, b_enc=w.b_enc, b_dec=w.b_dec) | (
        tensors(threshold=w.threshold) if threshold else {}
    )
    save_file(
        {f"{name}_{LAYER}": part for name, part in parts.items()}, folder / f"W_enc_{LAYER}.safetensors"
    )
    rows = np.stack([w.dec * 2, -w.dec], 1)
    save_file(tensors(**{f"W_dec_{LAYER}": rows}), folder / f"W_dec_{LAYER}.safetensors")
    return folder


def save_cross_layer_gemma_scope_2(folder: Path, w: Weights) -> Path:
    """A file for each layer; of earlier layers than its own, the rows of the decoder count for nothing."""
    folder = folder / "clt" / "width_262k_l0_medium_affine"
    folder.mkdir(parents=True, exist_ok=True)
    rows = np.stack([*[w.dec * 7] * LAYER, w.dec * 2, -w.dec], 1)
    parts = tensors(w_enc=w.enc, w_dec=rows, b_enc=w.b_enc, b_dec=w.b_dec, threshold=w.threshold)
    save_file(parts, folder / f"params_layer_{LAYER}.safetensors")
    config = {"architecture": "jump_relu", "model_name": "tiny"}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def pre(x: np.ndarray, w: Weights, subtracts: bool) -> np.ndarray:
    x = x.astype(np.float64)
    return (x - w.b_dec if subtracts else x) @ w.enc + w.b_enc


def relu(x: np.ndarray, w: Weights) -> np.ndarray:
    return np.maximum(pre(x, w, True), 0)


def relu_transcoder(x: np.ndarray, w: Weights) -> np.ndarray:
    return np.maximum(pre(x, w, False), 0)


def jump(x: np.ndarray, w: Weights, subtracts: bool = False) -> np.ndarray:
    values = pre(x, w, subtracts)
    return values * (values > w.threshold)


def gated(x: np.ndarray, w: Weights) -> np.ndarray:
    sums = (x.astype(np.float64) - w.b_dec) @ w.enc
    return (sums + w.b_gate > 0) * np.maximum(sums * np.exp(w.r_mag) + w.b_enc, 0)


def topk(x: np.ndarray, w: Weights) -> np.ndarray:
    return top(pre(x, w, True), K)


def topk_transcoder(x: np.ndarray, w: Weights) -> np.ndarray:
    return top(pre(x, w, False), K)


def rescaled_topk(x: np.ndarray, w: Weights) -> np.ndarray:
    return top(pre(x, w, True) * np.linalg.norm(w.dec, axis=-1), K)


def groupmax(x: np.ndarray, w: Weights) -> np.ndarray:
    values = np.maximum(pre(x, w, True), 0)
    groups = values.reshape(len(values), 6, -1)
    return (groups * (groups == groups.max(-1, keepdims=True))).reshape(values.shape)


def layer_normed(x: np.ndarray, w: Weights) -> np.ndarray:
    x = x - x.mean(-1, keepdims=True)
    return relu(x / (x.std(-1, ddof=1, keepdims=True) + 1e-5), w)


def constant_normed(x: np.ndarray, w: Weights) -> np.ndarray:
    return relu(x * np.sqrt(x.shape[-1]) / np.linalg.norm(x, axis=-1, keepdims=True), w)


def centred(x: np.ndarray, w: Weights) -> np.ndarray:
    return relu(x - x.mean(-1, keepdims=True), w)


Save = Callable[[Path, Weights], Path]
MLP_IN = f"blocks.{LAYER}.mlp.hook_in"
# Name -> how it is saved, what it makes of an input, where it reads.
FORMATS: dict[str, tuple[Save, Callable[[np.ndarray, Weights], np.ndarray], str]] = {
    "saelens standard": (lambda f, w: save_saelens(f, "standard", w), relu, HOOK),
    "saelens gated": (lambda f, w: save_saelens(f, "gated", w), gated, HOOK),
    "saelens topk": (lambda f, w: save_saelens(f, "topk", w), topk, HOOK),
    "saelens topk, rescaled": (
        lambda f, w: save_saelens(f, "topk", w, rescale_acts_by_decoder_norm=True),
        rescaled_topk,
        HOOK,
    ),
    "saelens jumprelu": (lambda f, w: save_saelens(f, "jumprelu", w), lambda x, w: jump(x, w, True), HOOK),
    "saelens without b_dec": (
        lambda f, w: save_saelens(f, "standard", w, apply_b_dec_to_input=False),
        relu_transcoder,
        HOOK,
    ),
    "saelens layer norm": (
        lambda f, w: save_saelens(f, "standard", w, normalize_activations="layer_norm"),
        layer_normed,
        HOOK,
    ),
    "saelens constant norm": (
        lambda f, w: save_saelens(f, "standard", w, normalize_activations="constant_norm_rescale"),
        constant_normed,
        HOOK,
    ),
    "saelens transcoder": (
        lambda f, w: save_saelens(f, "transcoder", w, hook_name=MLP_IN),
        relu_transcoder,
        MLP_IN,
    ),
    "saelens skip transcoder": (
        lambda f, w: save_saelens(f, "skip_transcoder", w, hook_name=MLP_IN),
        relu_transcoder,
        MLP_IN,
    ),
    "saelens jumprelu transcoder": (
        lambda f, w: save_saelens(f, "jumprelu_transcoder", w, hook_name=MLP_IN),
        jump,
        MLP_IN,
    ),
    "old saelens": (save_old_saelens, relu, HOOK),
    "old saelens topk": (
        lambda f, w: save_old_saelens(f, w, activation_fn_str="topk", activation_fn_kwargs={"k": K}),
        topk,
        HOOK,
    ),
    "old saelens centred": (
        lambda f, w: save_old_saelens(f, w, model_from_pretrained_kwargs={"center_writing_weights": True}),
        centred,
        HOOK,
    ),
    "gemma scope": (save_gemma_scope, jump, HOOK),
    "gemma scope 2": (save_gemma_scope_2, jump, MLP_IN),
    "sparsify": (save_sparsify, topk, HOOK),
    "sparsify groupmax": (lambda f, w: save_sparsify(f, w, activation="groupmax", k=6), groupmax, HOOK),
    "sparsify transcoder": (
        lambda f, w: save_sparsify(f, w, f"layers.{LAYER}.mlp", transcode=True),
        topk_transcoder,
        MLP_IN,
    ),
    "circuit-tracer": (save_circuit_tracer, jump, MLP_IN),
    "circuit-tracer topk": (
        lambda f, w: save_circuit_tracer(f, w, False, activation="topk", k=K),
        topk_transcoder,
        MLP_IN,
    ),
    "circuit-tracer topk, as it is saved": (
        lambda f, w: save_circuit_tracer(f, w, False, K),
        topk_transcoder,
        MLP_IN,
    ),
    "circuit-tracer relu in spite of thresholds": (
        lambda f, w: save_circuit_tracer(f, w, activation="relu"),
        relu_transcoder,
        MLP_IN,
    ),
    "circuit-tracer cross-layer": (save_cross_layer, jump, MLP_IN),
    "circuit-tracer cross-layer relu": (
        lambda f, w: save_cross_layer(f, w, False),
        relu_transcoder,
        MLP_IN,
    ),
    "gemma scope 2 cross-layer": (save_cross_layer_gemma_scope_2, jump, MLP_IN),
    "circuit-tracer relu": (lambda f, w: save_circuit_tracer(f, w, False), relu_transcoder, MLP_IN),
}
