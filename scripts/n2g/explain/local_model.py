"""A chat model in a local folder of Hugging Face's form."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from math import exp
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from n2g.errors import InputError
from n2g.explain.chat import Message, Piece, Reply, Request
from n2g.files.digests import files_digest
from n2g.model.checkpoint import pick_device, reading_model
from n2g.model.whole import check_vocabulary, load_whole

WORTH = 0.05  # probability of "1" from which it is asked whether "10" is meant


class Local:
    """Answers greedily, one question at a time. Where numbers are wanted, it is only asked for these: the lines stand.

    Its name ends in a digest of the weights, so that answers of another model in the same folder are not taken for its.

    Raises:
        InputError: the folder holds no model that can be read, or one that writes a digit as several tokens.
    """

    def __init__(self, folder: Path, device: str = "auto"):
        with reading_model(folder):
            files = [folder / "config.json", *sorted(folder.glob("*.safetensors"))]
            self.name = f"{folder.resolve().name}@{files_digest(files, folder)[:12]}"
            self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            place = pick_device(device)
            what = f"explain.local: {folder}"
            model = load_whole(
                AutoModelForCausalLM,
                folder,
                what,
                local_files_only=True,
                use_safetensors=True,
                dtype="float32" if place.type == "cpu" else "auto",
            )
            ids, rows = self._tokenizer.get_vocab().values(), model.get_input_embeddings().weight.shape[0]
            check_vocabulary(ids, rows, "give it the tokenizer of its model.", what)
        self._model = model.to(place).eval()
        self._lock = threading.Lock()
        tab = len(self._encode("\t"))
        # The numbers from 0 to 10 as text -> the tokens that they are after a tab.
        self._numbers = {str(level): self._encode(f"\t{level}")[tab:] for level in range(11)}
        if any(len(self._numbers[str(level)]) != 1 for level in range(10)):
            raise InputError(
                f"explain.local: {folder} has no tokens for single digits: choose another model."
            )

    def answer(self, request: Request) -> Reply:
        """Never raises: a local model always says something."""
        prompt = self._encode(self._prompt(request.messages))
        with self._lock, torch.inference_mode():
            return self._fill(prompt, request.lines) if request.lines else self._write(prompt, request.limit)

    def _prompt(self, messages: Sequence[Message]) -> str:
        if self._tokenizer.chat_template:
            return self._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        turns = "".join(f"{one['role'].title()}: {one['content']}\n\n" for one in messages)
        return f"{turns}Assistant: "

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
