"""Substitutes for a token of a text, from three sources: near in the embedding, likely to the subject model
itself, or likely to a masked language model (paper, section 3.4). All speak in the subject's token ids.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float

from n2g.errors import InputError, first_line
from n2g.model.engine import ROWS, filled

# A place in a text: its token ids (without BOS) and the position of the token to replace.
Query = tuple[tuple[int, ...], int]

_BYTES = re.compile(r"(?:<0x[0-9A-F]{2}>)+")


class Proposer(Protocol):
    """Anything that names substitutes: never the token itself, never a control token, the best first."""

    def propose(self, tokens: tuple[int, ...], place: int, count: int) -> list[int]:
        """At most `count` token ids that may stand for `tokens[place]`."""
        ...

    def propose_many(self, queries: Sequence[Query], count: int) -> list[list[int]]:
        """The same for many places, faster than one by one."""
        ...


def make_proposer(
    name: str, bridge: Any, vocabulary: pa.Table, bos: int, masked_lm: Path | None = None
) -> Proposer:
    """The proposer that the configuration names.

    Args:
        name: `embedding`, `causal` or `masked-lm`.
        bridge: the subject model.
        vocabulary: its `vocabulary` table.
        bos: the token that begins every sequence.
        masked_lm: folder of the masked language model, for `masked-lm`.

    Raises:
        InputError: there is no such proposer, or no masked language model in the folder.
    """
    texts, special = vocabulary["text"].to_pylist(), vocabulary["special"].to_pylist()
    allowed = allowed_tokens(texts, special, bridge.W_E.shape[0])
    if name == "embedding":
        return EmbeddingProposer(bridge.W_E, allowed)
    if name == "causal":
        return CausalProposer(bridge, allowed, bos)
    if name != "masked-lm":
        raise InputError(f"proposer: {name!r} is none: write embedding, causal or masked-lm.")
    if masked_lm is None:
        raise InputError("masked_lm: is not set: name the folder of a masked language model.")
    return MaskedLMProposer(masked_lm, texts, allowed, device=str(bridge.W_E.device))


def allowed_tokens(texts: Sequence[str], special: Sequence[bool], size: int) -> np.ndarray:
    """Which token ids may be proposed (bool [size]): those with a text that are no control tokens.

    texts, special: columns of the `vocabulary` table. size: rows of the model's embedding.
    """
    allowed = np.zeros(size, dtype=bool)
    for token, (text, control) in enumerate(zip(texts[:size], special[:size], strict=True)):
        allowed[token] = not control and text != f"<id {token}>"
    return allowed


class EmbeddingProposer:
    """The tokens nearest in the embedding, by cosine; the context does not matter.

    embedding: float [token, dimension]. allowed: bool [token], what may be proposed.
    """

    def __init__(self, embedding: Float[torch.Tensor, "token dimension"], allowed: np.ndarray):
        self.allowed = torch.as_tensor(allowed, device=embedding.device)
        self._unit = torch.nn.functional.normalize(embedding.detach().float(), dim=1)
        self._known: dict[int, list[int]] = {}

    def propose(self, tokens: tuple[int, ...], place: int, count: int) -> list[int]:
        """At most `count` token ids, the nearest first; ties by id."""
        return self.propose_many([(tokens, place)], count)[0]

    def propose_many(self, queries: Sequence[Query], count: int) -> list[list[int]]:
        """The same for many places; what was asked before is not computed again."""
        wanted = [_original(query) for query in queries]
        most = min(count, int(self.allowed.sum()))
        unknown = sorted({token for token in wanted if len(self._known.get(token, ())) < most})
        at_once, device = 8 * ROWS, self._unit.device
        for begin in range(0, len(unknown), at_once):
            part = unknown[begin : begin + at_once]
            rows = torch.tensor(filled(part, at_once, device), device=device)
            near = (self._unit[rows] @ self._unit.T)[: len(part)]
            near[:, ~self.allowed] = -torch.inf
            for token, ranking in zip(part, _best(near, count + 1), strict=True):
                self._known[token] = [other for other, _ in ranking if other != token]
        return [self._known[token][:count] for token in wanted]


class CausalProposer:
    """What the subject model itself finds likely between the left and the right context.

    Ranked by log p(token | left) + log p(right | left, token). The second term is computed for the `pool`
    tokens with the largest first term, over the `ahead` tokens that follow: a place costs `pool` x `ahead`
    tokens of the whole model.

    bridge: gives logits [batch, position, token]. allowed: bool [token], what may be proposed. bos: the token
    that begins every sequence. batch_tokens: tokens of one forward pass.
    """

    def __init__(
        self,
        bridge: Any,
        allowed: np.ndarray,
        bos: int,
        *,
        pool: int = 64,
        ahead: int = 2,
        batch_tokens: int = 512,
    ):
        self.bridge, self.allowed, self.bos = bridge, torch.as_tensor(allowed), bos
        self.pool, self.ahead, self.batch_tokens = pool, ahead, batch_tokens
        self.device = next(bridge.parameters()).device

    def propose(self, tokens: tuple[int, ...], place: int, count: int) -> list[int]:
        """At most `count` token ids, the likeliest first."""
        return self.propose_many([(tokens, place)], count)[0]

    @torch.no_grad()
    def propose_many(self, queries: Sequence[Query], count: int) -> list[list[int]]:
        """The same for many places, in full batches; each left context is read once."""
        from transformers import DynamicCache

        asked: dict[tuple[int, ...], list[int]] = {}
        for i, (tokens, place) in enumerate(queries):
            asked.setdefault((self.bos, *tokens[:place]), []).append(i)
        found: list[list[int]] = [[] for _ in queries]
        for lefts in self._batches(asked):
            cache = DynamicCache()
            at_once = self._rows(len(lefts[0]))
            tokens = torch.tensor(filled(lefts, at_once, self.device), device=self.device)
            likely = self._log_probabilities(tokens, cache, 1)[: len(lefts), 0]
            likely[:, ~self.allowed] = -torch.inf
            first = dict(zip(lefts, _best(likely, max(count, self.pool) + 1), strict=True))
            rows = [
                (at, i, *pair) for at, left in enumerate(lefts) for i in asked[left] for pair in first[left]
            ]
            rows = [row for row in rows if row[2] != _original(queries[row[1]])]
            follow = [(at, token, self._right(queries[i])) for at, i, token, _ in rows]
            scores = self._rest(tokens, cache, follow)
            ranked: dict[int, list[tuple[float, int]]] = {}
            for (_, i, token, before), after in zip(rows, scores, strict=True):
                ranked.setdefault(i, []).append((-before - after, token))
            for i, pairs in ranked.items():
                found[i] = [token for _, token in sorted(pairs)[:count]]
        return found

    def _right(self, query: Query) -> tuple[int, ...]:
        tokens, place = query
        return tokens[place + 1 : place + 1 + self.ahead]

    def _batches(self, texts: Iterable[tuple[int, ...]]) -> Iterator[list[tuple[int, ...]]]:
        """Texts of equal length together, as many as fit a pass."""
        ordered = sorted(texts, key=lambda text: (len(text), text))
        for length, same in groupby(ordered, key=len):
            rows, at_once = list(same), self._rows(length)
            yield from (rows[begin : begin + at_once] for begin in range(0, len(rows), at_once))

    def _rows(self, length: int) -> int:
        return max(1, self.batch_tokens // (length * ROWS)) * ROWS

    def _rest(
        self, lefts: torch.Tensor, cache: Any, rows: Sequence[tuple[int, int, tuple[int, ...]]]
    ) -> list[float]:
        """Log probability of what follows: for each (row of `lefts`, token, what follows the token).

        cache: keys and values of `lefts`; empty for native TransformerLens models, which read these anew.
        """
        found = [0.0] * len(rows)
        for length in sorted({len(right) for _, _, right in rows} - {0}):
            chosen = [i for i, (_, _, right) in enumerate(rows) if len(right) == length]
            at_once = self._rows(length)
            for begin in range(0, len(chosen), at_once):
                part = filled([rows[i] for i in chosen[begin : begin + at_once]], at_once, self.device)
                texts = torch.tensor([(token, *right) for _, token, right in part], device=self.device)
                taken = torch.tensor([at for at, _, _ in part], device=self.device)
                before = texts[:, :-1] if cache.layers else torch.cat([lefts[taken], texts[:, :-1]], 1)
                scores = self._log_probabilities(before, _select(cache, taken), length)
                sums = scores.gather(2, texts[:, 1:, None].cpu()).sum((1, 2))
                for i, value in zip(chosen[begin : begin + at_once], sums.tolist(), strict=False):
                    found[i] = value
        return found

    def _log_probabilities(self, tokens: torch.Tensor, cache: Any, last: int) -> torch.Tensor:
        """[row, one of the `last` positions, token], after what the cache holds, which takes the tokens in."""
        logits = self.bridge(tokens, return_type="logits", past_key_values=cache, use_cache=True)
        return logits[:, -last:].float().log_softmax(-1).cpu()


class MaskedLMProposer:
    """What a masked language model puts in the place of a token, as single tokens of the subject.

    The model reads the text with its mask in the place. Each of its guesses is written with the leading space
    and the case of the original token; those that are then no single token of the subject are left out.

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
        from transformers import AutoModelForMaskedLM, AutoTokenizer

        if not Path(folder).is_dir():
            raise InputError(f"masked_lm: {folder} is not a folder: name one with a masked model.")
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            self.model = AutoModelForMaskedLM.from_pretrained(folder, local_files_only=True).to(device).eval()
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise InputError(
                f"masked_lm: {folder} is no masked language model ({first_line(error)})."
            ) from error
        if self.tokenizer.mask_token_id is None:
            raise InputError(f"masked_lm: the tokenizer in {folder} has no mask token.")
        self.texts, self.device, self.guesses, self.batch = texts, device, guesses, batch
        self.ids: dict[str, int] = {}
        for token in np.flatnonzero(allowed).tolist():
            self.ids.setdefault(texts[token], token)
        self.pieces = _pieces(self.tokenizer)

    def propose(self, tokens: tuple[int, ...], place: int, count: int) -> list[int]:
        """At most `count` token ids, the likeliest first."""
        return self.propose_many([(tokens, place)], count)[0]

    @torch.no_grad()
    def propose_many(self, queries: Sequence[Query], count: int) -> list[list[int]]:
        """The same for many places, in batches."""
        found: list[list[int]] = []
        for begin in range(0, len(queries), self.batch):
            part = queries[begin : begin + self.batch]
            given = self.tokenizer(
                [self._masked(*query) for query in part], padding=True, return_tensors="pt"
            )
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
                continue  # what goes on with a word fits in a word, a whole word elsewhere
            token = self.ids.get(_space(original) + _cased(piece, word))
            if token is not None and token != tokens[place]:
                found[token] = None
        return list(found)

    def _text(self, tokens: Sequence[int]) -> str:
        """Text of some tokens, characters that are spread over several of them put together."""
        whole = "".join(self.texts[token] for token in tokens)
        return _BYTES.sub(lambda m: bytes.fromhex(re.sub("[<>]|0x", "", m[0])).decode(errors="ignore"), whole)


