"""Tables of the corpus stage."""

from __future__ import annotations

import pyarrow as pa

from n2g.files.contracts.table_contract import contract

TABLES = [
    contract(
        "documents",
        "A sequence of tokens: a text, or a piece of one that is longer than the maximum length.",
        document=(pa.int32(), "number of the sequence, its row in this table"),
        text=(pa.int32(), "number of the text in the source, from 0"),
        piece=(pa.int32(), "number of the piece within the text, from 0"),
        title=(pa.string(), "the text's title, for attribution"),
        split=(pa.string(), "train, validation or test; the same for all pieces of a text"),
        offset=(pa.int64(), "where the sequence begins in tokens.npy"),
        length=(pa.int32(), "tokens of the sequence, the begin-of-sequence token included"),
        sha256=(pa.string(), "SHA-256 of the whole text in UTF-8, hexadecimal"),
    ),
    contract(
        "vocabulary",
        "A token of the model's vocabulary.",
        token=(pa.int32(), "token id, the row in this table"),
        text=(
            pa.string(),
            "the token for display; bytes that are no character of their own appear as <0xE2>",
        ),
        special=(pa.bool_(), "whether the token is a control token that no text contains"),
    ),
]
