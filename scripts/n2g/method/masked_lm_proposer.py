"""Substitutes that a masked language model finds likely, in the subject's token ids."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from n2g.errors import InputError, first_line
from n2g.method.proposals import Query
from n2g.model.whole import check_vocabulary, load_whole

_BYTES = re.compile(r"(?:<0x[0-9A-F]{2}>)+")


def open_masked_lm(folder: Path, device: str = "cpu") -> tuple[Any, Any]:
    """A masked language model's tokenizer and the model itself. On the device `meta` no weights are read, only checked.

    Raises InputError where the folder holds no such model.
    """
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    if not Path(folder).is_dir():
        raise InputError(f"masked_lm: {folder} is not a folder: name one with a masked language model.")
    what, local = f"masked_lm: {folder}", {"local_files_only": True, "trust_remote_code": False}
    place = {"device_map": "meta"} if device == "meta" else {}
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **local)
        model = load_whole(AutoModelForMaskedLM, folder, what, **local, **place).to(device).eval()
        ids, rows = tokenizer.get_vocab().values(), model.get_input_embeddings().weight.shape[0]
        check_vocabulary(ids, rows, "give it the tokenizer of its model.", what)
    except InputError:
        raise
    except Exception as error:  # whatever the many kinds of models raise
        raise InputError(
            f"masked_lm: {folder} is not a masked language model ({first_line(error)})."
        ) from error
    if tokenizer.mask_token_id is None:
        raise InputError(f"masked_lm: the tokenizer in {folder} has no mask token.")
    return tokenizer, model


class MaskedLMProposer:
    """What a masked language model puts in the place of a token, as single tokens of the subject.

    The model reads the text with its mask in the place. Each of its guesses is written with the leading space
    and the case of the original token; those that are not single tokens of the subject are dropped.

    folder: a local Hugging Face masked language model with its tokenizer. texts: text of each of the
    subject's tokens. allowed: bool [token], what may be proposed. guesses: how many of the model's guesses
    are tried.

    Raises InputError where the folder holds no such model.
    """

    def __init__(
        self,
        folder: Path,
        texts: Sequence[str],
        allowed: np.ndarray,
        *,
        device: str = "cpu",
        guesses: int = 200,
        batch: int = 32,
    ):
        self.tokenizer, self.model = open_masked_lm(folder, device)
        self.texts, self.device, self.guesses, self.batch = texts, device, guesses, batch
        self.ids: dict[str, int] = {}
        for token in np.flatnonzero(allowed).tolist():
            self.ids.setdefault(texts[token], token)
        self.pieces = _pieces(self.tokenizer)
        # Some count positions from 2.
        self.longest = (getattr(self.model.config, "max_position_embeddings", None) or 1_000_000) - 2

    def propose(self, tokens: tuple[int, ...], place: int, count: int) -> list[int]:
        """At most `count` token ids, the likeliest first."""
        return self.propose_many([(tokens, place)], count)[0]

    @torch.no_grad()
    def propose_many(self, queries: Sequence[Query], count: int) -> list[list[int]]:
        """The same for many places, in batches."""
        found: list[list[int]] = []
        for begin in range(0, len(queries), self.batch):
            part = queries[begin : begin + self.batch]
            given = self._given([self._masked(*query) for query in part])
            if given["input_ids"].shape[1] > self.longest:
                given = self._given([self._shortened(*query) for query in part])
            logits = self.model(**given.to(self.device)).logits
            masks = (given["input_ids"] == self.tokenizer.mask_token_id).int().argmax(1)
            guessed = logits[torch.arange(len(part), device=logits.device), masks]
            ranked = guessed.argsort(dim=1, descending=True, stable=True)[:, : self.guesses].tolist()
            found += [self._translated(*query, row)[:count] for query, row in zip(part, ranked, strict=True)]
        return found

    def _masked(self, tokens: tuple[int, ...], place: int) -> str:
        """The text with the mask in the place; a mask that the text itself holds is taken out."""
        mask = self.tokenizer.mask_token
        left, right = (self._text(part).replace(mask, "") for part in (tokens[:place], tokens[place + 1 :]))
        original = self.texts[tokens[place]]
        return f"{left}{_space(original)}{mask}{right}"

    def _given(self, texts: list[str]) -> Any:
        return self.tokenizer(texts, padding=True, return_tensors="pt")

    def _shortened(self, tokens: tuple[int, ...], place: int) -> str:
        """As much of the text around the mask as the model has positions for: half as far, until it fits."""
        reach = len(tokens)
        while True:
            begin = max(0, place - reach)
            text = self._masked(tokens[begin : place + reach + 1], place - begin)
            if reach == 0 or self._given([text])["input_ids"].shape[1] <= self.longest:
                return text
            reach //= 2

    def _translated(self, tokens: tuple[int, ...], place: int, guesses: Sequence[int]) -> list[int]:
        """Guesses of the masked model as tokens of the subject that fit in the place."""
        original = self.texts[tokens[place]]
        if _BYTES.search(original):
            return []  # part of a character
        before = self._text(tokens[:place])[-1:]
        word = original.strip()
        inside = not _space(original) and before.isalnum()
        found: dict[int, None] = {}
        for guess in guesses:
            piece, continues = self.pieces[guess]
            if piece[:1].isalnum() != word[:1].isalnum():
                continue  # words stand for words, punctuation for punctuation
            if word[:1].isalnum() and continues != inside and before:
                continue  # a continuation fits inside a word, a whole word elsewhere
            token = self.ids.get(_space(original) + _cased(piece, word))
            if token is not None and token != tokens[place]:
                found[token] = None
        return list(found)

    def _text(self, tokens: Sequence[int]) -> str:
        """Text of some tokens, characters that are spread over several of them put together."""
        whole = "".join(self.texts[token] for token in tokens)
        return _BYTES.sub(lambda m: bytes.fromhex(re.sub("[<>]|0x", "", m[0])).decode(errors="ignore"), whole)


def _space(text: str) -> str:
    """The white space with which a token begins."""
    return text[: len(text) - len(text.lstrip())]


def _cased(piece: str, like: str) -> str:
    """A word in the case of another: lower, Title or UPPER; as it is where the other has no case."""
    if like.islower():
        return piece.lower()
    if like.istitle():
        return piece[:1].upper() + piece[1:].lower()
    return piece.upper() if like.isupper() else piece


def _pieces(tokenizer: Any) -> list[tuple[str, bool]]:
    """Text of each token of the masked model, and whether it continues the word before it; control tokens have no
    text. WordPiece marks tokens that continue a word (##), other schemes those that begin one (Ġ or ▁)."""
    names = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    special = set(tokenizer.all_special_ids)
    begins = next((mark for mark in ("Ġ", "▁") if any((name or "").startswith(mark) for name in names)), None)
    found = []
    for token, name in enumerate(names):
        if name is None or token in special:
            found.append(("", False))
        elif begins:
            text = tokenizer.decode([token], clean_up_tokenization_spaces=False).strip()
            found.append((text, not name.startswith(begins)))
        else:
            found.append((name.removeprefix("##"), name.startswith("##")))
    return found