def _select(cache: Any, rows: torch.Tensor) -> Any:
    """Keys and values of some rows of a cache, as a cache of their own."""
    from transformers import DynamicCache

    chosen = DynamicCache()
    for layer, part in enumerate(cache.layers):
        chosen.update(part.keys.index_select(0, rows), part.values.index_select(0, rows), layer)
    return chosen


def _best(scores: Float[torch.Tensor, "row token"], count: int) -> list[list[tuple[int, float]]]:
    """The `count` tokens with the largest finite scores of each row, with these; ties by id."""
    values, tokens = scores.topk(min(count, scores.shape[1]), dim=1)
    found = []
    for row, least in enumerate(values[:, -1].tolist()):
        # All that tie with the last, so that which of them counts is decided here.
        chosen = tokens[row] if least == -torch.inf else torch.nonzero(scores[row] >= least)[:, 0]
        pairs = zip(chosen.tolist(), scores[row, chosen].tolist(), strict=True)
        finite = [(token, score) for token, score in pairs if score > -torch.inf]
        found.append(sorted(finite, key=lambda pair: (-pair[1], pair[0]))[:count])
    return found


def _original(query: Query) -> int:
    tokens, place = query
    return tokens[place]


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
    """Text of each token of the masked model, and whether it goes on with the word before it; control tokens
    have no text. Word pieces mark what goes on (##), the others what begins anew (Ġ or ▁)."""
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
