"""An encoder: the latents of one layer as a function of what a hook of the model gives.

Which of its parts an encoder has depends on its activation function:

- ``relu``: max(pre, 0);
- ``jumprelu``: the same where pre is above the latent's threshold, else 0 (also BatchTopK, as it is saved);
- ``gated``: max(magnitude, 0) where the gate is above 0;
- ``linear``: pre itself, of directions that are no autoencoder's;
- ``topk``: max(pre, 0) of the k largest of a token; ``groupmax``: of the largest in each of k groups.

Sources: SAELens, sparsify, Gemma Scope, circuit-tracer; benchmarks/foreign_encoders.py compares with their own code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int

ACTIVATIONS = ("relu", "jumprelu", "gated", "topk", "groupmax", "linear")
NORMS = ("none", "constant_norm", "layer_norm")

# Why `can_be_changed` may be false.
FIXED = "they write into several layers or into hook_resid_mid, or their files do not say where"

# Latents are encoded in tiles of so many, which begin at its multiples: the sum of a latent must not depend on which
# others are asked for with it.
TILE = 256
# Numbers of one chunk of rows, where all latents of a row are needed at once.
CHUNK = 1 << 24


@dataclass(frozen=True)
class Encoder:
    """The encoder of one layer, in float32, and its decoder's rows.

    Attributes:
        hook: where it reads, as `blocks.3.hook_resid_post`.
        writes: the hook whose value the decoder reconstructs; of an autoencoder, `hook` itself. None of a transcoder
            whose files do not say.
        activation: one of `ACTIVATIONS`.
        weight: a row for each latent.
        bias: of the latents; with `gated`, of the magnitudes.
        decoder: a row for each latent; None where only the encoder is wanted.
        before: what is subtracted from the input (`b_dec`), or None.
        threshold: with `jumprelu`.
        gate: with `gated`, the bias of the gates.
        gain: factor of each latent, before its bias (`gated`: exp(r_mag)) or after it (`topk`: the norm of its row of
            the decoder).
        k: with `topk` and `groupmax`.
        norm: what is done to the input first: one of `NORMS`.
        across: whether the latents write into several layers, `decoder` being the sums of their rows.
        centred: whether the input's mean is subtracted before all else, as in models whose writing weights are centred.
        model: the name that the source gives to its model, or None.
        names: of the latents, where the source gives them names.
    """

    hook: str
    writes: str | None
    activation: str
    weight: Float[torch.Tensor, "latent d_in"]
    bias: Float[torch.Tensor, " latent"]
    decoder: Float[torch.Tensor, "latent d_out"] | None = None
    before: Float[torch.Tensor, " d_in"] | None = None
    threshold: Float[torch.Tensor, " latent"] | None = None
    gate: Float[torch.Tensor, " latent"] | None = None
    gain: Float[torch.Tensor, " latent"] | None = None
    k: int | None = None
    norm: str = "none"
    centred: bool = False
    across: bool = False
    model: str | None = None
    names: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """Numbers that it reads of a token."""
        return self.weight.shape[1]

    @property
    def latents(self) -> int:
        """How many there are."""
        return self.weight.shape[0]

    @property
    def competes(self) -> bool:
        """Whether a latent's activation depends on the other latents of the token."""
        return self.activation in ("topk", "groupmax")

    @property
    def can_be_changed(self) -> bool:
        """Whether a latent can be set to a value: what it writes goes into one place that the model reads from.

        The model's own code never sees `hook_resid_mid`: a change of it would miss the residual stream.
        """
        return (
            self.decoder is not None
            and self.writes is not None
            and not self.across
            and not self.writes.endswith(".hook_resid_mid")
        )

    def to(self, device: str | torch.device) -> Encoder:
        """The same on a device."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(
            self, **{name: part.to(device) for name, part in parts.items() if torch.is_tensor(part)}
        )

    @torch.no_grad()
    def encode(self, x: Float[torch.Tensor, "*token d_in"]) -> Float[torch.Tensor, "*token latent"]:
        """Activations (float32) of all latents."""
        rows = self._prepared(x).reshape(-1, self.width)
        if self.competes:
            return self._winners(rows, None).reshape(*x.shape[:-1], self.latents)
        every = [self._tile(rows, begin) for begin in range(0, self.latents, TILE)]
        return torch.cat(every, -1).reshape(*x.shape[:-1], self.latents)

    @torch.no_grad()
    def encode_columns(
        self, x: Float[torch.Tensor, "*token d_in"], columns: Sequence[int] | Int[torch.Tensor, " column"]
    ) -> Float[torch.Tensor, "*token column"]:
        """Activations (float32) of some latents, in the order of `columns`.

        They are those of `encode` to the last bit; only what is needed is computed, which with `topk` is everything.
        """
        wanted = torch.as_tensor(columns, dtype=torch.long, device=self.weight.device)
        rows = self._prepared(x).reshape(-1, self.width)
        if self.competes:
            return self._winners(rows, wanted).reshape(*x.shape[:-1], len(wanted))
        # Only the last tile may be narrower, and it comes last.
        tiles, place = torch.unique(wanted // TILE, return_inverse=True)
        every = [rows.new_zeros(len(rows), 0), *(self._tile(rows, int(tile) * TILE) for tile in tiles)]
        found = torch.cat(every, -1).index_select(-1, place * TILE + wanted % TILE)
        return found.reshape(*x.shape[:-1], len(wanted))

    def shift(
        self, change: Float[torch.Tensor, "*token latent"], x: Float[torch.Tensor, "*token d_in"]
    ) -> Float[torch.Tensor, "*token d_out"]:
        """What a change of activations adds to the value at `writes`. x: what `hook` gives there.

        The rest of that value, which the latents leave unexplained, stays. A direction moves along itself, so that its
        dot product changes by as much.
        """
        assert self.decoder is not None
        if self.activation == "linear":
            change = change / self.weight.square().sum(-1)
        if self.activation == "topk" and self.gain is not None:
            change = change / self.gain
        moved = change @ self.decoder
        if self.norm == "constant_norm":
            moved = moved * (self._centre(x).norm(dim=-1, keepdim=True) / self.width**0.5)
        elif self.norm == "layer_norm":
            moved = moved * self._centre(x).std(-1, keepdim=True)
        return moved

    def _centre(self, x: torch.Tensor) -> torch.Tensor:
        x = x.float()
        return x - x.mean(-1, keepdim=True) if self.centred else x

    def _prepared(self, x: torch.Tensor) -> torch.Tensor:
        x = self._centre(x)
        if self.norm == "constant_norm":
            x = x * (self.width**0.5 / x.norm(dim=-1, keepdim=True))
        elif self.norm == "layer_norm":
            x = x - x.mean(-1, keepdim=True)
            x = x / (x.std(-1, keepdim=True) + 1e-5)
        return x if self.before is None else x - self.before

    def _winners(self, rows: torch.Tensor, wanted: torch.Tensor | None) -> torch.Tensor:
        """All latents of rows that are prepared, or those that are wanted, where only the largest of a token count."""
        found = []
        for part in rows.split(max(8, CHUNK // self.latents // 8 * 8)):
            values = torch.cat([self._tile(part, begin) for begin in range(0, self.latents, TILE)], -1)
            if self.activation == "groupmax":
                values = values.unflatten(-1, (self.k or 1, -1))
            best = values.topk(1 if self.activation == "groupmax" else self.k or 1, dim=-1, sorted=False)
            kept = torch.zeros_like(values).scatter_(-1, best.indices, best.values)
            kept = kept.reshape(len(part), self.latents)
            found.append(kept if wanted is None else kept.index_select(-1, wanted))
        return torch.cat(found or [rows.new_zeros(0, self.latents if wanted is None else len(wanted))])

    def _tile(self, rows: torch.Tensor, begin: int) -> torch.Tensor:
        """Activations of the latents of one tile; where they compete, of losers too."""
        here = slice(begin, begin + TILE)
        if self.activation == "gated":
            assert self.gain is not None and self.gate is not None
            sums = F.linear(rows, self.weight[here])
            return (sums * self.gain[here] + self.bias[here]).relu() * (sums + self.gate[here] > 0)
        values = F.linear(rows, self.weight[here], self.bias[here])
        if self.activation == "jumprelu":
            assert self.threshold is not None
            return values.relu() * (values > self.threshold[here])
        if self.gain is not None:
            values = values * self.gain[here]
        return values if self.activation == "linear" else values.relu()
