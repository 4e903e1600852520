"""Proposers: the order against a plain reference, never the token itself, never a control token."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from tiny import VOCABULARY, save_llama, save_tokenizer

from n2g.errors import InputError
from n2g.files.tables import CONTRACTS
from n2g.method.causal_proposer import CausalProposer
from n2g.method.embedding_proposer import EmbeddingProposer
from n2g.method.masked_lm_proposer import MaskedLMProposer
from n2g.method.proposals import allowed_tokens
from n2g.method.proposers import make_proposer

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge

ALLOWED = np.arange(VOCABULARY) >= 2
QUERIES = [
    ((7, 30, 9, 12), 1),
    ((7, 30, 9, 12), 3),
    ((5,), 0),
    ((7, 30), 0),
    ((7, 31, 9, 12), 1),
    ((7, 30, 9), 2),
]


def test_allowed_tokens() -> None:
    texts, special = ["<s>", " a", "<id 2>", "<id 2>", "b"], [True, False, False, False, False]
    assert allowed_tokens(texts, special, 4).tolist() == [False, True, False, True]
    assert allowed_tokens(texts, special, 6).tolist() == [False, True, False, True, True, False]


def test_nearest_in_the_embedding() -> None:
    # Token 0 is a control token, 5 points where 3 does, 6 nowhere.
    embedding = torch.tensor(
        [[1.0, 0.0], [2.0, 0.0], [3.0, 1.0], [1.0, 1.0], [-1.0, 0.0], [2.0, 2.0], [0.0, 0.0]]
    )
    proposer = EmbeddingProposer(embedding, np.arange(7) > 0)
    assert proposer.propose((4, 1), 1, 3) == [2, 3, 5], "the angle counts, not the length; ties by id"
    assert proposer.propose((4, 1), 1, 10) == [2, 3, 5, 6, 4]
    assert proposer.propose((4, 1), 1, 2) == [2, 3]
    assert proposer.propose_many([((4, 1), 0), ((1,), 0)], 2) == [[6, 3], [2, 3]]
    assert proposer.propose((0,), 0, 1) == [1], "a control token may be replaced"
    assert proposer.propose_many([], 3) == []


def test_nearest_tokens_do_not_depend_on_what_else_is_asked() -> None:
    embedding = torch.randn(500, 24, generator=torch.Generator().manual_seed(0))
    queries = [((token,), 0) for token in range(100)]
    many = EmbeddingProposer(embedding, np.ones(500, dtype=bool)).propose_many(queries, 20)
    unit = torch.nn.functional.normalize(embedding.double(), dim=1)
    for (tokens, _), found in zip(queries, many, strict=True):
        assert EmbeddingProposer(embedding, np.ones(500, dtype=bool)).propose(tokens, 0, 20) == found
        order = (unit @ unit[tokens[0]]).argsort(descending=True).tolist()
        assert found == [token for token in order if token != tokens[0]][:20]


@pytest.fixture(scope="module", params=["native", "transformers"])
def bridge(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TransformerBridge:
    from transformer_lens.model_bridge import TransformerBridge

    if request.param == "transformers":
        folder = save_llama(tmp_path_factory.mktemp("llama"))
        model = TransformerBridge.boot_transformers(str(folder), device="cpu", dtype=torch.float32)
    else:
        sizes = {"d_model": 16, "d_mlp": 24, "d_head": 8, "n_heads": 2, "n_layers": 2, "n_ctx": 64}
        kind = {"d_vocab": VOCABULARY, "act_fn": "gelu", "normalization_type": "LN", "seed": 0}
        model = TransformerBridge.boot_native(sizes | kind)
    torch.manual_seed(1)
    for weight in model.parameters():  # else all tokens are about as likely
        weight.data.mul_(3)
    return model.eval()


def ranked(bridge: Any, tokens: tuple[int, ...], place: int, pool: int, ahead: int) -> list[int]:
    """What the definition asks for, every text read as a whole."""

    def log_p(texts: list[list[int]], begin: int) -> list[float]:
        with torch.no_grad():
            scores = bridge(torch.tensor(texts), return_type="logits").double().log_softmax(-1)
        ends = range(begin, len(texts[0]))
        return [sum(float(scores[row, at - 1, text[at]]) for at in ends) for row, text in enumerate(texts)]

    left, right = [0, *tokens[:place]], list(tokens[place + 1 : place + 1 + ahead])
    every = range(2, VOCABULARY)
    first = dict(zip(every, log_p([[*left, token] for token in every], len(left)), strict=True))
    best = sorted(first, key=lambda token: -first[token])[: pool + 1]
    whole = dict(zip(best, log_p([[*left, token, *right] for token in best], len(left)), strict=True))
    return sorted(set(best) - {tokens[place]}, key=lambda token: -whole[token])


@pytest.mark.parametrize("ahead", [0, 1, 2])
def test_what_the_model_finds_likely(bridge: Any, ahead: int) -> None:
    proposer = CausalProposer(bridge, ALLOWED, bos=0, pool=20, ahead=ahead, batch_tokens=64)
    many = proposer.propose_many(QUERIES, 6)
    for (tokens, place), found in zip(QUERIES, many, strict=True):
        assert found == ranked(bridge, tokens, place, 20, ahead)[:6]
        assert found == proposer.propose(tokens, place, 6)
    assert proposer.propose_many([], 3) == []


def test_more_than_the_pool_and_more_than_there_is(bridge: Any) -> None:
    proposer = CausalProposer(bridge, ALLOWED, bos=0, pool=2)
    found = proposer.propose((7, 30, 9), 1, VOCABULARY * 2)
    assert sorted(found) == [token for token in range(2, VOCABULARY) if token != 30]


# The subject's vocabulary, and a masked model of word pieces whose guesses we decide.
SUBJECT = [
    "<s>",
    " the",
    " cat",
    " dog",
    " Cat",
    " DOG",
    "dog",
    "s",
    "ing",
    ",",
    ".",
    " new",
    "\n",
    "<0xC3>",
    "<0xA9>",
]
PIECES = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "the",
    "cat",
    "dog",
    "bird",
    "##s",
    "##ing",
    ",",
    ".",
    "new",
]


def save_masked(folder: Path, favourites: dict[str, float], pieces: list[str] = PIECES) -> Path:
    """A BERT of random weights that guesses the favourites wherever the mask is, the largest first."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordPiece({name: i for i, name in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(pieces),
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
        max_position_embeddings=32,
    )
    model = BertForMaskedLM(config)
    for name, value in favourites.items():
        model.cls.predictions.decoder.bias.data[pieces.index(name)] = value
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def masked(tmp_path_factory: pytest.TempPathFactory) -> MaskedLMProposer:
    favourites = {
        "[CLS]": 900,
        "the": 800,
        "bird": 700,
        "cat": 600,
        "dog": 500,
        "##s": 400,
        ",": 300,
        "##ing": 200,
    }
    folder = save_masked(tmp_path_factory.mktemp("bert"), favourites | {".": 100, "new": 50})
    return MaskedLMProposer(folder, SUBJECT, np.arange(len(SUBJECT)) > 0)


