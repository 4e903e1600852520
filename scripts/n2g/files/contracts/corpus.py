"""Tables of the corpus stage."""

from __future__ import annotations

import pyarrow as pa

from n2g.files.contracts.table_contract import contract

TABLES = [
    contract(
        "documents",
        "A sequence of tokens: a text, or a piece of a text longer than the maximum length.",
        document=(pa.int32(), "index of the sequence: its row in this table"),
        text=(pa.int32(), "index of the text in the source"),
        piece=(pa.int32(), "index of the piece within the text"),
        title=(pa.string(), "the text's title, for attribution"),
        split=(pa.string(), "train, validation or test; the same for all pieces of a text"),
        offset=(pa.int64(), "where the sequence starts in tokens.npy"),
        length=(pa.int32(), "number of tokens, including BOS"),
        sha256=(pa.string(), "SHA-256 of the whole text in UTF-8, as hexadecimal"),
    ),
    contract(
        "vocabulary",
        "A token of the model's vocabulary.",
        token=(pa.int32(), "token id: its row in this table"),
        text=(
            pa.string(),
            "what the token stands for in a text; bytes that are not a character on their own appear as <0xE2>",
        ),
        special=(pa.bool_(), "whether it is a control token, which never occurs in text"),
    ),
    contract(
        "pairs",
        "Two adjacent tokens in training, validation or further texts; the most common pair first.",
        before=(pa.int32(), "token id"),
        token=(pa.int32(), "id of the token right after it"),
        count=(pa.int64(), "number of occurrences"),
    ),
]
