"""What the model expects after a token, as it is and with a single neuron changed at that token alone.

The model is causal: a change at the last token of a text leaves everything before it as it was. So the keys and values
of a text are computed once, and each change costs one token that continues from them. Its logits are those that a run
of the whole text with the same change has, up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Float

from n2g.model.engine import ROWS, Engine, filled
from n2g.model.forward_pass import padded_to, select

# A text is run in pieces of so many tokens, and what continues it has a multiple of so many keys, its own the last.
# Neither depends on what else is asked; and with an odd number of keys, rounding would depend on the row.
PIECE, KEYS = 16, 64
HELD_BYTES = {"cpu": 1 << 29, "cuda": 1 << 32}  # of keys and values, which are held twice
ALIKE = 1e-2  # share of the largest logit by which two ways to compute it may differ


class Change(NamedTuple):
    """An activation to set. key: says whose change it is."""

    key: int
    neuron: int
    value: float


class Changed(NamedTuple):
    """Logits after a token of a text as the model is, and with each of some changes there, one at a time."""

    text: int
    place: int
    changes: Sequence[Change]
    before: Float[torch.Tensor, " token"]
    after: Float[torch.Tensor, "change token"]


class _Row(NamedTuple):
    """A token to run with a change, or as it is: of which of the texts at hand, and which of all."""

    row: int
    text: int
    place: int
    change: Change | None


@dataclass
class NextToken:
    """Runs a model after tokens of texts, with changes in a layer.

    texts: token ids.
    """

    engine: Engine
    layer: int
    texts: Sequence[Sequence[int]]

    @torch.no_grad()
    def changed(self, wanted: Mapping[int, Mapping[int, Sequence[Change]]]) -> Iterator[Changed]:
        """The logits after each place, from 1 on, of each text, with its changes.

        A place comes more than once if it has very many changes. The order of the texts is that of their lengths.
        """
        ends = {text: max(places) for text, places in wanted.items() if places}
        resumes = bool(ends) and self._resumes(max(map(len, self.texts)) - 1)
        groups: dict[int, list[int]] = {}
        for text, end in sorted(ends.items()):
            groups.setdefault(_up(end, PIECE), []).append(text)
        for length, group in sorted(groups.items()):
            most = _up(length + 1, KEYS)
            size = self._rows(most)
            for begin in range(0, len(group), size):
                some = group[begin : begin + size]
                known = self._known(some, length, size) if resumes else None
                for keys in range(KEYS, most + 1, KEYS):
                    seen = padded_to(known, keys - 1) if known else None
                    for part in _parts(self._ending(some, wanted, keys), size):
                        logits = self._continued(part, seen, keys, size) if seen else self._whole(part)
                        yield from _by_place(part, logits)

    def _ending(
        self, some: Sequence[int], wanted: Mapping[int, Mapping[int, Sequence[Change]]], keys: int
    ) -> list[tuple[int, dict[int, Sequence[Change]]]]:
        """Of each text, the places that need so many keys."""
        return [
            (
                text,
                {place: changes for place, changes in wanted[text].items() if _up(place + 1, KEYS) == keys},
            )
            for text in some
        ]

    def _rows(self, length: int) -> int:
        """Number of texts of this length whose keys and values may be held."""
        model = self.engine.bridge.cfg
        most = HELD_BYTES[torch.device(self.engine.device).type] // (8 * model.n_layers * model.d_model)
        return max(1, most // (length * ROWS)) * ROWS

    def _known(self, some: Sequence[int], length: int, size: int) -> list:
        """Keys and values of the first `length` tokens of some texts."""
        texts = [tuple(self.texts[text][:length]) for text in some]
        rows = [text + text[-1:] * (length - len(text)) for text in texts]
        return self.engine.keys(filled(rows, size, self.engine.device), PIECE)

    def _continued(
        self, part: list[_Row], known: list, keys: int, size: int
    ) -> Float[torch.Tensor, "row token"]:
        """Logits after each row's token, continued from what comes before it; all later keys are masked."""
        return self._resumed(filled(part, size, self.engine.device), known, keys)[: len(part)]

    def _resumed(self, rows: list[_Row], known: list, keys: int) -> Float[torch.Tensor, "row token"]:
        device = self.engine.device
        places = torch.tensor([row.place for row in rows], device=device)
        seen = torch.arange(keys, device=device) < places[:, None]
        seen[:, -1] = True
        tokens = torch.tensor([[self.texts[row.text][row.place]] for row in rows], device=device)
        cache = select(known, [row.row for row in rows])
        return self.engine.next_logits(tokens, self.layer, _setter(rows), cache, seen.long())

    def _whole(self, part: list[_Row]) -> Float[torch.Tensor, "row token"]:
        """The same without keys and values: each text up to its place."""
        found: dict[int, torch.Tensor] = {}
        for place in sorted({row.place for row in part}):
            at = [i for i, row in enumerate(part) if row.place == place]
            rows = filled([part[i] for i in at], ROWS, "cpu")
            found |= dict(zip(at, self._plain(rows)[: len(at)], strict=True))
        return torch.stack([found[i] for i in range(len(part))])

    def _plain(self, rows: list[_Row]) -> Float[torch.Tensor, "row token"]:
        """The same of rows at one place, with a token more where their number would be odd."""
        count = rows[0].place + 1
        more = count % 2 if count < self.engine.bridge.cfg.n_ctx else 0
        texts = [tuple(self.texts[row.text][:count]) for row in rows]
        tokens = torch.tensor([text + text[-1:] * more for text in texts], device=self.engine.device)
        return self.engine.next_logits(tokens, self.layer, _setter(rows, -1 - more), place=-1 - more)

    def _resumes(self, length: int) -> bool:
        """Whether the model has the same logits where it continues after a gap of masked keys.

        Not without keys and values, which native models do not keep, nor where it minds how far apart keys stand.
        """
        model, keys = self.engine.bridge.cfg, _up(length + 1, KEYS)
        if not self.engine.caches or _up(length, PIECE) > model.n_ctx:
            return False
        text = [token % model.d_vocab for token in range(_up(length, PIECE))]
        known = padded_to(self.engine.keys([tuple(text)], PIECE), keys - 1)
        probe = NextToken(self.engine, self.layer, [[*text, 0]])
        for place in sorted({1, length // 2 or 1, length}):
            row = [_Row(0, 0, place, None)]
            (whole,), (continued,) = (probe._plain(row), probe._resumed(row, known, keys))
            if not (whole - continued).abs().max() <= ALIKE * whole.abs().max():
                return False
        return True


def _up(count: int, step: int) -> int:
    """The next multiple."""
    return -(-count // step) * step


def _parts(given: Sequence[tuple[int, Mapping[int, Sequence[Change]]]], size: int) -> Iterator[list[_Row]]:
    """At most `size` rows at a time: before the changes at a place always the place as it is."""
    part: list[_Row] = []
    for row, (text, places) in enumerate(given):
        for place, changes in sorted(places.items()):
            for begin in range(0, len(changes), size - 1):
                some = changes[begin : begin + size - 1]
                if len(part) + 1 + len(some) > size:
                    yield part
                    part = []
                part += [_Row(row, text, place, change) for change in (None, *some)]
    if part:
        yield part


def _by_place(part: list[_Row], logits: Float[torch.Tensor, "row token"]) -> Iterator[Changed]:
    begins = [i for i, row in enumerate(part) if row.change is None]
    for begin, end in pairwise([*begins, len(part)]):
        changes = [row.change for row in part[begin:end] if row.change]
        yield Changed(part[begin].text, part[begin].place, changes, logits[begin], logits[begin + 1 : end])


def _setter(rows: list[_Row], place: int = -1) -> Callable[[torch.Tensor], torch.Tensor]:
    """Makes each row's change at a position."""
    at = [i for i, row in enumerate(rows) if row.change]
    changes = [row.change for row in rows if row.change]

    def change(value: torch.Tensor) -> torch.Tensor:
        value = value.clone()
        new = torch.tensor([one.value for one in changes], dtype=value.dtype, device=value.device)
        value[at, place, [one.neuron for one in changes]] = new
        return value

    return change