@pytest.mark.parametrize(
    ("tokens", "place", "found"),
    [
        ((1, 2), 1, [" the", " dog", " new"]),  # no bird in the vocabulary, and not the cat itself
        ((1, 3), 1, [" the", " cat", " new"]),
        ((2, 1), 0, [" the", " dog", " new"]),
        ((1, 4), 1, []),  # in title case there is only the original,
        ((1, 5), 1, []),  # and in capitals
        ((12, 6, 2), 1, []),  # without a space there is only the original
        ((11, 6, 2), 1, ["s", "ing"]),  # in the middle of a word
        ((2, 7), 1, ["ing"]),  # what goes on with a word
        ((1, 2, 9), 2, ["."]),  # punctuation
        ((1, 2, 13, 14), 3, []),  # a byte
    ],
)
def test_guesses_become_tokens(masked: MaskedLMProposer, tokens: tuple, place: int, found: list[str]) -> None:
    assert [SUBJECT[token] for token in masked.propose(tokens, place, 10)] == found


def test_guesses_in_batches(masked: MaskedLMProposer) -> None:
    queries = [((1, 2), 1), ((2, 7), 1), ((1, 2, 9), 2), ((1, 12, 11, 3), 3)]
    whole = masked.propose_many(queries, 2)
    assert whole == [masked.propose(*query, 2) for query in queries]
    assert [len(found) for found in whole] == [2, 1, 1, 2]
    masked.batch = 3
    assert masked.propose_many(queries, 2) == whole
    assert masked.propose_many([], 2) == []


