"""Bring a fetched model into the one form that :mod:`n2g.model.checkpoint` describes."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from n2g.errors import InputError, warn, why_not_written
from n2g.files.atomic import filling, write_bytes
from n2g.files.digests import file_digest
from n2g.ids import HOOKS
from n2g.model.checkpoint import (
    DESCRIPTION,
    Description,
    first_sentence,
    load,
    reading_model,
    save_native,
)
from n2g.model.conversion_check import OwnCode
from n2g.model.whole import check_vocabulary, load_whole
from n2g.texts.sources import TOKENIZER_FILES
from n2g.units.hooks import KNOWN, hook_name

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge

# Of which a tokenizer.json can be made. Without any, `transformers` makes an empty tokenizer for some models.
VOCABULARIES = ("tokenizer.model", "vocab.json", "vocab.txt")


def convert(
    files: Sequence[Path],
    folder: Path,
    loader: str = "auto",
    *,
    tokenizer: Sequence[Path] = (),
    name: str = "",
    hook: str = "post",
) -> Description:
    """Bring a model into the one form, in place of whatever the folder held.

    A GGUF file and the older TransformerLens format are converted to float32 safetensors; safetensors files
    are linked, not copied. The same input gives the same bytes.

    Args:
        files: the model's files: one .gguf file, or a folder's config.json, weights and tokenizer.
        folder: the checkpoint to write.
        loader: ``auto``, ``transformers``, ``tl_legacy`` or ``native``.
        tokenizer: files of a tokenizer that takes the place of the model's own.
        name: name of the repository that the model comes from; the older format's layout depends on it.
        hook: where neurons are read, a key of `HOOKS`.

    Returns:
        The description, which is also written to ``checkpoint.json``.

    Raises:
        InputError: the model is damaged, incomplete, or of a kind that has no neurons to read.
    """
    shutil.rmtree(folder, ignore_errors=True)
    with filling(folder):
        folder.mkdir(parents=True)
        try:
            return _convert(files, folder, loader, tokenizer, name, hook)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)  # half a model is of no use, and large
            raise


def _convert(
    files: Sequence[Path], folder: Path, loader: str, tokenizer: Sequence[Path], name: str, hook: str
) -> Description:
    kind = _format(files, loader)
    if kind == "gguf":
        _from_gguf(files[0], folder)
    elif kind == "tl_legacy":
        _from_legacy(files, folder, name)
    else:
        _from_folder(files, folder)
    if tokenizer:
        for own in TOKENIZER_FILES:
            (folder / own).unlink(missing_ok=True)
        _link(tokenizer, folder)
    _complete_tokenizer(folder)
    for path in sorted(folder.glob("*.safetensors")):
        _check_safetensors(path)
    found = _describe(folder, "native" if kind in ("native", "tl_legacy") else "transformers", hook)
    ids = _ids_in_texts(folder / "tokenizer.json")
    check_vocabulary(ids, found.d_vocab, "name its own tokenizer in model.tokenizer.")
    write_bytes(folder / DESCRIPTION, (json.dumps(asdict(found), indent=1, sort_keys=True) + "\n").encode())
    return found


def _format(files: Sequence[Path], loader: str) -> str:
    names = {file.name for file in files}
    if "adapter_model.safetensors" in names:
        raise InputError(
            "the model has an adapter beside its weights, or in their place, which is not applied: merge it into them "
            "with merge_and_unload of peft, or remove it."
        )
    if any(file.suffix.lower() == ".gguf" for file in files):
        if len(files) > 1:
            raise InputError("the model has several .gguf files: name one in model.file.")
        return "gguf"
    if "config.json" not in names:
        raise InputError(
            f"the model has no config.json (found {', '.join(sorted(names))}): check model.source."
        )
    if loader != "auto":
        return loader
    config = _config(files)
    if "model_type" in config or "n_layers" not in config:
        return "transformers"
    return "native"


def _config(files: Sequence[Path]) -> dict[str, Any]:
    file = next(file for file in files if file.name == "config.json")
    with reading_model(file):
        content = json.loads(file.read_bytes())
        if not isinstance(content, dict):
            raise ValueError("it holds no keys")
    return content


def _from_gguf(file: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with reading_model(file):
        stored = _numbers_in_gguf(file)
        model = load_whole(AutoModelForCausalLM, file.parent, gguf_file=file.name, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    if stored > (loaded := sum(tensor.numel() for tensor in model.parameters())):
        raise InputError(
            f"the model has tensors without a place: {file} holds {stored:,} numbers, of which {loaded:,} can be read: "
            "use the model's .safetensors files."
        )
    config = model.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    with torch.device("meta"):  # a plain model around the weights, which are no longer quantised
        plain = type(model)(config)
    plain.load_state_dict(model.state_dict(), assign=True)
    plain.tie_weights()
    plain.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    for path in folder.iterdir():
        path.chmod(0o644)


def _numbers_in_gguf(file: Path) -> int:
    """How many numbers the tensors of a model hold, those about positions left out, which its configuration gives.

    Raises:
        ValueError: the file ends before its tensors.
        InputError: it is one of several.
    """
    from gguf import GGUFReader

    with file.open("rb") as opened:
        if opened.read(4) != b"GGUF":
            raise ValueError("it does not begin as a GGUF file does")
    reader = GGUFReader(file)
    field = reader.get_field("split.count")
    if field and (parts := field.contents()) > 1:
        raise InputError(
            f"{file} is one of the {parts} parts of a model: join them with `llama-gguf-split --merge`, and name the "
            "file that it writes."
        )
    end = max((int(tensor.data_offset) + int(tensor.n_bytes) for tensor in reader.tensors), default=0)
    if file.stat().st_size < end:
        raise ValueError(f"it has {file.stat().st_size} of {end} bytes")
    return sum(int(tensor.n_elements) for tensor in reader.tensors if not tensor.name.startswith("rope_"))


def _from_folder(files: Sequence[Path], folder: Path) -> None:
    if not any(file.suffix == ".safetensors" for file in files):
        raise InputError(
            "the model has no .safetensors weights: convert it with save_pretrained, or set model.loader to "
            "tl_legacy if it is in the older TransformerLens format."
        )
    _link(files, folder)


def _from_legacy(files: Sequence[Path], folder: Path, name: str) -> None:
    """Convert the older TransformerLens format.

    The library fetches such models from a hub by itself, at no fixed revision; here it is handed the files
    that were fetched and checked before. Their pickled weights are read as plain tensors (``weights_only``).
    """
    from unittest.mock import patch

    import torch
    from transformer_lens.model_bridge import TransformerBridge

    by_name = {file.name: file for file in files}
    known = ("NeelNanda/", "ArthurConmy/", "Baidicoot/")
    name = name if name.startswith(known) else f"{known[0]}{Path(name).name or 'model'}"
    config = _config(files)
    if "tokenizer_name" in config:
        config["tokenizer_name"] = None  # the tokenizer is fetched by itself, see model.tokenizer
    with (
        reading_model(files[0].parent),
        patch("huggingface_hub.hf_hub_download", lambda repository, file: str(by_name[file])),
        patch("huggingface_hub.HfApi.list_repo_files", lambda self, repository: sorted(by_name)),
        patch("transformer_lens.model_bridge.sources.tl_legacy._fetch_json", lambda repository, file: config),
    ):
        model = TransformerBridge.boot_tl_legacy(name, device="cpu", dtype=torch.float32)
    save_native(model, folder)
    _link([file for file in files if file.name in TOKENIZER_FILES], folder)


def _link(files: Sequence[Path], folder: Path) -> None:
    for file in files:
        link = folder / file.name
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(file, folder.resolve()))


def _complete_tokenizer(folder: Path) -> None:
    """Make sure that there is a readable tokenizer.json."""
    from tokenizers import Tokenizer

    file = folder / "tokenizer.json"
    if not file.exists():
        from transformers import AutoTokenizer

        try:
            if not any((folder / name).exists() for name in VOCABULARIES):
                raise FileNotFoundError(" or ".join(VOCABULARIES))
            AutoTokenizer.from_pretrained(folder, trust_remote_code=False).backend_tokenizer.save(str(file))
        except Exception as error:  # whatever the many kinds of tokenizers raise
            if why_not_written(error):
                raise
            raise InputError(
                "the model has no tokenizer that can be read: name one in model.tokenizer."
            ) from error
    with reading_model(file):
        Tokenizer.from_file(str(file))


def _ids_in_texts(tokenizer: Path) -> list[int]:
    """The ids that a tokenizer can give for a text, which is not searched for special tokens."""
    from tokenizers import Tokenizer

    loaded = Tokenizer.from_file(str(tokenizer))
    added = [token for token, kind in loaded.get_added_tokens_decoder().items() if not kind.special]
    return [*loaded.get_vocab(with_added_tokens=False).values(), *added]


def _check_safetensors(path: Path) -> None:
    from safetensors import safe_open

    with reading_model(path), safe_open(path, framework="numpy") as opened:
        opened.keys()


def _describe(folder: Path, form: str, hook: str) -> Description:
    """Describe a checkpoint, after a look at its neurons."""
    own = OwnCode()
    with reading_model(folder):
        model = load(folder, form, "cpu", "bfloat16", look=own.record)
    if HOOKS[hook].format(layer=0) not in model.hook_dict and hook != "post":
        raise InputError(
            f"model.hook: {model.cfg.architecture} has no LayerNorm between its neurons and what they enter, before "
            "which mid would read: set post."
        )
    d_mlp, hooks = _look(model)
    own.compare(model)
    names = sorted(path.name for path in folder.iterdir() if path.name != DESCRIPTION)
    return Description(
        format=form,
        architecture=str(model.cfg.architecture),
        n_layers=model.cfg.n_layers,
        d_mlp=d_mlp,
        d_model=model.cfg.d_model,
        d_vocab=model.cfg.d_vocab,
        n_ctx=model.cfg.n_ctx,
        gated=bool(getattr(model.cfg, "gated_mlp", False)),
        bos=_special_token(folder, "bos_token", model.cfg.d_vocab),
        eos=_special_token(folder, "eos_token", model.cfg.d_vocab),
        files={name: file_digest(folder / name) for name in names},
        hook=HOOKS[hook],
        hooks=hooks,
    )


def _look(model: TransformerBridge) -> tuple[int, dict[str, int]]:
    """Neurons of a layer, and kind of hook -> numbers of a token there, of all kinds that every layer has.

    A short forward pass also shows whether the later stages can work with the model.

    Raises:
        InputError: they cannot.
    """
    import torch
    from transformers import DynamicCache

    kind, layers = model.cfg.architecture, range(model.cfg.n_layers)
    for name in (f"blocks.{layer}.mlp.hook_post" for layer in layers):
        if name not in model.hook_dict:
            raise InputError(f"{kind} has no MLP neurons to read (no {name}): choose another model.")
        if model.hook_dict[name] is model.hook_dict.get(name.replace("_post", "_out")):
            raise InputError(
                f"{kind} is a mixture of experts, which has no neurons to read ({name} is the output of all "
                "experts): choose another model."
            )
    if not layers:
        raise InputError(f"{kind} has no layers: correct num_hidden_layers in its config.json.")
    if model.cfg.n_ctx < 2:
        raise InputError(f"{kind} takes texts of {model.cfg.n_ctx} tokens: correct that in its config.json.")
    every: dict[str, torch.Tensor] = {}
    names = [hook_name(layer, known) for layer in layers for known in KNOWN]
    hooks = [
        (name, lambda value, hook, name=name: every.update({name: value}))
        for name in names
        if name in model.hook_dict
    ]
    tokens = torch.zeros(2, 8, dtype=torch.long)
    tokens[1, 1:] = 1  # so that the first token is all that the two texts share
    try:
        with torch.no_grad():
            cache = {"past_key_values": DynamicCache(), "use_cache": True}
            model.run_with_hooks(tokens, fwd_hooks=hooks, return_type=None, **cache)
    except Exception as error:  # whatever the many kinds of models raise
        raise InputError(
            f"{kind} cannot be run from cached keys and values alone "
            f"({first_sentence(error)}): choose another model."
        ) from error
    seen = [every[f"blocks.{layer}.mlp.hook_post"] for layer in layers]
    first, second = seen[0].reshape(2, 8, -1)[:, 0].float()
    if (first - second).abs().max() > 0.05 * first.abs().max():  # far more than bfloat16 rounds
        raise InputError(f"{kind} also attends to later tokens: choose a causal model.")
    if len(widths := {value.shape[-1] for value in seen}) > 1:
        raise InputError(
            f"{kind} has layers of {' and '.join(map(str, sorted(widths)))} neurons: choose a model whose "
            "layers have the same width."
        )
    numbers = {name: value.numel() // tokens.numel() for name, value in every.items()}
    sizes = {known: {numbers.get(hook_name(layer, known), 0) for layer in layers} for known in KNOWN}
    return widths.pop(), {known: max(size) for known, size in sizes.items() if len(size) == 1 and size != {0}}


def _special_token(folder: Path, name: str, d_vocab: int) -> int | None:
    """Id of ``bos_token`` or ``eos_token``, from the model's configuration or else from its tokenizer's.

    An id outside of the vocabulary, such as -1, is none. Where the two differ, the log says so.
    """
    from tokenizers import Tokenizer

    config = json.loads((folder / "config.json").read_bytes())
    ids = [config.get(f"{name}_id", (config.get("text_config") or {}).get(f"{name}_id"))]
    if (folder / "tokenizer_config.json").exists():
        with reading_model(folder / "tokenizer_config.json"):
            token = json.loads((folder / "tokenizer_config.json").read_bytes()).get(name)
        token = token.get("content") if isinstance(token, dict) else token
        ids.append(Tokenizer.from_file(str(folder / "tokenizer.json")).token_to_id(token) if token else None)
    ids = [found[0] if isinstance(found, list) and found else found for found in ids]
    known = [found for found in ids if isinstance(found, int) and 0 <= found < d_vocab]
    if len(set(known)) > 1:
        warn(
            f"{name}: the configuration names token {known[0]}, the tokenizer {known[1]}: the first is used."
        )
    return known[0] if known else None
