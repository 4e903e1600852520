"""How the tokens of a model's vocabulary are shown to readers."""

from __future__ import annotations

import json
from pathlib import Path


def vocabulary(tokenizer: Path, d_vocab: int) -> dict[str, list]:
    """The columns of the ``vocabulary`` table: every id of the tokenizer and the embedding matrix."""
    from tokenizers import Tokenizer

    loaded = Tokenizer.from_file(str(tokenizer))
    content = json.loads(tokenizer.read_bytes())
    special = {token["id"] for token in content.get("added_tokens", []) if token["special"]}
    added = {token["id"] for token in content.get("added_tokens", [])}
    byte_level = '"ByteLevel"' in json.dumps([content.get("pre_tokenizer"), content.get("decoder")])
    ids = range(max(d_vocab, loaded.get_vocab_size(with_added_tokens=True)))
    texts = []
    for token in ids:
        piece = loaded.id_to_token(token)
        if piece is None:
            texts.append(f"<id {token}>")
        elif token in added:
            texts.append(piece)
        else:
            texts.append(_from_byte_level(piece) if byte_level else piece.replace("▁", " "))
    return {"token": list(ids), "text": texts, "special": [token in special for token in ids]}


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