def test_what_the_masked_model_reads(masked: MaskedLMProposer) -> None:
    assert masked._masked((1, 2, 9), 1) == " the [MASK],"
    assert masked._masked((2, 7), 1) == " cat[MASK]"
    assert masked._masked((1, 13, 14, 3), 3) == " theé [MASK]"


@pytest.mark.parametrize(
    ("tokens", "place"), [((2,) * 700, 3), ((2,) * 700, 696), ((3,) * 350 + (2,) * 350, 500)]
)
def test_a_masked_model_reads_what_it_has_room_for(
    masked: MaskedLMProposer, tokens: tuple[int, ...], place: int
) -> None:
    """Of a text that is too long, what is nearest to the place; the others of its batch are read in full."""
    short = ((1, 2, 9), 1)
    nearest = masked.propose(tokens[place - 3 : place + 4], 3, 10)
    assert nearest and masked.propose_many([(tokens, place), short], 10) == [
        nearest,
        masked.propose(*short, 10),
    ]


def test_a_masked_model_with_byte_level_tokens(tmp_path: Path) -> None:
    from transformers import PreTrainedTokenizerFast, RobertaConfig, RobertaForMaskedLM

    file = save_tokenizer(tmp_path / "tokenizer")
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(file), pad_token="</s>", mask_token="<mask>")
    tokenizer.save_pretrained(tmp_path / "roberta")
    torch.manual_seed(0)
    config = RobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
        max_position_embeddings=32,
        pad_token_id=1,
    )
    model = RobertaForMaskedLM(config)
    for name, value in {"ing": 300, "Ġto": 250, "Ġthe": 200, "s": 150}.items():
        model.lm_head.bias.data[tokenizer.convert_tokens_to_ids(name)] = value
    model.save_pretrained(tmp_path / "roberta")
    proposer = MaskedLMProposer(tmp_path / "roberta", SUBJECT, np.arange(len(SUBJECT)) > 0)
    assert [SUBJECT[token] for token in proposer.propose((1, 2), 1, 9)] == [" the"]
    assert [SUBJECT[token] for token in proposer.propose((2, 7), 1, 9)] == ["ing"]


def test_each_proposer_by_its_name(tmp_path: Path) -> None:
    class Bridge(torch.nn.Linear):
        W_E = torch.eye(len(SUBJECT))

    columns = {
        "token": range(len(SUBJECT)),
        "text": SUBJECT,
        "special": [i == 0 for i in range(len(SUBJECT))],
    }
    table = pa.table({name: list(values) for name, values in columns.items()}, CONTRACTS["vocabulary"].schema)
    bridge = Bridge(1, 1)
    assert isinstance(make_proposer("embedding", bridge, table, 0), EmbeddingProposer)
    assert isinstance(make_proposer("causal", bridge, table, 0), CausalProposer)
    folder = save_masked(tmp_path / "bert", {})
    assert isinstance(make_proposer("masked-lm", bridge, table, 0, folder), MaskedLMProposer)
    (tmp_path / "empty").mkdir()
    for name, path, message in (
        ("magic", None, "proposer: 'magic' is not a proposer"),
        ("masked-lm", None, "masked_lm: is not set"),
        ("masked-lm", tmp_path / "nothing", "masked_lm: .* is not a folder"),
        ("masked-lm", tmp_path / "empty", "masked_lm: .* is not a masked language model"),
    ):
        with pytest.raises(InputError, match=message):
            make_proposer(name, bridge, table, 0, path)
