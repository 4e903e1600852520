"""A chat model in a local folder of Hugging Face's form."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property
from math import exp
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from n2g.errors import InputError
from n2g.explain import prompts
from n2g.explain.chat import Message, Piece, Refused, Reply, Request, without_system
from n2g.explain.excerpts import AFTER, BEFORE, SHOWN, WIDTH
from n2g.explain.neuron import LABEL_TOKENS
from n2g.explain.simulate import question
from n2g.files.digests import files_digest
from n2g.model.checkpoint import first_sentence, pick_device, reading_model
from n2g.model.whole import check_vocabulary, load_whole

WORTH = 0.05  # probability of "1" from which it is asked whether "10" is meant


def open_local(folder: Path, device: str = "auto") -> Local:
    """A local model with room for questions of the usual length.

    Args:
        folder: of the model.
        device: as :func:`n2g.model.checkpoint.pick_device` takes it; on `meta` no weights are read, only checked.

    Raises:
        InputError: the folder holds no such model.
    """
    local = Local(folder, device)
    texts = [[(" a", 0)] * BEFORE + [(" a", 10)] + [(" a", 0)] * AFTER] * SHOWN
    try:
        local.prompt(Request(tuple(prompts.explain(texts)), LABEL_TOKENS))
        local.prompt(question("a", [" a"] * WIDTH))
    except Refused as error:
        raise InputError(
            f"explain.local: {folder} has too short a context ({error}): choose another model."
        ) from None
    return local


class Local:
    """Answers greedily, one question at a time. Where numbers are wanted, it is only asked for these: the lines stand.

    Raises:
        InputError: the folder holds no model that can be read, one that writes a digit as several tokens, or one whose
            template takes no conversation.
    """

    def __init__(self, folder: Path, device: str = "auto"):
        self._folder = folder
        with reading_model(folder):
            self._tokenizer = AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
            place = pick_device(device)
            what = f"explain.local: {folder}"
            model = load_whole(
                AutoModelForCausalLM,
                folder,
                what,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                dtype="float32" if place.type == "cpu" else "auto",
                device_map="meta" if place.type == "meta" else None,
            )
            ids, rows = self._tokenizer.get_vocab().values(), model.get_input_embeddings().weight.shape[0]
            check_vocabulary(ids, rows, "give it the tokenizer of its model.", what)
        self._context = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        self._folds = _folds(self._tokenizer, what)
        self._model = model.to(place).eval()
        self._lock = threading.Lock()
        tab = len(self._encode("\t"))
        # The numbers from 0 to 10 as text -> the tokens that they are after a tab.
        self._numbers = {str(level): self._encode(f"\t{level}")[tab:] for level in range(11)}
        if any(len(self._numbers[str(level)]) != 1 for level in range(10)):
            raise InputError(
                f"explain.local: {folder} has no tokens for single digits: choose another model."
            )

    @cached_property
    def name(self) -> str:
        """Ends in a digest of the weights: answers of another model in the same folder are not taken for its."""
        files = [self._folder / "config.json", *sorted(self._folder.glob("*.safetensors"))]
        return f"{self._folder.resolve().name}@{files_digest(files, self._folder)[:12]}"

    def answer(self, request: Request) -> Reply:
        """What it says. Raises Refused where the question and its answer are longer than its context."""
        prompt = self.prompt(request)
        with self._lock, torch.inference_mode():
            return self._fill(prompt, request.lines) if request.lines else self._write(prompt, request.limit)

    def prompt(self, request: Request) -> list[int]:
        """The tokens of a question. Raises Refused as :meth:`answer` does."""
        tokens = self._encode(_written(self._tokenizer, request.messages, self._folds))
        lines = (len(self._encode(part)) for line in request.lines for part in (line, "10\n"))
        needed = len(tokens) + (sum(lines) or request.limit)
        if self._context and needed > self._context:
            raise Refused(f"a question takes {needed:,} of its {self._context:,} tokens")
        return tokens

    def _encode(self, text: str) -> list[int]:
        return self._tokenizer(text, add_special_tokens=False)["input_ids"]

    def _next(self, tokens: Sequence[int], cache: Any) -> torch.Tensor:
        """Log-probabilities (float32 [vocabulary]) of the next token; the cache grows by the given ones."""
        ids = torch.tensor([list(tokens)], device=self._model.device)
        logits = self._model(ids, past_key_values=cache, use_cache=True, logits_to_keep=1).logits
        return torch.log_softmax(logits[0, -1].float(), dim=-1)

    def _write(self, prompt: list[int], limit: int) -> Reply:
        from transformers import DynamicCache

        ends = self._model.generation_config.eos_token_id
        ends = set(ends if isinstance(ends, list) else [ends]) | {self._tokenizer.eos_token_id}
        cache, written, tokens = DynamicCache(), [], prompt
        while len(written) < limit:
            token = int(self._next(tokens, cache).argmax())
            if token in ends:
                break
            written.append(token)
            tokens = [token]
        text = self._tokenizer.decode(written, skip_special_tokens=True)
        return Reply(text, len(written) < limit, len(prompt), len(written))

    def _fill(self, prompt: list[int], lines: Sequence[str]) -> Reply:
        """The likeliest number at the end of every line, each line after those before."""
        from transformers import DynamicCache

        cache, tokens, pieces, spent = DynamicCache(), prompt, [], 0
        for line in lines:
            tokens = [*tokens, *self._encode(line)]
            spent += len(tokens)
            levels = self._levels(self._next(tokens, cache), cache)
            level = max(levels, key=levels.__getitem__)
            pieces += [Piece(line), Piece(level, levels), Piece("\n")]
            tokens = self._encode(f"{level}\n")
        text = "".join(piece.text for piece in pieces)
        return Reply(text, True, len(prompt), spent - len(prompt), tuple(pieces))

    def _levels(self, logs: torch.Tensor, cache: Any) -> dict[str, float]:
        """Log-probability of each number; where "10" is two tokens, its own is that of "1" and of "0" after it."""
        found = {text: float(logs[ids[0]]) for text, ids in self._numbers.items() if len(ids) == 1}
        if "10" not in found and exp(found.get("1", -torch.inf)) > WORTH:
            zero = float(self._next(self._numbers["1"], cache)[self._numbers["0"][0]])
            cache.crop(-1)
            found["10"] = found["1"] + zero
            found["1"] += float(torch.log1p(-torch.tensor(min(exp(zero), 1 - 1e-6))))
        return found


def _folds(tokenizer: Any, what: str) -> bool:
    """Whether the chat template refuses the role of the system, or drops what it says.

    Raises InputError where it takes no conversation at all.
    """
    roles = ("system", "user", "assistant", "user")
    sample = [{"role": role, "content": f"{role} speaks"} for role in roles]
    for folds in (False, True):
        try:
            if "system speaks" in _written(tokenizer, sample, folds):
                return folds
            said = "it drops what the user says"
        except Exception as error:  # whatever templates raise, which are programs
            said = first_sentence(error)
    raise InputError(f"{what} has a chat template that takes no conversation ({said}): choose another model.")


def _written(tokenizer: Any, messages: Sequence[Message], folds: bool) -> str:
    """A conversation as text, up to where the answer begins. A model that may think first is told not to."""
    turns = without_system(messages) if folds else list(messages)
    if tokenizer.chat_template:
        options = {"tokenize": False, "add_generation_prompt": True, "enable_thinking": False}
        return tokenizer.apply_chat_template(turns, **options)
    return "".join(f"{one['role'].title()}: {one['content']}\n\n" for one in turns) + "Assistant: "
