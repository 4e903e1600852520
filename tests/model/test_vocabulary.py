"""The text of a token is what it stands for, in whatever way its tokenizer writes it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models

from n2g.graphs.token_display import visible
from n2g.model.vocabulary import vocabulary


def numbered(*pieces: str) -> dict[str, int]:
    return {piece: number for number, piece in enumerate(pieces)}


def llama() -> Tokenizer:
    pieces = numbered("<unk>", "<0x0A>", "<0x09>", "<0x41>", "<0xE6>", "▁the", "ing", "▁")
    made = Tokenizer(models.BPE(pieces, [], unk_token="<unk>", byte_fallback=True))
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    made.decoder = decoders.Sequence(steps)
    made.add_tokens(["▁▁▁"])
    made.add_special_tokens(["<s>▁"])
    return made


def gpt() -> Tokenizer:
    made = Tokenizer(models.BPE(numbered("the</w>", "ing"), [], end_of_word_suffix="</w>"))
    made.decoder = decoders.BPEDecoder("</w>")
    return made


def bert() -> Tokenizer:
    made = Tokenizer(models.WordPiece(numbered("[UNK]", "the", "##ing", "##"), unk_token="[UNK]"))
    made.decoder = decoders.WordPiece()
    return made


def unigram() -> Tokenizer:
    made = Tokenizer(models.Unigram([("<unk>", 0.0), ("_the", -1.0), ("ing", -2.0), ("▁", -3.0)], 0))
    made.decoder = decoders.Metaspace("_")
    return made


def words() -> Tokenizer:
    return Tokenizer(models.WordLevel(numbered("<unk>", "the", "<0x0A>"), unk_token="<unk>"))


EXPECTED = {
    llama: ["<unk>", "\n", "\t", "A", "<0xE6>", " the", "ing", " ", "   ", "<s>▁"],
    gpt: ["the ", "ing"],
    bert: [" [UNK]", " the", "ing", ""],
    unigram: ["<unk>", " the", "ing", "▁"],
    words: ["<unk>", "the", "<0x0A>"],
}


@pytest.mark.parametrize("make", EXPECTED)
def test_a_token_is_shown_as_what_it_stands_for(make, tmp_path: Path) -> None:
    made = make()
    made.save(str(tmp_path / "tokenizer.json"))
    found = vocabulary(tmp_path / "tokenizer.json", 0)
    assert found["text"] == EXPECTED[make]
    assert all(map(visible, found["text"]))


def test_bytes_that_are_characters_are_shown_as_those_everywhere(tmp_path: Path) -> None:
    llama().save(str(tmp_path / "tokenizer.json"))
    shown = list(map(visible, vocabulary(tmp_path / "tokenizer.json", 0)["text"]))
    assert shown[1:6] == ["⏎", "⇥", "A", "<0xE6>", "␣the"]
