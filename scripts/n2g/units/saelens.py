"""Autoencoders and transcoders as SAELens saves them: cfg.json and sae_weights.safetensors, of any version."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from n2g.errors import InputError
from n2g.units.encoder import Encoder
from n2g.units.hooks import ADDED, MODULES, RESIDUAL, known_module, parse_hook
from n2g.units.weight_files import check_shapes, read_settings, read_weights, require

SETTINGS, WEIGHTS = "cfg.json", "sae_weights.safetensors"
AUTOENCODERS = ("standard", "gated", "topk", "jumprelu")
TRANSCODERS = ("transcoder", "skip_transcoder", "jumprelu_transcoder", "jumprelu_skip_transcoder")
# The activations' scale is folded into the weights when they are saved, so nothing is left to do.
_NORMS = {
    None: "none",
    False: "none",
    True: "none",
    "none": "none",
    "expected_average_only_in": "none",
    "covariance_whitening": "none",
    "constant_norm_rescale": "constant_norm",
    "layer_norm": "layer_norm",
}


# What values must be where they are not null; others are left out of account, or looked at below.
_KINDS: dict[str, tuple[type, str]] = {
    **dict.fromkeys(
        ("metadata", "activation_fn_kwargs", "model_from_pretrained_kwargs"), (dict, "a group of keys")
    ),
    **dict.fromkeys(("hook_name", "hook_point", "hook_name_out", "model_name"), (str, "a text")),
}


class Settings:
    """What cfg.json says, under the names of the newest version."""

    def __init__(self, path: Path) -> None:
        """Raises InputError where an encoder of this kind cannot be read, before any weights are."""
        self.path = path
        given = read_settings(path)
        _check_kinds(path, given)
        about = {**given, **(given.get("metadata") or {})}
        _check_kinds(path, about)
        old = _version(about.get("sae_lens_version")) < 6
        kind = given.get("architecture", "standard" if old else None)
        named = about.get("activation_fn", about.get("activation_fn_str", "relu")) if old else "relu"
        if named == "topk":
            kind = "topk"
            about.setdefault("k", (about.get("activation_fn_kwargs") or {}).get("k"))
        elif named != "relu":
            raise InputError(
                f"{path}: activation_fn {named!r} is not known: choose an encoder with relu or topk."
            )
        if kind not in (*AUTOENCODERS, *TRANSCODERS):
            raise InputError(
                f"{path}: architecture {kind!r} is not known: choose an encoder of the kind "
                f"{', '.join((*AUTOENCODERS, *TRANSCODERS))}."
            )
        self.kind: str = kind
        self.transcodes = kind in TRANSCODERS
        self.k: int | None = about.get("k")
        if kind == "topk" and not (isinstance(self.k, int) and self.k > 0):
            raise InputError(f"{path}: has no k, which topk needs: add it.")
        self.subtracts = self._subtracts(about, old)
        norm = about.get("normalize_activations")
        if isinstance(norm, list | dict) or norm not in _NORMS:
            raise InputError(f"{path}: normalize_activations {norm!r} is not known: choose another encoder.")
        self.norm = _NORMS[norm]
        self.rescales = bool(about.get("rescale_acts_by_decoder_norm"))
        self.model: str | None = about.get("model_name")
        self.hook: str | None = about.get("hook_name", about.get("hook_point"))
        if self.hook and self.hook.endswith(".hook_mlp_in"):
            self.hook = _after_norm(path, self.hook, about.get("hf_hook_name"))
        self.hook = _hook(self.hook)
        self.writes: str | None = _hook(about.get("hook_name_out"))
        if about.get("hook_head_index", about.get("hook_point_head_index")) is not None:
            raise InputError(
                f"{path}: reads a single head, which is not supported: choose an encoder of a whole hook."
            )
        self.centred = _centred(path, about.get("model_from_pretrained_kwargs") or {}, self.hook)

    def _subtracts(self, about: Mapping[str, Any], old: bool) -> bool:
        """Whether b_dec is subtracted from the input."""
        if self.transcodes:
            return False
        rule = about.get("apply_b_dec_to_input", True if old else None)
        if not isinstance(rule, bool):
            raise InputError(
                f"{self.path}: does not say whether b_dec is subtracted from the input: add apply_b_dec_to_input, true "
                "or false."
            )
        return rule


def read(settings: Settings, hook: str, writes: str | None) -> Encoder:
    """The encoder that the settings describe. Raises InputError where its weights are not those described."""
    path = settings.path.with_name(WEIGHTS)
    weights = read_weights(path)
    gated, jumps = settings.kind == "gated", "jumprelu" in settings.kind
    names = ["W_enc", "W_dec", "b_dec"]
    names += ["b_gate", "b_mag", "r_mag"] if gated else ["b_enc", *(["threshold"] if jumps else [])]
    require(path, weights, names)
    width, latents = weights["W_enc"].shape if weights["W_enc"].ndim == 2 else (0, 0)
    decoder = weights["W_dec"]
    out = decoder.shape[-1] if settings.transcodes else width
    check_shapes(
        path,
        {
            "W_enc": (weights["W_enc"], (width, latents)),
            "W_dec": (decoder, (latents, out)),
            "b_dec": (weights["b_dec"], (out,)),
        }
        | {name: (weights[name], (latents,)) for name in names[3:]},
    )
    if settings.kind == "topk" and settings.k and settings.k > latents:
        raise InputError(
            f"{settings.path}: k is {settings.k}, which {latents} latents cannot have: correct it."
        )
    gain = weights["r_mag"].exp() if gated else decoder.norm(dim=-1) if settings.rescales else None
    return Encoder(
        hook=hook,
        writes=writes,
        activation="gated"
        if gated
        else "jumprelu"
        if jumps
        else "topk"
        if settings.kind == "topk"
        else "relu",
        weight=weights["W_enc"].T.contiguous(),
        bias=weights["b_mag" if gated else "b_enc"],
        decoder=decoder,
        before=weights["b_dec"] if settings.subtracts else None,
        threshold=weights["threshold"] if jumps else None,
        gate=weights["b_gate"] if gated else None,
        gain=gain if gated or settings.kind == "topk" else None,
        k=settings.k if settings.kind == "topk" else None,
        norm=settings.norm,
        centred=settings.centred and parse_hook(hook)[1] in (*RESIDUAL, *ADDED, *MODULES),
        model=settings.model,
    )


def _check_kinds(path: Path, given: Mapping[str, Any]) -> None:
    for name, (kind, said) in _KINDS.items():
        if given.get(name) is not None and not isinstance(given[name], kind):
            raise InputError(f"{path}: {name} is {given[name]!r}, not {said}: correct it.")


def _version(text: object) -> int:
    """The first number of a version; 0 without one, as versions before 6 wrote none."""
    first = str(text or "0").partition(".")[0]
    return int(first) if first.isdigit() else 0


def _hook(name: str | None) -> str | None:
    """A hook, also where it is named as a module of a model of `transformers`."""
    return name if name is None or name.startswith("blocks.") else known_module(name) or name


def _after_norm(path: Path, hook: str, module: object) -> str:
    """The hook behind the MLP's norm, where the name of a module says that it is meant.

    TransformerLens has a hook of the same name before the norm.
    """
    if str(module).endswith("pre_feedforward_layernorm.output"):
        return hook.replace("hook_mlp_in", "mlp.hook_in")
    raise InputError(
        f"{path}: {hook} is before the MLP's norm for some and behind it for others, and hf_hook_name does not say "
        "which: set hook_name to hook_resid_mid or mlp.hook_in of its layer."
    )


def _centred(path: Path, changes: Mapping[str, Any], hook: str | None) -> bool:
    """Whether its model had centred writing weights, which changes nothing but the mean of what they add up to."""
    if changes.get("fold_ln") and hook and parse_hook(hook)[1] == "mlp.hook_in":
        raise InputError(
            f"{path}: reads a model whose LayerNorm is folded into its MLP: choose another encoder."
        )
    folded = [name for name in ("fold_value_biases", "refactor_factored_attn_matrices") if changes.get(name)]
    if folded and hook and parse_hook(hook)[1] == "attn.hook_z":
        raise InputError(
            f"{path}: reads attn.hook_z of a model that {folded[0]} has changed: choose another encoder."
        )
    return bool(changes.get("center_writing_weights"))
