"""How the tokens of a model's vocabulary are shown to readers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_BYTE = re.compile(r"<0x([0-9A-F]{2})>")


def vocabulary(tokenizer: Path, d_vocab: int) -> dict[str, list]:
    """The columns of the ``vocabulary`` table: every id of the tokenizer and the embedding matrix.

    The text of a token is what it stands for inside of a text, whatever way its tokenizer writes that.
    """
    from tokenizers import Tokenizer

    loaded = Tokenizer.from_file(str(tokenizer))
    content = json.loads(tokenizer.read_bytes())
    added = content.get("added_tokens", [])
    special = {token["id"] for token in added if token["special"]}
    # A byte-level tokenizer writes its own pieces in an alphabet for bytes, but added tokens as they are.
    steps = json.dumps([content.get("pre_tokenizer"), content.get("decoder")])
    byte_level = '"ByteLevel"' in steps
    as_written = {token["id"] for token in added} if byte_level else special
    read = _from_byte_level if byte_level else _by_decoder(loaded, '"ByteFallback"' in steps)
    ids = range(max(d_vocab, loaded.get_vocab_size(with_added_tokens=True)))
    texts = []
    for token in ids:
        piece = loaded.id_to_token(token)
        if piece is None:
            texts.append(f"<id {token}>")
        else:
            texts.append(piece if token in as_written else read(piece))
    return {"token": list(ids), "text": texts, "special": [token in special for token in ids]}


def _by_decoder(tokenizer: Tokenizer, byte_fallback: bool) -> Callable[[str], str]:
    """Text of a piece between two others, as the tokenizer itself decodes it; a byte beyond ASCII stays ``<0xE2>``."""
    decoder = tokenizer.decoder
    if decoder is None:
        return lambda piece: piece.replace("▁", " ")
    after = decoder.decode(["x", "x"])[1:]

    def read(piece: str) -> str:
        byte = _BYTE.fullmatch(piece) if byte_fallback else None
        if byte:
            return chr(int(byte[1], 16)) if byte[1] < "80" else piece
        whole = decoder.decode(["x", piece, "x"])
        between = whole.startswith("x") and whole.endswith(after)
        return whole[1 : len(whole) - len(after)] if between else piece

    return read


def _byte_alphabet() -> dict[str, int]:
    """The characters by which byte-level tokenizers write bytes (published with GPT-2)."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + n): byte for n, byte in enumerate(others)}


_ALPHABET = _byte_alphabet()


def _from_byte_level(piece: str) -> str:
    """Text of a byte-level token; bytes that do not form a character appear as ``<0xE2>``."""
    if not all(character in _ALPHABET for character in piece):
        return piece
    content = bytes(_ALPHABET[character] for character in piece)
    text = content.decode("utf-8", errors="surrogateescape")
    return "".join(f"<0x{ord(c) - 0xDC00:02X}>" if 0xDC80 <= ord(c) <= 0xDCFF else c for c in text)
