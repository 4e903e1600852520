"""What a site is built from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from n2g.ids import LETTERS
from n2g.site.wording import UNITS


@dataclass(frozen=True)
class Vocabulary:
    """How typed text becomes token ids.

    Attributes:
        tokenizer: the model's tokenizer.json.
        bos: the token id before every text, or None.
        words: display text of every token id.
    """

    tokenizer: Path
    bos: int | None
    words: Sequence[str]


@dataclass(frozen=True)
class SiteInputs:
    """What the site is about.

    Attributes:
        config: the run's configuration (model, corpus, run).
        summary: macro-averaged metrics, the content of `summary.json`.
        expected: ids of all selected neurons; each must have a record.
        vocabulary: the tokenizer for the browser, or None where the model has none.
        tables: which tables of the blocks are offered for download.
        run_tables: tables of the whole run, for download; from `similar.parquet` come the related neurons too, from
            `diff.parquet` the page of changes.
        counts: the content of `corpus.json`, or None where it is not known.
        size: layers of the model and MLP neurons of each, or None where it is not known.
        rewritten: folders of the layers that were rewritten by their graphs.
        encoders: where latents are described, layer -> what its encoder is, in a few words.
    """

    config: Mapping[str, Any]
    summary: Mapping[str, Any]
    expected: tuple[str, ...]
    vocabulary: Vocabulary | None = None
    tables: tuple[str, ...] = ()
    run_tables: tuple[Path, ...] = ()
    counts: Mapping[str, Any] | None = None
    size: tuple[int, int] | None = None
    rewritten: tuple[Path, ...] = ()
    encoders: Mapping[int, str] = field(default_factory=dict)

    @property
    def letter(self) -> str:
        """The letter in the ids: of neurons or of latents."""
        return LETTERS["neurons" if self.config.get("units", "neurons") == "neurons" else "latents"]

    @property
    def unit(self) -> str:
        """What pages call what they are about: neuron or latent."""
        return UNITS[self.letter]

    @property
    def measured(self) -> bool:
        """Whether it was measured what neurons do."""
        return "effects" in self.tables
