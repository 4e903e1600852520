"""The model's tokenizer for the browser: pages turn typed text into the same token ids as the corpus stage.

The vendored `@huggingface/tokenizers` reads the reduced `tokenizer.json`; a test holds it equal to Python's.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from n2g.site.search_indexes import write_json

PIECE = 400_000
WORDS = 2048


def reduced(tokenizer: dict[str, Any]) -> dict[str, Any]:
    """The parts that encode plain text: special tokens in a text are text, and nothing is put around it."""
    added = [token for token in tokenizer.get("added_tokens", []) if not token["special"]]
    return tokenizer | {"added_tokens": added, "post_processor": None, "truncation": None, "padding": None}


def write(folder: Path, tokenizer: Path, bos: int | None, words: Sequence[str]) -> None:
    """Write `tokenizer.json`, which describes the pieces `tokenizer/{n}.bin` and `vocabulary/{n}.json`.

    Args:
        folder: the site's data folder.
        tokenizer: the model's tokenizer.json.
        bos: the token id before every text.
        words: display text of every token id.
    """
    content = json.dumps(
        reduced(json.loads(tokenizer.read_text(encoding="utf-8"))), ensure_ascii=False, separators=(",", ":")
    )
    packed = gzip.compress(content.encode("utf-8"), compresslevel=9, mtime=0)
    pieces = [packed[first : first + PIECE] for first in range(0, len(packed), PIECE)]
    (folder / "tokenizer").mkdir()
    for number, piece in enumerate(pieces):
        (folder / "tokenizer" / f"{number}.bin").write_bytes(piece)
    for number, first in enumerate(range(0, len(words), WORDS)):
        write_json(folder / "vocabulary" / f"{number}.json", list(words[first : first + WORDS]))
    write_json(folder / "tokenizer.json", {"pieces": len(pieces), "bos": bos, "words": WORDS})
